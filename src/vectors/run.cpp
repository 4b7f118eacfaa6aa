// SPDX-License-Identifier: MIT
#include "vectors/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "base/try.hpp"
#include "interp/interp.hpp"
#include "interp/run.hpp"
#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"
#include "isa/text/decode_text.hpp"
#include "isa/text/disassemble.hpp"
#include "lower/lower.hpp"
#include "vectors/test_host.hpp"
#include "vectors/verdict.hpp"

namespace ebpf::vectors {
namespace {

// Vectors are short; one that runs longer does not end.
constexpr std::size_t kMostSteps = 50'000'000;

/// Notes which slots of one image are executed.
struct SlotRecorder {
    static constexpr bool kWatches = true;
    const engine::Image* image;
    std::vector<bool> executed;
    std::size_t steps = 0;
    bool before(const interp::Observation& seen) {
        if (&seen.image == image) executed[seen.slot] = true;
        return ++steps < kMostSteps;
    }
};

/// Why a vector failed, or that it has reached its end early, as it expects.
struct Stop {
    bool is_passed = false;
    std::string message;
};
using Step = std::optional<Stop>;

Stop failed(std::string message) {
    return {false, std::move(message)};
}

class Runner {
  public:
    Runner(const Vector& vector, const RunOptions& options) : vector_(vector), options_(options) {}

    /// Takes all steps before the engine's. Returns whether the engine has to take its own.
    bool prepare() {
        if (excludes(vector_, options_.engine->name)) {
            outcome_.is_skipped = true;
            return false;
        }
        for (const auto step :
             {&Runner::encode, &Runner::decode, &Runner::round_trip, &Runner::verify, &Runner::lower,
              &Runner::read_targets, &Runner::make_host, &Runner::observe, &Runner::renew_host}) {
            stop_ = (this->*step)();
            if (stop_) return false;
        }
        return true;
    }

    /// Appends what the engine has to make images of: the program, then its tail-call targets.
    void append_programs(std::vector<EngineProgram>& programs) const {
        programs.push_back({&code_, bytes_, accesses_, vector_.type, host_->bindings()});
        for (const Body& body : targets_) {
            programs.push_back({&body.code, body.bytes, body.accesses, vector_.type, host_->bindings()});
        }
    }

    /// `compiled`: of the programs that were appended.
    void execute(std::span<const Compiled> compiled) {
        if (!compiled[0]) {
            const EngineRefusal& why = compiled[0].error();
            stop_ = refused(why.status, why.slot, "", why.text);
        } else if (vector_.error) {
            stop_ = failed("compiled, expected error " + vector_.error->status);
        } else {
            stop_ = install_targets(compiled.subspan(1));
            if (!stop_) stop_ = run(*compiled[0]->get());
        }
    }

    Outcome take_outcome() {
        outcome_.is_passed = !outcome_.is_skipped && (!stop_ || stop_->is_passed);
        if (stop_) outcome_.message = std::move(stop_->message);
        if (!outcome_.is_passed) outcome_.forms.clear();
        return std::move(outcome_);
    }

  private:
    /// A tail-call target.
    struct Body {
        std::vector<std::byte> bytes;
        isa::Code code;
        std::vector<verifier::AccessKind> accesses;
    };

    /// Compares an error with the expected one.
    Step refused(Status status, std::optional<std::uint32_t> slot, std::string_view field,
                 const std::string& text) {
        if (!vector_.error) return failed(text);
        const ExpectedError& expected = *vector_.error;
        const bool is_expected = expected.status == status_name(status) &&
                                 (!expected.slot || !slot || expected.slot == slot) &&
                                 (expected.field.empty() || expected.field == field);
        if (is_expected) return Stop{true, {}};
        return failed(fmt::format("expected error {} {} {}, got {}: {}", expected.status,
                                  expected.slot ? fmt::format("@{}", *expected.slot) : "", expected.field,
                                  status_name(status), text));
    }

    Step encode() {
        auto encoded = vectors::encode(vector_);
        if (!encoded) return refused(encoded.error().status(), {}, "", encoded.error().message());
        bytes_ = std::move(*encoded);
        if (vector_.raw && bytes_ != *vector_.raw) return failed("assembly and raw bytes differ");
        return {};
    }

