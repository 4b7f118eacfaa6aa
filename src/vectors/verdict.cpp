// SPDX-License-Identifier: MIT
#include "vectors/verdict.hpp"

#include <fmt/format.h>

namespace ebpf::vectors {

verifier::Request make_request(const Vector& vector, std::span<const std::byte> bytecode) {
    verifier::Request request;
    request.program_name = vector.name.empty() ? vector.file : vector.name;
    request.type = vector.type;
    request.attach_type = vector.attach_type;
    request.groups = vector.groups;
    request.is_gpl = vector.is_gpl;
    if (vector.type == spec::ProgramType::Memory) request.memory_length = vector.memory.size();
    request.bytecode.assign(bytecode.begin(), bytecode.end());
    for (const spec::MapShape& shape : vector.maps) {
        verifier::MapInfo map;
        map.name = fmt::format("map{}", request.maps.size());
        map.shape = shape;
        request.maps.push_back(std::move(map));
    }
    return request;
}

std::string first_failure(const verifier::Report& report) {
    if (report.verdict == verifier::Verdict::Accept) return {};
    if (report.failures.empty()) return "rejected without a failure";
    const verifier::Failure& failure = report.failures.front();
    return fmt::format("{} @{}: {}", failure.rule, failure.slot, failure.message);
}

std::string compare_verdict(const ExpectedVerdict& expected, const verifier::Report& report) {
    const bool is_accepted = report.verdict == verifier::Verdict::Accept;
    std::string got = is_accepted ? "accepted" : first_failure(report);
    if (expected.is_accepted) return is_accepted ? std::string() : "expected acceptance, got " + got;
    if (is_accepted) return fmt::format("expected rejection {}, got acceptance", expected.rule);
    if (report.failures.empty()) return got;
    const verifier::Failure& failure = report.failures.front();
    if (!expected.rule.empty() && failure.rule != expected.rule) {
        return fmt::format("expected {}, got {}", expected.rule, got);
    }
    if (expected.slot && failure.slot != *expected.slot) {
        return fmt::format("expected {} @{}, got {}", expected.rule, *expected.slot, got);
    }
    return {};
}

}  // namespace ebpf::vectors
