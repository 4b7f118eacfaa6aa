// SPDX-License-Identifier: MIT
// The generator itself: its programs decode, stay inside their memory, end, and say the same in both ways of
// dispatch.
#include "generator.hpp"

#include <gtest/gtest.h>

#include <set>

#include "isa/decode.hpp"
#include "lower/lower.hpp"
#include "oracle_run.hpp"
#include "print_parameters.hpp"

namespace ebpf::oracle {
namespace {

class GeneratorTest : public testing::TestWithParam<spec::ProgramType> {};

TEST_P(GeneratorTest, ProgramsAreSafeByConstruction) {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        const Generated program = generate(seed, {.type = GetParam(), .is_for_kernel = false});
        const auto run = run_generated(program, nullptr);
        ASSERT_EQ(run.violation, "") << "seed " << seed << "\n" << listing(program);
        ASSERT_TRUE(run.is_equal) << "seed " << seed << ": ways of dispatch differ\n" << listing(program);
    }
}

TEST_P(GeneratorTest, SameSeedSameProgram) {
    const Options options{.type = GetParam(), .is_for_kernel = false};
    EXPECT_EQ(generate(7, options).bytecode(), generate(7, options).bytecode());
    EXPECT_NE(generate(7, options).bytecode(), generate(8, options).bytecode());
}

// Its answers would decide what such a program leaves behind, and the kernel has another clock.
TEST_P(GeneratorTest, AsksTheHostOnlyIfTheKernelIsNotAsked) {
    std::size_t asking = 0;
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        const Generated ours =
            generate(seed, {.type = GetParam(), .is_for_kernel = false, .allows_tail_calls = true});
        asking += ours.asks_host() ? 1U : 0U;
        const Generated shared =
            generate(seed, {.type = GetParam(), .is_for_kernel = true, .allows_tail_calls = true});
        EXPECT_FALSE(shared.asks_host()) << "seed " << seed;
    }
    EXPECT_GE(asking, 100U);
}

// What the generator never produces, no oracle sees.
TEST_P(GeneratorTest, ReachesMostForms) {
    std::set<spec::Form> forms;
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        for (const isa::Instruction& instruction :
             generate(seed, {.type = GetParam(), .is_for_kernel = false}).code) {
            forms.insert(instruction.form);
        }
    }
    EXPECT_GE(forms.size(), 150U);
}

// A program that is refused is compared with nothing.
TEST_P(GeneratorTest, MakesWhatTheVerifierAccepts) {
    std::size_t refused = 0;
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        const Generated program = generate(seed, {.type = GetParam(), .is_for_kernel = false});
        refused += prepare(program).refusal.empty() ? 0U : 1U;
    }
    EXPECT_LE(refused, 5U);
}

INSTANTIATE_TEST_SUITE_P(Types, GeneratorTest,
                         testing::Values(spec::ProgramType::Memory, spec::ProgramType::Xdp),
                         support::NameOfParameter());

}  // namespace
}  // namespace ebpf::oracle
