// SPDX-License-Identifier: MIT
// Requests from assembly text, for the tests of the verifier.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "isa/text/assemble.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::verifier {

inline Request make_request(std::string_view assembly, spec::ProgramType type = spec::ProgramType::Xdp) {
    Request request;
    request.program_name = "test";
    request.type = type;
    auto bytes = isa::assemble(assembly);
    EXPECT_TRUE(bytes.has_value()) << (bytes ? "" : bytes.error().message());
    if (bytes) request.bytecode = *std::move(bytes);
    MapInfo counters;
    counters.name = "counters";
    counters.shape = {spec::MapType::Array, 4, 16, 4, 0};
    request.maps.push_back(counters);
    MapInfo flows;
    flows.name = "flows";
    flows.shape = {spec::MapType::Hash, 8, 32, 100, 0};
    request.maps.push_back(flows);
    return request;
}

/// Text of the first failure, or "" for an accepted program.
inline std::string failure_of(const Report& report) {
    if (report.verdict == Verdict::Accept) return {};
    const Failure& failure = report.failures.at(0);
    return failure.rule + " @" + std::to_string(failure.slot) + " " + failure.message;
}

inline void expect_accepted(const Request& request) {
    const Report report = verify(request);
    EXPECT_EQ(failure_of(report), "");
    EXPECT_TRUE(report.failures.empty());
    if (report.verdict == Verdict::Accept) {
        EXPECT_EQ(report.accesses.size(), request.bytecode.size() / 8);
        EXPECT_EQ(report.reachable.size(), request.bytecode.size() / 8);
    }
}

inline void expect_refused(const Request& request, std::string_view rule, std::uint32_t slot) {
    const Report report = verify(request);
    ASSERT_EQ(report.verdict, Verdict::Reject);
    ASSERT_EQ(report.failures.size(), 1U);
    EXPECT_EQ(report.failures[0].rule, rule) << failure_of(report);
    EXPECT_EQ(report.failures[0].slot, slot) << failure_of(report);
    EXPECT_FALSE(report.failures[0].category.empty());
    EXPECT_FALSE(report.failures[0].message.empty());
}

}  // namespace ebpf::verifier
