// SPDX-License-Identifier: MIT
// engine_fuzz: random programs on all engines and in the kernel; prints every disagreement, reduced, as a
// vector. Batches run in child processes, so that a crash or an endless loop is a disagreement like any
// other.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <set>

#include "differential.hpp"
#include "generator.hpp"
#include "kernel.hpp"
#include "reduce.hpp"
#include "vector_text.hpp"

namespace {

using namespace ebpf;
using namespace ebpf::oracle;

constexpr int kExitDisagreement = 1;
constexpr int kExitUsage = 2;
constexpr unsigned kSecondsPerBatch = 120;
constexpr unsigned kSecondsPerCandidate = 10;
constexpr std::size_t kMostAttempts = 6000;

constexpr char kSeparator = '\t';
constexpr char kEnd = '\x1e';  // of a record; a compiler's messages have several lines

struct Arguments {
    std::uint64_t first = 1;
    std::uint64_t count = 2000;
    std::uint64_t seconds = 0;  // 0: no limit
    std::size_t batch = 64;
    std::size_t most_found = 3;
    std::uint64_t native_every = 1;
    std::vector<std::string> engines;
    bool no_kernel = false;
    bool no_reduction = false;
    bool is_listing = false;
    bool wants_reasons = false;
};

/// The seed decides everything about a program, its type and whether the kernel shall take it as well.
Generated program_of(std::uint64_t seed) {
    using enum spec::ProgramType;
    static constexpr Options kOptions[] = {
        {.type = Memory, .is_for_kernel = false, .allows_tail_calls = false},
        {.type = Xdp, .is_for_kernel = true, .allows_tail_calls = true},
        {.type = Xdp, .is_for_kernel = false, .allows_tail_calls = true},
        {.type = SocketFilter, .is_for_kernel = true, .allows_tail_calls = true},
        {.type = Xdp, .is_for_kernel = true, .allows_tail_calls = false}};
    return generate(seed, kOptions[seed % std::size(kOptions)]);
}

/// What the kernel's log ends in, without its numbers.
std::string last_words(const std::string& log) {
    const std::size_t statistics = log.rfind("\nprocessed ");
    std::string text = log.substr(0, statistics);
    const std::size_t last = text.rfind('\n');
    const std::size_t before = last == std::string::npos ? last : text.rfind('\n', last - 1);
    text = text.substr(before + 1);  // the instruction, and what is wrong with it
    for (char& c : text) {
        if (c >= '0' && c <= '9') c = 'N';
        if (c == kSeparator || c == '\n') c = ' ';
    }
    return text;
}

template <bool wants_reasons>
bool run_kernel(const Generated& program, Effects& effects, std::string& failure) {
    KernelRun run = run_in_kernel(program, wants_reasons);
    failure = std::move(run.failure);
    effects = std::move(run.effects);
    if (!failure.empty() || run.is_loaded) return true;
    failure = last_words(run.log);
    return false;
}

/// How a child ended, and what it wrote.
struct Ended {
    int status = 0;
    std::string output;
    [[nodiscard]] bool is_well() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
    [[nodiscard]] std::string reason() const {
        if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
        return fmt::format("ended with status {}", WEXITSTATUS(status));
    }
};

/// Runs `work` in a child process; what it returns is the output. An alarm ends what does not end.
template <typename Work>
Ended in_child(unsigned seconds, Work work) {
    int pipe_ends[2] = {};
    if (pipe(pipe_ends) != 0) throw std::runtime_error("pipe failed");
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("fork failed");
    if (child == 0) {
        close(pipe_ends[0]);
        alarm(seconds);
        const std::string output = work();
        for (std::size_t at = 0; at < output.size();) {
            const ssize_t written = write(pipe_ends[1], output.data() + at, output.size() - at);
            if (written <= 0) _exit(3);
            at += static_cast<std::size_t>(written);
        }
        _exit(0);
    }
    close(pipe_ends[1]);
    Ended ended;
    char part[4096];
    ssize_t size = 0;
    while ((size = read(pipe_ends[0], part, sizeof part)) > 0)
        ended.output.append(part, static_cast<std::size_t>(size));
    close(pipe_ends[0]);
    waitpid(child, &ended.status, 0);
    return ended;
}

/// A disagreement, across processes: a record each.
struct Found {
    std::uint64_t seed = 0;
    std::string opponent;
    std::string text;
};

std::string to_records(const std::vector<Disagreement>& found, std::uint64_t first_seed, const Tally& tally) {
    std::string text;
    for (const Disagreement& one : found)
        text += fmt::format("found{0}{1}{0}{2}{0}{3}{4}", kSeparator, first_seed + one.program, one.opponent,
                            one.text, kEnd);
    text += fmt::format("accepted{0}{1}{3}refused{0}{2}{3}", kSeparator, tally.accepted, tally.refused, kEnd);
    for (const auto& [name, count] : tally.compared)
        text += fmt::format("compared{0}{1}{0}{2}{3}", kSeparator, name, count, kEnd);
    for (const auto& [name, count] : tally.opponents_refuse)
        text += fmt::format("opponent{0}{1}{0}{2}{3}", kSeparator, name, count, kEnd);
    for (const auto& [name, count] : tally.refusals)
        text += fmt::format("rule{0}{1}{0}{2}{3}", kSeparator, name, count, kEnd);
    return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find(separator, begin)) != std::string::npos; begin = end + 1)
        parts.push_back(text.substr(begin, end - begin));
    parts.push_back(text.substr(begin));
    return parts;
}

