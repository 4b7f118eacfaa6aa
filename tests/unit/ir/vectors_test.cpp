// SPDX-License-Identifier: MIT
// Every vector, as intermediate form, does what it does on the interpreter.
#include <gtest/gtest.h>

#include <algorithm>

#include "support.hpp"

namespace ebpf::ir::test {
namespace {

const std::vector<std::unique_ptr<Program>>& programs() {
    static const auto kPrograms = all_vectors();
    return kPrograms;
}

void expect_same_effects(const Transform& transform) {
    for (const auto& program : programs()) {
        const Effects expected = interpret(*program);
        const Effects effects = evaluate(*program, transform);
        ASSERT_EQ(effects.error, expected.error) << program->name;
        ASSERT_EQ(effects.result, expected.result) << program->name;
        ASSERT_TRUE(effects == expected) << program->name << ": memory or maps differ";
    }
}

TEST(IrVectors, ThereAreManyAndMostAreVerified) {
    ASSERT_GT(programs().size(), 300U);
    const auto verified =
        std::ranges::count_if(programs(), [](const auto& program) { return !program->regions.empty(); });
    EXPECT_GT(static_cast<std::size_t>(verified), programs().size() / 2);
}

TEST(IrVectors, BuiltModulesDoTheSame) {
    expect_same_effects({});
}

}  // namespace
}  // namespace ebpf::ir::test
