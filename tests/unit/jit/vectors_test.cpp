// SPDX-License-Identifier: MIT
// Every vector, through the JIT, does what it does on the interpreter: with and without what newer processors
// have, with blinded constants, and with so few registers that most values are spilled.
#include <gtest/gtest.h>

#include "jit/x64/convention.hpp"
#include "support.hpp"

namespace ebpf::jit::test {
namespace {

const std::vector<std::unique_ptr<ir::test::Program>>& programs() {
    static const auto kPrograms = ir::test::all_vectors();
    return kPrograms;
}

void expect_same_effects(const Options& options, RegisterSet registers = {}) {
    for (const auto& program : programs()) {
        const ir::test::Effects expected = ir::test::interpret(*program);
        const ir::test::Effects effects = run(*program, options, registers);
        ASSERT_EQ(effects.error, expected.error) << program->name;
        ASSERT_EQ(effects.result, expected.result) << program->name;
        ASSERT_TRUE(effects == expected) << program->name << ": memory or maps differ";
    }
}

TEST(JitVectors, ThisProcessor) {
    ASSERT_GT(programs().size(), 300U);
    expect_same_effects(host_options());
}

TEST(JitVectors, OldestProcessor) {
    Options options = host_options();
    options.features = {};
    expect_same_effects(options);
}

TEST(JitVectors, BlindedConstants) {
    Options options = host_options();
    options.blind_constants = true;
    expect_same_effects(options);
}

// The most that one instruction needs: an atomic loop with base, index, operand, temporary, and rax.
TEST(JitVectors, SixRegisters) {
    const RegisterSet few = registers(x64::kRax, x64::kRcx, x64::kRdx, x64::kRbx, x64::kRsi, x64::kRdi);
    expect_same_effects(host_options(), few);
    Options old = host_options();
    old.features = {};
    expect_same_effects(old, few);
}

}  // namespace
}  // namespace ebpf::jit::test