    Step decode() {
        auto code = isa::decode(bytes_, vector_.groups);
        if (!code && is_for_verifier_to_refuse()) return verify();
        if (!code) {
            const isa::DecodeError& error = code.error();
            return refused(error.status, error.slot, error.field, isa::to_error(error).message());
        }
        code_ = std::move(*code);
        accesses_.assign(code_.size(), verifier::AccessKind::None);
        return {};
    }

    Step round_trip() {
        const std::string text = isa::disassemble(std::span(code_.data(), code_.size()));
        const auto again = isa::assemble(text);
        if (!again) return failed("disassembly does not assemble: " + again.error().message());
        if (*again != bytes_) return failed("disassembly assembles to other bytes:\n" + text);
        return {};
    }

    Step verify() {
        if (options_.verify == nullptr) return is_verdict_all() ? Step(Stop{true, {}}) : Step();
        report_ = options_.verify(make_request(vector_, bytes_));
        outcome_.is_accepted = report_.verdict == verifier::Verdict::Accept;
        outcome_.refusal = first_failure(report_);
        if (vector_.verdict) {
            const std::string difference = compare_verdict(*vector_.verdict, report_);
            if (!difference.empty()) return failed(difference);
        }
        return is_verdict_all() ? Step(Stop{true, {}}) : Step();
    }

    // Without a verdict nothing says which accesses are the context's: programs that make any cannot run
    // then.
    Step lower() {
        if (report_.verdict != verifier::Verdict::Accept) return {};
        const auto lowered = lower::lower(code_, vector_.type, report_);
        if (!lowered) return failed(lowered.error().message());
        accesses_ = report_.accesses;
        return {};
    }

    // The verifier decodes for itself; a vector may expect its refusal of what does not decode.
    bool is_for_verifier_to_refuse() const {
        return vector_.verdict && !vector_.verdict->is_accepted && !vector_.error &&
               options_.verify != nullptr;
    }

    Step read_targets() {
        for (const TailProgram& target : vector_.targets) {
            auto bytes = isa::assemble(target.assembly);
            if (!bytes) return failed("target: " + bytes.error().message());
            auto code = isa::decode(*bytes, vector_.groups);
            if (!code) return failed("target: " + isa::to_error(code.error()).message());
            Body body{std::move(*bytes), std::move(*code), {}};
            body.accesses.assign(body.code.size(), verifier::AccessKind::None);
            if (options_.verify != nullptr) {
                const verifier::Report report = options_.verify(make_request(vector_, body.bytes));
                if (report.verdict != verifier::Verdict::Accept)
                    return failed("target: " + first_failure(report));
                const auto lowered = lower::lower(body.code, vector_.type, report);
                if (!lowered) return failed("target: " + lowered.error().message());
                body.accesses = report.accesses;
            }
            targets_.push_back(std::move(body));
        }
        return {};
    }

    Step install_targets(std::span<const Compiled> images) {
        for (std::size_t i = 0; i < images.size(); ++i) {
            if (!images[i]) return failed("target: " + images[i].error().text);
            const TailProgram& target = vector_.targets[i];
            const auto put = host_->put_program(target.map, target.index, *images[i]->get());
            if (!put) return failed(put.error().message());
        }
        return {};
    }

    bool is_verdict_all() const { return !vector_.result && !vector_.error; }

    Step make_host() {
        auto host = TestHost::create(vector_.type, vector_.memory, vector_.maps);
        if (!host) return failed(host.error().message());
        host_ = std::move(*host);
        for (const MapData& data : vector_.map_data) {
            const auto filled = host_->fill(data.map, data.elements);
            if (!filled) return failed(filled.error().message());
        }
        return {};
    }

