// SPDX-License-Identifier: MIT
#include "differential.hpp"

#include <optional>

namespace ebpf::oracle {
namespace {

using vectors::Compiled;
using vectors::Engine;
using vectors::EngineProgram;

struct Attempt {
    std::optional<Effects> effects;
    std::string failure;
};

Attempt run_images(const Prepared& prepared, vectors::TestHost& host, std::span<const Compiled> images) {
    for (std::size_t i = 0; i < images.size(); ++i) {
        if (!images[i]) return {{}, "refuses: " + images[i].error().text};
        if (i == 0) continue;
        const Target& target = prepared.program->targets[i - 1];
        const auto put = host.put_program(target.map, target.index, *images[i]->get());
        if (!put) return {{}, put.error().message()};
    }
    engine::Invocation invocation = host.start();
    const std::uint64_t result = host.run(*images[0]->get(), invocation);
    return {effects_of(host, result), {}};
}

std::vector<Attempt> run_on(const Engine& engine, std::span<const Prepared> all) {
    std::vector<std::unique_ptr<vectors::TestHost>> hosts;
    std::vector<EngineProgram> programs;
    std::vector<std::size_t> starts;
    for (const Prepared& prepared : all) {
        hosts.push_back(make_host(*prepared.program));
        starts.push_back(programs.size());
        const auto more = prepared.engine_programs(*hosts.back());
        programs.insert(programs.end(), more.begin(), more.end());
    }
    const std::vector<Compiled> images = engine.compile(programs);
    std::vector<Attempt> attempts;
    for (std::size_t i = 0; i < all.size(); ++i) {
        attempts.push_back(
            run_images(all[i], *hosts[i], std::span(images).subspan(starts[i], all[i].bodies.size())));
    }
    hosts.clear();  // prog arrays let go of images before these end
    return attempts;
}

// Only 32 bits of an outsider's result are known to mean anything.
std::string differs_outside(const Effects& expected, const Effects& got) {
    Effects low = expected;
    low.result &= 0xffffffffU;
    return difference(low, got);
}

}  // namespace

void Tally::add(const Tally& other) {
    accepted += other.accepted;
    refused += other.refused;
    for (const auto& [name, count] : other.compared) compared[name] += count;
    for (const auto& [name, count] : other.opponents_refuse) opponents_refuse[name] += count;
    for (const auto& [name, count] : other.refusals) refusals[name] += count;
}

Effects expected_effects(const Prepared& prepared) {
    return *run_on(vectors::interpreter(), std::span(&prepared, 1)).front().effects;
}

std::vector<Disagreement> compare(const Contest& contest, std::span<const Generated> programs, Tally& tally) {
    std::vector<Disagreement> found;
    std::vector<Prepared> all;
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < programs.size(); ++i) {
        Prepared prepared = prepare(programs[i]);
        if (!prepared.refusal.empty()) {
            ++tally.refused;
            ++tally.refusals[prepared.refusal.substr(0, prepared.refusal.find(' '))];
            continue;
        }
        ++tally.accepted;
        all.push_back(std::move(prepared));
        indices.push_back(i);
    }
    const std::vector<Attempt> expected = run_on(vectors::interpreter(), all);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!expected[i].effects) found.push_back({indices[i], "interpreter", expected[i].failure});
    }
    for (const Engine* engine : contest.engines) {
        const std::vector<Attempt> attempts = run_on(*engine, all);
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (!expected[i].effects) continue;
            ++tally.compared[engine->name];
            const std::string text = attempts[i].effects
                                         ? difference(*expected[i].effects, *attempts[i].effects)
                                         : attempts[i].failure;
            if (!text.empty()) found.push_back({indices[i], engine->name, text});
        }
    }
    for (const Outsider& outsider : contest.outsiders) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            const Generated& program = *all[i].program;
            // An outsider's clock is not ours: what a program makes of it need not agree.
            if (!expected[i].effects || program.type == spec::ProgramType::Memory || program.asks_host())
                continue;
            Effects effects;
            std::string failure;
            if (!outsider.run(program, effects, failure)) {
                ++tally
                      .opponents_refuse[std::string(outsider.name) + (failure.empty() ? "" : ": ") + failure];
                continue;
            }
            ++tally.compared[outsider.name];
            if (failure.empty()) failure = differs_outside(*expected[i].effects, effects);
            if (!failure.empty()) found.push_back({indices[i], outsider.name, failure});
        }
    }
    return found;
}

}  // namespace ebpf::oracle