void from_records(const std::string& output, std::vector<Found>& found, Tally& tally) {
    for (const std::string& line : split(output, kEnd)) {
        const auto words = split(line, kSeparator);
        if (words.size() < 2) continue;
        const auto number = [](const std::string& word) { return std::stoull(word); };
        if (words[0] == "found" && words.size() >= 4) found.push_back({number(words[1]), words[2], words[3]});
        if (words[0] == "accepted") tally.accepted += number(words[1]);
        if (words[0] == "refused") tally.refused += number(words[1]);
        if (words[0] == "compared") tally.compared[words[1]] += number(words[2]);
        if (words[0] == "opponent") tally.opponents_refuse[words[1]] += number(words[2]);
        if (words[0] == "rule") tally.refusals[words[1]] += number(words[2]);
    }
}

class Fuzzer {
  public:
    explicit Fuzzer(const Arguments& arguments) : arguments_(arguments) {
        for (const std::string& name : arguments.engines)
            contest_.engines.push_back(vectors::find_engine(name));
        if (arguments.no_kernel) return;
        if (const auto reason = kernel_refuses()) {
            fmt::print("the kernel is not asked: {}\n", *reason);
        } else {
            contest_.outsiders.push_back(
                {"kernel", arguments.wants_reasons ? run_kernel<true> : run_kernel<false>});
        }
    }

