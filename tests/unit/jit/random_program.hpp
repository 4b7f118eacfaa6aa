// SPDX-License-Identifier: MIT
// Random programs that verify, for comparing engines.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "isa/decode.hpp"
#include "lower/lower.hpp"
#include "tests/oracle/generator.hpp"
#include "tests/unit/ir/support.hpp"

namespace ebpf::jit::test {

/// Makes the program of `seed`: half of them with the verifier's regions, half without.
inline ir::test::Program random_program(std::uint64_t seed, spec::ProgramType type) {
    const oracle::Generated generated = oracle::generate(seed, {.type = type, .is_for_kernel = false});
    ir::test::Program program;
    program.name = std::to_string(seed);
    program.code = *isa::decode(generated.bytecode(), spec::kAllGroups);
    program.type = type;
    program.memory = generated.memory;
    program.maps = generated.shapes();
    program.first_value = generated.maps[0].contents[0].value;
    std::vector<verifier::AccessKind> accesses = generated.accesses();
    if (seed % 2 == 0) {
        const verifier::Report report = verifier::verify(generated.request());
        if (report.verdict == verifier::Verdict::Accept) {
            accesses = report.accesses;
            program.regions = lower::regions_of(report.accesses);
        }
    }
    EXPECT_TRUE(lower::lower(program.code, type, accesses).has_value());
    return program;
}

}  // namespace ebpf::jit::test
