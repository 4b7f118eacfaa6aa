// SPDX-License-Identifier: MIT
// Every vector, as intermediate form, does what it does on the interpreter.
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/dump.hpp"
#include "passes.hpp"
#include "support.hpp"

namespace ebpf::ir::test {
namespace {

const std::vector<std::unique_ptr<Program>>& programs() {
    static const auto kPrograms = all_vectors();
    return kPrograms;
}

TEST(IrVectors, ThereAreManyAndMostAreVerified) {
    ASSERT_GT(programs().size(), 300U);
    const auto verified =
        std::ranges::count_if(programs(), [](const auto& program) { return !program->regions.empty(); });
    EXPECT_GT(static_cast<std::size_t>(verified), programs().size() / 2);
}

TEST(IrVectors, EveryPassKeepsWhatProgramsDo) {
    for (const auto& program : programs()) {
        const Effects expected = interpret(*program);
        for (const Pass& pass : passes()) {
            const Effects effects = evaluate(*program, pass.transform);
            ASSERT_EQ(effects.error, expected.error) << program->name << ", " << pass.name;
            ASSERT_EQ(effects.result, expected.result) << program->name << ", " << pass.name << "\n"
                                                       << dump(make_module(*program, pass.transform));
            ASSERT_TRUE(effects == expected)
                << program->name << ", " << pass.name << ": memory or maps differ";
        }
    }
}

}  // namespace
}  // namespace ebpf::ir::test