    int run() {
        const auto start = std::chrono::steady_clock::now();
        const auto elapsed = [&] {
            return static_cast<std::uint64_t>(
                std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start)
                    .count());
        };
        const std::uint64_t end = arguments_.first + arguments_.count;
        std::uint64_t seed = arguments_.first;
        while (seed < end && failures_ < arguments_.most_found) {
            if (arguments_.seconds != 0 && elapsed() >= arguments_.seconds) break;
            const std::size_t count = std::min<std::uint64_t>(arguments_.batch, end - seed);
            run_batch(seed, count);
            seed += count;
        }
        print(seed - arguments_.first, elapsed());
        return failures_ != 0 ? kExitDisagreement : 0;
    }

  private:
    static Ended run_seeds(const Contest& contest, std::uint64_t first, std::size_t count, unsigned seconds) {
        return in_child(seconds, [&] {
            std::vector<Generated> programs;
            for (std::size_t i = 0; i < count; ++i) programs.push_back(program_of(first + i));
            Tally tally;
            const auto found = compare(contest, programs, tally);
            return to_records(found, first, tally);
        });
    }

    // A C compiler takes longer than all other engines together.
    [[nodiscard]] Contest without_native() const {
        Contest contest = contest_;
        std::erase_if(contest.engines, [](const vectors::Engine* engine) {
            return std::string_view(engine->name) == "native";
        });
        return contest;
    }

    void run_batch(std::uint64_t first, std::size_t count) {
        const bool has_native = first / arguments_.batch % arguments_.native_every == 0;
        const Ended ended =
            run_seeds(has_native ? contest_ : without_native(), first, count, kSecondsPerBatch);
        std::vector<Found> found;
        if (ended.is_well()) {
            from_records(ended.output, found, tally_);
        } else if (count > 1) {
            run_batch(first, count / 2);
            run_batch(first + count / 2, count - count / 2);
            return;
        } else {
            found.push_back({first, culprit(first), ended.reason()});
        }
        std::set<std::uint64_t> reported;
        for (const Found& one : found) {
            if (failures_ >= arguments_.most_found || !reported.insert(one.seed).second) continue;
            ++failures_;
            report(one);
        }
    }

    /// The first opponent that ends its process when it is alone with the interpreter.
    std::string culprit(std::uint64_t seed) {
        for (const vectors::Engine* engine : contest_.engines) {
            if (!run_seeds({{engine}, {}}, seed, 1, kSecondsPerCandidate).is_well()) return engine->name;
        }
        return "interpreter";
    }

    Contest against(const std::string& opponent) const {
        Contest contest;
        for (const vectors::Engine* engine : contest_.engines) {
            if (opponent == engine->name) contest.engines.push_back(engine);
        }
        for (const Outsider& outsider : contest_.outsiders) {
            if (opponent == outsider.name) contest.outsiders.push_back(outsider);
        }
        return contest;
    }

    void report(const Found& one) {
        fmt::print("seed {}: {}: {}\n", one.seed, one.opponent, one.text);
        std::fflush(stdout);
        Generated program = program_of(one.seed);
        if (!arguments_.no_reduction) {
            const Contest contest = against(one.opponent);
            program = reduce(
                std::move(program),
                [&](const Generated& candidate) {
                    const Ended ended = in_child(kSecondsPerCandidate, [&] {
                        Tally tally;
                        const auto found = compare(contest, std::span(&candidate, 1), tally);
                        return std::string(found.empty() ? "" : "found");
                    });
                    return !ended.is_well() || !ended.output.empty();
                },
                kMostAttempts);
        }
        const Ended text = in_child(kSecondsPerCandidate, [&] {
            const Prepared prepared = prepare(program);
            if (!prepared.refusal.empty()) return "refused: " + prepared.refusal + "\n";
            return vector_text(program, expected_effects(prepared), fmt::format("seed {}", one.seed),
                               fmt::format("{}: {}", one.opponent, one.text));
        });
        fmt::print("{}", text.is_well() ? text.output : listing(program));
        std::fflush(stdout);
    }

    void print(std::uint64_t programs, std::uint64_t seconds) const {
        fmt::print("{} programs in {} s: {} accepted, {} refused by our verifier", programs, seconds,
                   tally_.accepted, tally_.refused);
        for (const auto& [rule, count] : tally_.refusals) fmt::print(", {} {}", rule, count);
        fmt::print("\n");
        for (const auto& [name, count] : tally_.compared) fmt::print("compared with {}: {}\n", name, count);
        for (const auto& [name, count] : tally_.opponents_refuse)
            fmt::print("refused by {}: {}\n", name, count);
        fmt::print("{} disagreements\n", failures_);
    }

    const Arguments& arguments_;
    Contest contest_;
    Tally tally_;
    std::size_t failures_ = 0;
};

int parse_and_run(int argc, char** argv) {
    Arguments arguments;
    std::vector<std::string> available;
    for (const vectors::Engine& engine : vectors::engines()) {
        if (engine.compile != nullptr && &engine != &vectors::interpreter())
            available.emplace_back(engine.name);
    }
    arguments.engines = available;
    CLI::App app("Runs random programs on all engines and compares what they leave behind.", "engine_fuzz");
    app.add_option("--first", arguments.first, "first seed");
    app.add_option("--count", arguments.count, "how many programs");
    app.add_option("--seconds", arguments.seconds, "stop after so many seconds (0: no limit)");
    app.add_option("--batch", arguments.batch, "programs a child process")->check(CLI::Range(1, 4096));
    app.add_option("--native-every", arguments.native_every, "native images for one batch in so many only")
        ->check(CLI::Range(1, 1000000));
    app.add_option("--most-found", arguments.most_found, "stop after so many disagreements");
    app.add_option("--engine", arguments.engines, "engines to compare with the interpreter")
        ->check(CLI::IsMember(available));
    app.add_flag("--no-kernel", arguments.no_kernel, "do not ask the kernel");
    app.add_flag("--no-reduction", arguments.no_reduction, "print disagreeing programs whole");
    app.add_flag("--reasons", arguments.wants_reasons, "say why the kernel refuses programs");
    app.add_flag("--list", arguments.is_listing, "print the programs instead of running them");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kExitUsage;
    }
    if (arguments.is_listing) {
        for (std::uint64_t i = 0; i < arguments.count; ++i) {
            const Generated program = program_of(arguments.first + i);
            const Prepared prepared = prepare(program);
            fmt::print("seed {}: {}\n{}", arguments.first + i, prepared.refusal, listing(program));
        }
        return 0;
    }
    return Fuzzer(arguments).run();
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "engine_fuzz: {}\n", error.what());
        return 3;
    }
}
