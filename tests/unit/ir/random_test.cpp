// SPDX-License-Identifier: MIT
// Random programs do the same before and after every pass.
#include <gtest/gtest.h>

#include "../../oracle/generator.hpp"
#include "ir/dump.hpp"
#include "isa/decode.hpp"
#include "lower/lower.hpp"
#include "passes.hpp"
#include "print_parameters.hpp"
#include "support.hpp"

namespace ebpf::ir::test {
namespace {

constexpr std::uint64_t kPrograms = 120;

/// With regions as the verifier finds them, or without any knowledge of what accesses go to.
Program make_program(std::uint64_t seed, spec::ProgramType type, bool is_verified) {
    const oracle::Generated generated = oracle::generate(seed, {.type = type, .is_for_kernel = false});
    Program program;
    program.name = std::to_string(seed);
    program.type = type;
    program.memory = generated.memory;
    program.maps = generated.shapes();
    program.first_value = generated.maps[0].contents[0].value;
    auto code = isa::decode(generated.bytecode(), spec::kAllGroups);
    EXPECT_TRUE(code);
    program.code = std::move(*code);
    auto accesses = generated.accesses();
    if (is_verified) {
        const verifier::Report report = verifier::verify(generated.request());
        if (report.verdict == verifier::Verdict::Accept) {
            accesses = report.accesses;
            program.regions = lower::regions_of(report.accesses);
        }
    }
    EXPECT_TRUE(lower::lower(program.code, type, accesses));
    return program;
}

class RandomTest : public testing::TestWithParam<spec::ProgramType> {};

TEST_P(RandomTest, EveryPassKeepsWhatProgramsDo) {
    std::size_t verified = 0;
    for (std::uint64_t seed = 1; seed <= kPrograms; ++seed) {
        const Program program = make_program(seed, GetParam(), seed % 4 != 0);
        verified += program.regions.empty() ? 0U : 1U;
        const Effects expected = interpret(program);
        for (const Pass& pass : passes()) {
            const Effects effects = evaluate(program, pass.transform);
            ASSERT_TRUE(effects == expected) << "seed " << seed << ", " << pass.name << ": " << effects.error
                                             << effects.result << " for " << expected.result << "\n"
                                             << dump(make_module(program, pass.transform));
        }
    }
    EXPECT_GT(verified, kPrograms / 2);
}

INSTANTIATE_TEST_SUITE_P(Types, RandomTest,
                         testing::Values(spec::ProgramType::Memory, spec::ProgramType::Xdp),
                         support::NameOfParameter());

}  // namespace
}  // namespace ebpf::ir::test
