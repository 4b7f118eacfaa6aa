// SPDX-License-Identifier: MIT
// Comparisons keep every pair of members that takes the edge, and only narrow.
#include <gtest/gtest.h>

#include "domains/scalar.hpp"
#include "generate.hpp"
#include "isa/semantics.hpp"
#include "print_parameters.hpp"

namespace ebpf::domains {
namespace {

using spec::JumpOp;
using spec::Width;
using testing::Random;
using testing::Sample;

constexpr int kCases = 2'500;

constexpr JumpOp kJumpOps[] = {
#define EBPF_JUMP(name, code, symbol) JumpOp::name,
#include "spec/instructions.def"
#undef EBPF_JUMP
};

class RefineSoundness : public ::testing::TestWithParam<std::tuple<JumpOp, Width>> {};

TEST_P(RefineSoundness, KeepsEveryPairThatTakesTheEdge) {
    const auto [op, width] = GetParam();
    Random random(static_cast<std::uint64_t>(op) * 2 + static_cast<std::uint64_t>(width));
    for (int i = 0; i < kCases; ++i) {
        const Sample a = testing::sample(random);
        const Sample b = testing::sample(random);
        for (const bool taken : {false, true}) {
            Scalar left = a.set;
            Scalar right = b.set;
            const bool may_happen = refine(op, width, taken, left, right);
            for (const std::uint64_t x : a.members) {
                for (const std::uint64_t y : b.members) {
                    if (isa::eval_jump(op, width, x, y) != taken) continue;
                    ASSERT_TRUE(may_happen && left.contains(x) && right.contains(y))
                        << std::hex << x << " compared with " << y << ", taken " << taken << ": "
                        << testing::describe(left) << " and " << testing::describe(right) << " from "
                        << testing::describe(a.set) << " and " << testing::describe(b.set);
                }
            }
            ASSERT_TRUE(left.leq(a.set) && right.leq(b.set));
            ASSERT_EQ(may_happen, !left.is_bottom());
            ASSERT_EQ(may_happen, !right.is_bottom());
        }
    }
}

TEST_P(RefineSoundness, DecidesConstants) {
    const auto [op, width] = GetParam();
    Random random(13);
    for (int i = 0; i < kCases; ++i) {
        const std::uint64_t x = random.number();
        const std::uint64_t y = random.below(3) == 0 ? x : random.number();
        for (const bool taken : {false, true}) {
            Scalar left = Scalar::constant(x);
            Scalar right = Scalar::constant(y);
            ASSERT_EQ(refine(op, width, taken, left, right), isa::eval_jump(op, width, x, y) == taken);
        }
    }
}

TEST_P(RefineSoundness, NumberComparedWithItself) {
    const auto [op, width] = GetParam();
    Random random(17);
    for (int i = 0; i < kCases; ++i) {
        const Sample a = testing::sample(random);
        for (const bool taken : {false, true}) {
            Scalar both = a.set;
            const bool may_happen = refine_self(op, width, taken, both);
            for (const std::uint64_t x : a.members) {
                if (isa::eval_jump(op, width, x, x) != taken) continue;
                ASSERT_TRUE(may_happen && both.contains(x));
            }
            ASSERT_EQ(may_happen, !both.is_bottom());
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Operators, RefineSoundness,
                         ::testing::Combine(::testing::ValuesIn(kJumpOps),
                                            ::testing::Values(Width::W32, Width::W64)),
                         support::NameOfParameter());

}  // namespace
}  // namespace ebpf::domains