    // Whatever the engine: only the interpreter can tell which instructions a run executes.
    Step observe() {
        interp::Refusal refusal;
        auto compiled = interp::compile(code_, host_->bindings(), {interp::Dispatch::Stepping, &refusal});
        if (!compiled) {
            Step stop = refused(compiled.error(), refusal.slot, "",
                                fmt::format("instruction {}: {} {}: {}", refusal.slot, refusal.what,
                                            refusal.value, status_text(compiled.error())));
            if (!stop->is_passed) return stop;
            outcome_.forms.push_back(code_[refusal.slot].form);
            return {};  // the engine has to refuse it, too
        }
        const OwnedImage image(*compiled);
        if (vector_.error) return failed("compiled, expected error " + vector_.error->status);
        std::vector<Compiled> targets;
        for (const Body& body : targets_) {
            auto target =
                interp::compile(body.code, host_->bindings(), {interp::Dispatch::Stepping, &refusal});
            if (!target) return failed(fmt::format("target: {}", status_text(target.error())));
            targets.emplace_back(OwnedImage(*target));
        }
        if (Step stop = install_targets(targets)) return stop;
        SlotRecorder recorder{image.get(), std::vector<bool>(code_.size()), 0};
        engine::Invocation invocation = host_->start();
        const std::uint64_t result =
            host_->inside([&] { return interp::run_observed(*image, invocation, recorder); });
        if (recorder.steps >= kMostSteps)
            return failed(fmt::format("still running after {} steps", kMostSteps));
        for (std::size_t slot = 0; slot < code_.size(); ++slot) {
            if (recorder.executed[slot]) outcome_.forms.push_back(code_[slot].form);
        }
        return compare(result, "observed");
    }

    // Maps keep what the first run stored; the second one starts from empty ones too.
    Step renew_host() {
        if (vector_.maps.empty()) return {};
        return make_host();
    }

    Step run(const engine::Image& image) {
        engine::Invocation invocation = host_->start();
        return compare(host_->run(image, invocation), options_.engine->name);
    }

    Step compare(std::uint64_t result, std::string_view how) const {
        if (result != *vector_.result) {
            return failed(fmt::format("{} run: result {:#x}, expected {:#x}", how, result, *vector_.result));
        }
        const auto memory = host_->memory();
        if (vector_.output_memory && !std::ranges::equal(memory, *vector_.output_memory)) {
            return failed(fmt::format("{} run: memory is {}, expected {}", how, hex(memory),
                                      hex(*vector_.output_memory)));
        }
        for (const MapData& expected : vector_.output_maps) {
            const MapContents got = host_->contents(expected.map);
            if (got == expected.elements) continue;
            return failed(fmt::format("{} run: map {} holds {}, expected {}", how, expected.map, hex(got),
                                      hex(expected.elements)));
        }
        return {};
    }

    static std::string hex(const MapContents& contents) {
        std::string text;
        for (const MapElement& element : contents)
            text += fmt::format("[{}: {}] ", hex(element.key), hex(element.value));
        return text;
    }

    static std::string hex(std::span<const std::byte> bytes) {
        std::string text;
        for (const std::byte byte : bytes) text += fmt::format("{:02x} ", static_cast<unsigned>(byte));
        return text;
    }

    const Vector& vector_;
    const RunOptions& options_;
    Outcome outcome_;
    std::vector<std::byte> bytes_;
    isa::Code code_;
    verifier::Report report_;
    std::vector<verifier::AccessKind> accesses_;
    std::vector<Body> targets_;
    std::unique_ptr<TestHost> host_;
    Step stop_;
};

}  // namespace

Result<std::vector<std::byte>> encode(const Vector& vector) {
    if (!vector.assembly) return *vector.raw;
    return isa::assemble(*vector.assembly);
}

std::vector<Outcome> run_vectors(std::span<const Vector> vectors, const RunOptions& options) {
    std::deque<Runner> runners;  // programs refer into them
    std::vector<Runner*> ready;
    std::vector<EngineProgram> programs;
    std::vector<std::size_t> starts;  // of each ready vector's programs
    for (const Vector& vector : vectors) {
        Runner& runner = runners.emplace_back(vector, options);
        if (!runner.prepare()) continue;
        ready.push_back(&runner);
        starts.push_back(programs.size());
        runner.append_programs(programs);
    }
    starts.push_back(programs.size());
    {
        // Images go before the hosts whose maps they refer to.
        const std::vector<Compiled> images = options.engine->compile(programs);
        for (std::size_t i = 0; i < ready.size(); ++i)
            ready[i]->execute(std::span(images).subspan(starts[i], starts[i + 1] - starts[i]));
    }
    std::vector<Outcome> outcomes;
    outcomes.reserve(runners.size());
    for (Runner& runner : runners) outcomes.push_back(runner.take_outcome());
    return outcomes;
}

Outcome run_vector(const Vector& vector, const RunOptions& options) {
    return std::move(run_vectors(std::span(&vector, 1), options).front());
}

}  // namespace ebpf::vectors
