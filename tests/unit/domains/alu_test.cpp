// SPDX-License-Identifier: MIT
// Transfer functions hold every result of their members: random sets, members at the sets' edges.
#include <gtest/gtest.h>

#include "domains/scalar.hpp"
#include "generate.hpp"
#include "isa/semantics.hpp"
#include "print_parameters.hpp"

namespace ebpf::domains {
namespace {

using spec::AluOp;
using spec::Width;
using testing::Random;
using testing::Sample;

constexpr int kCases = 2'500;

constexpr AluOp kAluOps[] = {
#define EBPF_ALU(name, code, symbol, group, offset) AluOp::name,
#include "spec/instructions.def"
#undef EBPF_ALU
};

class AluSoundness : public ::testing::TestWithParam<std::tuple<AluOp, Width>> {};

TEST_P(AluSoundness, HoldsEveryResult) {
    const auto [op, width] = GetParam();
    Random random(static_cast<std::uint64_t>(op) * 2 + static_cast<std::uint64_t>(width));
    for (int i = 0; i < kCases; ++i) {
        const Sample a = testing::sample(random);
        const Sample b = testing::sample(random);
        const Scalar result = alu(op, width, a.set, b.set);
        for (const std::uint64_t x : a.members) {
            for (const std::uint64_t y : b.members) {
                const std::uint64_t concrete = isa::eval_alu(op, width, x, y);
                ASSERT_TRUE(testing::holds(result.parts(), concrete))
                    << std::hex << x << " op " << y << " = " << concrete << " not in "
                    << testing::describe(result) << " from " << testing::describe(a.set) << " op "
                    << testing::describe(b.set);
            }
        }
    }
}

TEST_P(AluSoundness, FoldsConstantsExactly) {
    const auto [op, width] = GetParam();
    Random random(7);
    for (int i = 0; i < kCases; ++i) {
        const std::uint64_t x = random.number();
        const std::uint64_t y = random.number();
        ASSERT_EQ(alu(op, width, Scalar::constant(x), Scalar::constant(y)),
                  Scalar::constant(isa::eval_alu(op, width, x, y)));
    }
}

TEST_P(AluSoundness, NothingInNothingOut) {
    const auto [op, width] = GetParam();
    EXPECT_TRUE(alu(op, width, Scalar::bottom(), Scalar::unknown()).is_bottom());
    EXPECT_TRUE(alu(op, width, Scalar::constant(0), Scalar::bottom()).is_bottom());
}

INSTANTIATE_TEST_SUITE_P(Operators, AluSoundness,
                         ::testing::Combine(::testing::ValuesIn(kAluOps),
                                            ::testing::Values(Width::W32, Width::W64)),
                         support::NameOfParameter());

// Small sets whose members can all be listed: the result must hold all pairs' results, and bounds be met
// closely.
TEST_P(AluSoundness, HoldsEveryResultOfSmallRanges) {
    const auto [op, width] = GetParam();
    Random random(11);
    for (int i = 0; i < 200; ++i) {
        const std::uint64_t first_a = random.number();
        const std::uint64_t first_b = random.number();
        const std::uint64_t count_a = random.below(12);
        const std::uint64_t count_b = random.below(12);
        Scalar a = Scalar::bottom();
        Scalar b = Scalar::bottom();
        for (std::uint64_t n = 0; n <= count_a; ++n) a = a.join(Scalar::constant(first_a + n));
        for (std::uint64_t n = 0; n <= count_b; ++n) b = b.join(Scalar::constant(first_b + n));
        const Scalar result = alu(op, width, a, b);
        for (std::uint64_t n = 0; n <= count_a; ++n) {
            for (std::uint64_t m = 0; m <= count_b; ++m) {
                ASSERT_TRUE(result.contains(isa::eval_alu(op, width, first_a + n, first_b + m)))
                    << std::hex << first_a + n << " op " << first_b + m;
            }
        }
    }
}

TEST(ResizeSoundness, HoldsEveryResult) {
    Random random(3);
    for (int i = 0; i < 2 * kCases; ++i) {
        const Sample a = testing::sample(random);
        const auto size = static_cast<std::uint8_t>(1U << random.below(4));
        const auto wide_size = static_cast<std::uint8_t>(2U << random.below(3));
        const Width width = random.below(2) == 0 ? Width::W32 : Width::W64;
        const auto order = static_cast<spec::ByteOrderOp>(random.below(3));
        for (const std::uint64_t x : a.members) {
            ASSERT_TRUE(truncate(size, a.set).contains(isa::zero_extend(size, x)));
            ASSERT_TRUE(sign_extend(size, a.set).contains(isa::sign_extend(size, x)));
            ASSERT_TRUE(move_sx(width, size, a.set).contains(isa::eval_move_sx(width, size, x)));
            ASSERT_TRUE(negate(width, a.set).contains(isa::eval_negate(width, x)));
            ASSERT_TRUE(
                byte_order(order, wide_size, a.set).contains(isa::eval_byte_order(order, wide_size, x)));
        }
    }
}

TEST(ResizeSoundness, FoldsConstantsExactly) {
    Random random(5);
    for (int i = 0; i < kCases; ++i) {
        const std::uint64_t x = random.number();
        const Scalar a = Scalar::constant(x);
        for (const std::uint8_t size : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{8}}) {
            ASSERT_EQ(truncate(size, a), Scalar::constant(isa::zero_extend(size, x)));
            ASSERT_EQ(sign_extend(size, a), Scalar::constant(isa::sign_extend(size, x)));
            ASSERT_EQ(move_sx(Width::W32, size, a), Scalar::constant(isa::eval_move_sx(Width::W32, size, x)));
            if (size > 1) {
                ASSERT_EQ(byte_order(spec::ByteOrderOp::Swap, size, a),
                          Scalar::constant(isa::eval_byte_order(spec::ByteOrderOp::Swap, size, x)));
            }
        }
        ASSERT_EQ(negate(Width::W64, a), Scalar::constant(0 - x));
    }
}

}  // namespace
}  // namespace ebpf::domains
