// SPDX-License-Identifier: MIT
#include "oracle_run.hpp"

#include <fmt/format.h>

#include "interp/interp.hpp"
#include "isa/decode.hpp"
#include "lower/lower.hpp"
#include "observer.hpp"
#include "vectors/verdict.hpp"

namespace ebpf::oracle {
namespace {

std::string hex(const Bytes& bytes) {
    std::string text;
    for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
    return text;
}

std::string first_difference(const char* what, const Bytes& expected, const Bytes& got) {
    for (std::size_t i = 0; i < std::min(expected.size(), got.size()); ++i) {
        if (expected[i] == got[i]) continue;
        return fmt::format("{} byte {}: {:02x} instead of {:02x}", what, i, static_cast<unsigned>(got[i]),
                           static_cast<unsigned>(expected[i]));
    }
    return fmt::format("{}: {} bytes instead of {}", what, got.size(), expected.size());
}

std::string elements(const MapContents& contents) {
    std::string text;
    for (const auto& element : contents)
        text += fmt::format(" [{}: {}]", hex(element.key), hex(element.value));
    return text;
}

}  // namespace

std::string difference(const Effects& expected, const Effects& got) {
    if (expected.result != got.result)
        return fmt::format("result {:#x} instead of {:#x}", got.result, expected.result);
    if (expected.memory != got.memory) return first_difference("memory", expected.memory, got.memory);
    const bool has_contexts = !expected.context.empty() && !got.context.empty();
    if (has_contexts && expected.context != got.context)
        return first_difference("context", expected.context, got.context);
    for (std::size_t i = 0; i < std::min(expected.maps.size(), got.maps.size()); ++i) {
        if (expected.maps[i] == got.maps[i]) continue;
        return fmt::format("map {} holds{} instead of{}", i, elements(got.maps[i]),
                           elements(expected.maps[i]));
    }
    return {};
}

std::unique_ptr<vectors::TestHost> make_host(const Generated& program) {
    auto host = vectors::TestHost::create(program.type, program.memory, program.shapes());
    if (!host) return nullptr;
    for (std::uint32_t i = 0; i < program.maps.size(); ++i) {
        if (!(*host)->fill(i, program.maps[i].contents)) return nullptr;
    }
    return std::move(*host);
}

Effects effects_of(vectors::TestHost& host, std::uint64_t result) {
    Effects effects{result, {}, host.plain_context(), {}};
    effects.memory.assign(host.memory().begin(), host.memory().end());
    for (std::uint32_t i = 0; i < host.maps().size(); ++i) effects.maps.push_back(host.contents(i));
    return effects;
}

Run run_generated(const Generated& program, const verifier::Report* report) {
    Run run;
    auto code = isa::decode(program.bytecode(), spec::kAllGroups);
    if (!code) {
        run.violation = "the program does not decode";
        return run;
    }
    const auto lowered = report != nullptr ? lower::lower(*code, program.type, *report)
                                           : lower::lower(*code, program.type, program.accesses());
    if (!lowered) {
        run.violation = lowered.error().message();
        return run;
    }
    const auto host = make_host(program);
    std::uint64_t result = 0;
    run.violation = observe(*code, *host, report, result);
    run.effects = effects_of(*host, result);
    if (!run.violation.empty()) return run;

    const auto other = make_host(program);
    auto image = interp::compile(*code, other->bindings());
    if (!image) return run;
    engine::Invocation invocation = other->start();
    result = other->run(**image, invocation);
    (*image)->destroy(*image);
    run.is_equal = effects_of(*other, result) == run.effects;
    return run;
}

std::vector<vectors::EngineProgram> Prepared::engine_programs(const vectors::TestHost& host) const {
    std::vector<vectors::EngineProgram> all;
    for (const Lowered& body : bodies)
        all.push_back({&body.code, body.bytecode, body.accesses, program->type, host.bindings()});
    return all;
}

Prepared prepare(const Generated& program) {
    Prepared prepared{&program, {}, {}};
    std::vector<const Body*> bodies{&program};
    for (const Target& target : program.targets) bodies.push_back(&target.body);
    for (const Body* body : bodies) {
        verifier::Request request = program.request(*body);
        request.wants_invariants = false;
        verifier::Report report = verifier::verify(request);
        if (report.verdict != verifier::Verdict::Accept) {
            prepared.refusal = vectors::first_failure(report);
            return prepared;
        }
        auto code = isa::decode(request.bytecode, request.groups);
        if (!code || !lower::lower(*code, program.type, report.accesses)) {
            prepared.refusal = "accepted, but it cannot be lowered";
            return prepared;
        }
        prepared.bodies.push_back(
            {std::move(request.bytecode), std::move(*code), std::move(report.accesses)});
    }
    return prepared;
}

}  // namespace ebpf::oracle
