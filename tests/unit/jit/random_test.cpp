// SPDX-License-Identifier: MIT
// Random programs do the same through the JIT as on the interpreter, whatever the options.
#include <gtest/gtest.h>

#include "jit/x64/convention.hpp"
#include "print_parameters.hpp"
#include "random_program.hpp"
#include "support.hpp"

namespace ebpf::jit::test {
namespace {

constexpr std::uint64_t kPrograms = 150;

class JitRandom : public testing::TestWithParam<spec::ProgramType> {
  protected:
    static void compare(std::uint64_t first_seed, const Options& options, RegisterSet registers = {}) {
        for (std::uint64_t seed = first_seed; seed < first_seed + kPrograms; ++seed) {
            const ir::test::Program program = random_program(seed, GetParam());
            const ir::test::Effects expected = ir::test::interpret(program);
            const ir::test::Effects effects = run(program, options, registers);
            ASSERT_EQ(effects.error, expected.error) << "seed " << seed;
            ASSERT_EQ(effects.result, expected.result) << "seed " << seed;
            ASSERT_TRUE(effects == expected) << "seed " << seed << ": memory or maps differ";
        }
    }
};

TEST_P(JitRandom, ThisProcessor) {
    compare(1, host_options());
}

TEST_P(JitRandom, OldestProcessorBlinded) {
    Options options = host_options();
    options.features = {};
    options.blind_constants = true;
    compare(2001, options);
}

TEST_P(JitRandom, SixRegisters) {
    compare(3001, host_options(),
            registers(x64::kRax, x64::kRcx, x64::kRdx, x64::kRbx, x64::kRsi, x64::kRdi));
}

INSTANTIATE_TEST_SUITE_P(Types, JitRandom, testing::Values(spec::ProgramType::Memory, spec::ProgramType::Xdp),
                         support::NameOfParameter());

}  // namespace
}  // namespace ebpf::jit::test
