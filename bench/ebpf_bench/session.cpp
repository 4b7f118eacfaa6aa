// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <fmt/format.h>

#include <sys/utsname.h>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string_view>

#include "base/try.hpp"
#include "costs.hpp"
#include "runner.hpp"
#include "subject.hpp"

namespace ebpf::bench {
namespace {

/// One engine with one program, and its samples.
struct Lane {
    std::unique_ptr<Runner> runner;  ///< empty: `missing` says why
    std::string missing;
    std::uint64_t runs = 64;
    std::vector<double> samples;
};

struct Prepared {
    std::unique_ptr<Subject> subject;
    std::vector<Lane> lanes;
};

class Progress {
  public:
    explicit Progress(bool is_quiet) : is_quiet_(is_quiet) {}
    ~Progress() {
        if (!is_quiet_) std::fputs("\r\033[K", stderr);
    }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    void show(const std::string& text) const {
        if (!is_quiet_) fmt::print(stderr, "\r\033[K{}", text);
    }

  private:
    bool is_quiet_;
};

/// What a number of runs from a fresh state make of packets and maps.
struct Behaviour {
    std::vector<std::uint32_t> results;
    std::vector<Bytes> packets;
    std::vector<Contents> contents;
    friend bool operator==(const Behaviour&, const Behaviour&) = default;
};

Result<Behaviour> observe(const Subject& subject, Runner& runner) {
    constexpr unsigned kRuns = 100;
    EBPF_TRY_VOID(runner.reset());
    Behaviour behaviour;
    for (unsigned i = 0; i < kRuns; ++i) {
        Bytes packet = subject.packet;
        EBPF_TRY(const std::uint32_t result, runner.run_once(packet));
        behaviour.results.push_back(result);
        behaviour.packets.push_back(std::move(packet));
    }
    behaviour.contents = runner.contents();
    return behaviour;
}

std::string difference(const Behaviour& native, const Behaviour& other) {
    for (std::size_t i = 0; i < native.results.size(); ++i) {
        if (native.results[i] != other.results[i])
            return fmt::format("run {} returns {}, natively {}", i, other.results[i], native.results[i]);
        if (native.packets[i] != other.packets[i]) return fmt::format("run {} makes another packet", i);
    }
    for (std::size_t i = 0; i < native.contents.size(); ++i) {
        if (native.contents[i] != other.contents[i]) return fmt::format("map {} has other contents", i);
    }
    return "different numbers of maps";
}

Result<void> check_agreement(const Prepared& prepared, const std::vector<Engine>& engines) {
    const Subject& subject = *prepared.subject;
    std::optional<Behaviour> native;
    for (std::size_t i = 0; i < engines.size(); ++i) {
        if (!prepared.lanes[i].runner) continue;
        EBPF_TRY(auto behaviour, observe(subject, *prepared.lanes[i].runner));
        if (!native) {
            native = std::move(behaviour);
        } else if (*native != behaviour) {
            return fail(Status::Internal, fmt::format("{}, {}: {}", subject.name(), engines[i].title,
                                                      difference(*native, behaviour)));
        }
    }
    return {};
}

/// Finds how many runs take as long as a sample should. A few runs may take long for other reasons: what they
/// suggest is tried, from many runs and the best of attempts.
Result<void> calibrate(Lane& lane, double sample_ms) {
    constexpr double kMostRuns = 1e9;
    const double sample_ns = sample_ms * 1e6;
    while (true) {
        double ns = 1e18;
        for (int attempt = 0; attempt < 3; ++attempt) {
            EBPF_TRY(const double measured, lane.runner->measure(lane.runs));
            ns = std::min(ns, measured);
        }
        const auto runs = static_cast<double>(lane.runs);
        const double factor = sample_ns / std::max(ns * runs, 1.0);
        if (factor < 1.5 || runs * 2 > kMostRuns) return {};
        lane.runs = static_cast<std::uint64_t>(runs * std::clamp(factor, 2.0, 32.0));
    }
}

Result<Prepared> prepare(const bench_program& program, const Settings& settings,
                         const std::vector<Engine>& engines) {
    Prepared prepared;
    EBPF_TRY(prepared.subject, load_subject(program, settings.folder));
    for (const Engine& engine : engines) {
        Lane lane;
        auto runner = engine.prepare(*prepared.subject);
        if (runner) {
            lane.runner = *std::move(runner);
        } else {
            lane.missing = runner.error().message();
        }
        prepared.lanes.push_back(std::move(lane));
    }
    EBPF_TRY_VOID(check_agreement(prepared, engines));
    for (Lane& lane : prepared.lanes) {
        if (!lane.runner) continue;
        EBPF_TRY_VOID(lane.runner->reset());
        EBPF_TRY_VOID(calibrate(lane, settings.sample_ms));
    }
    return prepared;
}

ProgramFigures figures_of(const Prepared& prepared) {
    const Subject& subject = *prepared.subject;
    ProgramFigures figures{std::string(subject.name()), subject.native->summary, subject.slots(), 0, {}};
    figures.executed = count_executed(subject).value_or(0);
    for (const Lane& lane : prepared.lanes) {
        Figure figure;
        figure.missing = lane.missing;
        figure.raw_ns = figure.ns = median(lane.samples);
        if (lane.runner) {
            figure.compile_ns = lane.runner->compile_ns;
            figure.code_bytes = lane.runner->code_bytes;
        }
        figures.engines.push_back(std::move(figure));
    }
    return figures;
}

/// A test run in the kernel has a fixed cost that a program run in place has not: that of the empty program,
/// which itself takes what it takes natively.
void subtract_overhead(std::vector<ProgramFigures>& programs, std::size_t kernel) {
    const auto empty = std::ranges::find(programs, kEmpty, &ProgramFigures::name);
    if (empty == programs.end() || !empty->engines[kernel].missing.empty()) return;
    const double overhead = empty->engines[kernel].raw_ns - empty->engines.front().raw_ns;
    for (ProgramFigures& program : programs) {
        Figure& figure = program.engines[kernel];
        if (figure.missing.empty()) figure.ns = std::max(figure.raw_ns - overhead, 0.1);
    }
}

std::string machine_text() {
    std::ifstream info("/proc/cpuinfo");
    std::string processor = "unknown processor";
    for (std::string line; std::getline(info, line);) {
        if (!line.starts_with("model name")) continue;
        processor = line.substr(std::min(line.find(": ") + 2, line.size()));
        break;
    }
    utsname system{};
    uname(&system);
    return fmt::format("{}, {} {}", processor, system.sysname, system.release);
}

Result<std::vector<Engine>> choose_engines(const Settings& settings) {
    std::vector<Engine> chosen;
    for (Engine& engine : all_engines()) {
        const bool is_wanted = engine.name == kNative || settings.engines.empty() ||
                               std::ranges::find(settings.engines, engine.name) != settings.engines.end();
        if (is_wanted) chosen.push_back(std::move(engine));
    }
    for (const std::string& name : settings.engines) {
        if (std::ranges::find(chosen, name, &Engine::name) == chosen.end())
            return fail(Status::NotFound, fmt::format("engine '{}'", name));
    }
    return chosen;
}

}  // namespace

Result<Figures> measure_all(const Settings& settings) {
    EBPF_TRY(const auto engines, choose_engines(settings));
    const Progress progress(settings.is_quiet);
    std::vector<Prepared> all;
    for (const bench_program* program : all_programs()) {
        const std::string_view name = program->name;
        // The kernel's overhead is measured with the empty program, wanted or not.
        if (name != kEmpty && !name.contains(settings.filter)) continue;
        progress.show(fmt::format("preparing {}", name));
        auto prepared = prepare(*program, settings, engines);
        if (!prepared) return std::unexpected(std::move(prepared).error().in(program->name));
        all.push_back(*std::move(prepared));
    }
    if (all.size() < 2 && !std::string_view(kEmpty).contains(settings.filter))
        return fail(Status::NotFound, fmt::format("no program's name contains '{}'", settings.filter));
    for (unsigned round = 0; round < settings.rounds; ++round) {
        for (Prepared& prepared : all) {
            progress.show(
                fmt::format("round {} of {}: {}", round + 1, settings.rounds, prepared.subject->name()));
            for (Lane& lane : prepared.lanes) {
                if (!lane.runner) continue;
                EBPF_TRY(const double ns, lane.runner->measure(lane.runs));
                lane.samples.push_back(ns);
            }
        }
    }
    Figures figures{
        machine_text(), fmt::format("native code by {}", EBPF_BENCH_COMPILER), settings.rounds, {}, {}, {}};
    for (const Engine& engine : engines) figures.engines.push_back({engine.name, engine.title});
    for (const Prepared& prepared : all) figures.programs.push_back(figures_of(prepared));
    if (engines.back().name == kKernel) subtract_overhead(figures.programs, engines.size() - 1);
    progress.show("single operations");
    EBPF_TRY(figures.costs, measure_costs(settings.rounds));
    return figures;
}

}  // namespace ebpf::bench
