// SPDX-License-Identifier: MIT
// Programs for the tests of native images: assembled, verified, lowered.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <utility>
#include <vector>

#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"
#include "native/generate.hpp"
#include "native/identity.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::native {

inline Result<verifier::Report> verify_here(const verifier::Request& request) {
    return verifier::verify(request);
}

/// Returns a request for `assembly`, of type memory with `memory_length` bytes.
inline verifier::Request request_for(std::string_view assembly, std::uint64_t memory_length = 0) {
    verifier::Request request;
    request.program_name = "program";
    request.type = spec::ProgramType::Memory;
    request.memory_length = memory_length;
    auto bytes = isa::assemble(assembly);
    EXPECT_TRUE(bytes) << bytes.error().message();
    if (bytes) request.bytecode = *std::move(bytes);
    return request;
}

/// A program and all that a ProgramInput refers to.
struct Prepared {
    Verified verified;
    Identity identity;
    [[nodiscard]] ProgramInput input() const {
        ProgramInput input;
        input.name = verified.request.program_name;
        input.section = "memory";
        input.type = verified.request.type;
        input.memory_length = verified.request.memory_length;
        input.code = &identity.code;
        input.accesses = verified.report.accesses;
        for (const auto& map : verified.request.maps) input.maps.push_back({map.name, map.shape});
        input.lines = verified.request.lines;
        input.subprograms = verified.request.subprograms;
        input.hash = identity.hash;
        return input;
    }
};

inline Prepared prepare(const verifier::Request& request) {
    auto verified = verify_for_image(request, verify_here);
    EXPECT_TRUE(verified);
    EXPECT_EQ(verified->report.verdict, verifier::Verdict::Accept)
        << (verified->report.failures.empty() ? "" : verified->report.failures.front().message);
    auto identity = identify(verified->request, verified->report);
    EXPECT_TRUE(identity) << identity.error().message();
    return {std::move(verified).value(), std::move(identity).value()};  // throws, which fails the test
}

inline std::string c_of(const ProgramInput& input) {
    const ProgramInput* const one = &input;
    auto c = generate({&one, 1}, "test");
    EXPECT_TRUE(c) << c.error().message;
    return c ? *std::move(c) : std::string();
}

}  // namespace ebpf::native
