// SPDX-License-Identifier: MIT
// What must be known, not merely allowed: patterns that compilers emit and that programs need to be accepted.
#include <gtest/gtest.h>

#include <bit>

#include "domains/scalar.hpp"
#include "generate.hpp"
#include "isa/semantics.hpp"

namespace ebpf::domains {
namespace {

using spec::AluOp;
using spec::JumpOp;
using spec::Width;
using testing::Random;

Scalar range(std::uint64_t low, std::uint64_t high) {
    return Scalar::unsigned_range(low, high);
}
Scalar number(std::uint64_t value) {
    return Scalar::constant(value);
}
Scalar alu64(AluOp op, const Scalar& a, const Scalar& b) {
    return alu(op, Width::W64, a, b);
}
Scalar alu32(AluOp op, const Scalar& a, const Scalar& b) {
    return alu(op, Width::W32, a, b);
}

Scalar narrowed(JumpOp op, Width width, bool taken, Scalar a, Scalar b) {
    refine(op, width, taken, a, b);
    return a;
}

TEST(Precision, MaskGivesRange) {
    const Scalar byte = alu64(AluOp::And, Scalar::unknown(), number(0xff));
    EXPECT_EQ(byte, range(0, 255));
    EXPECT_EQ(byte.bits().mask, 0xffU);
    EXPECT_EQ(byte.smax32(), 255);
}

TEST(Precision, ShiftKeepsStride) {
    const Scalar scaled = alu64(AluOp::Lsh, range(0, 10), number(2));
    EXPECT_EQ(scaled.umin(), 0U);
    EXPECT_EQ(scaled.umax(), 40U);
    EXPECT_EQ(scaled.bits().mask, 0x3cU);
    EXPECT_EQ(scaled.smax(), 40);
}

TEST(Precision, ProductAndSumKeepRange) {
    const Scalar offset = alu64(AluOp::Add, alu64(AluOp::Mul, range(0, 10), number(12)), number(4));
    EXPECT_EQ(offset.umin(), 4U);
    EXPECT_EQ(offset.umax(), 124U);
    EXPECT_EQ(offset.bits().mask & 3U, 0U);
}

TEST(Precision, DifferenceThatMayBeNegativeIsSigned) {
    const Scalar difference = alu64(AluOp::Sub, range(0, 10), range(0, 4));
    EXPECT_EQ(difference.smin(), -4);
    EXPECT_EQ(difference.smax(), 10);
    EXPECT_EQ(difference.umax(), ~std::uint64_t{0});
}

TEST(Precision, RangeThatWrapsTwiceStaysARange) {
    const Scalar wrapped = alu64(AluOp::Add, range(~std::uint64_t{0} - 3, ~std::uint64_t{0}), number(10));
    EXPECT_EQ(wrapped, range(6, 9));
}

TEST(Precision, ComparisonGivesBound) {
    EXPECT_EQ(narrowed(JumpOp::Lt, Width::W64, true, Scalar::unknown(), number(64)), range(0, 63));
    EXPECT_EQ(narrowed(JumpOp::Ge, Width::W64, false, Scalar::unknown(), number(64)), range(0, 63));
    EXPECT_EQ(narrowed(JumpOp::Gt, Width::W64, false, Scalar::unknown(), number(64)), range(0, 64));
    EXPECT_EQ(narrowed(JumpOp::Le, Width::W64, false, Scalar::unknown(), number(64)).umin(), 65U);
    EXPECT_EQ(narrowed(JumpOp::Eq, Width::W64, true, Scalar::unknown(), number(64)), number(64));
    EXPECT_EQ(narrowed(JumpOp::Ne, Width::W64, true, range(0, 64), number(64)), range(0, 63));
    EXPECT_EQ(narrowed(JumpOp::SLt, Width::W64, true, range(0, ~std::uint64_t{0} >> 1U), number(8)),
              range(0, 7));
}

TEST(Precision, SignedComparisonsInBothDirectionsGiveARange) {
    Scalar value = narrowed(JumpOp::SGe, Width::W64, true, Scalar::unknown(), number(0));
    EXPECT_EQ(value.umax(), ~std::uint64_t{0} >> 1U);
    value = narrowed(JumpOp::SLe, Width::W64, true, value, number(100));
    EXPECT_EQ(value, range(0, 100));
}

TEST(Precision, SecondOperandIsNarrowedToo) {
    Scalar limit = range(0, 50);
    Scalar index = range(20, 90);
    ASSERT_TRUE(refine(JumpOp::Lt, Width::W64, true, index, limit));
    EXPECT_EQ(index, range(20, 49));
    EXPECT_EQ(limit, range(21, 50));
    Scalar copy = index;
    Scalar other = range(60, 70);
    EXPECT_FALSE(refine(JumpOp::Eq, Width::W64, true, copy, other));
    EXPECT_TRUE(copy.is_bottom());
}

// The upper half is free after a 32-bit comparison: no bound on the whole number may follow.
TEST(Precision, NarrowComparisonConstrainsLowHalfOnly) {
    const Scalar value = narrowed(JumpOp::Lt, Width::W32, true, Scalar::unknown(), number(64));
    EXPECT_EQ(value.umax32(), 63U);
    EXPECT_TRUE(value.contains(0xffff'ffff'0000'003fU));
    EXPECT_FALSE(value.contains(64));
    EXPECT_EQ(value.umax(), 0xffff'ffff'0000'003fU);
    const Scalar moved = alu32(AluOp::Mov, Scalar::unknown(), value);
    EXPECT_EQ(moved, range(0, 63));
}

TEST(Precision, NarrowComparisonOfZeroExtendedNumberConstrainsItWhole) {
    const Scalar loaded = range(0, 0xffff'ffff);
    EXPECT_EQ(narrowed(JumpOp::Lt, Width::W32, true, loaded, number(64)), range(0, 63));
    EXPECT_EQ(narrowed(JumpOp::SGt, Width::W32, false, loaded, number(~std::uint64_t{0})),
              range(0x8000'0000, 0xffff'ffff));
}

TEST(Precision, BitTestsDecideBits) {
    EXPECT_EQ(narrowed(JumpOp::Set, Width::W64, true, range(0, 15), number(8)), range(8, 15));
    EXPECT_EQ(narrowed(JumpOp::Set, Width::W64, false, range(0, 15), number(8)), range(0, 7));
    EXPECT_EQ(narrowed(JumpOp::Set, Width::W64, false, Scalar::unknown(), number(3)).bits().mask,
              ~std::uint64_t{3});
    Scalar even = alu64(AluOp::Lsh, Scalar::unknown(), number(1));
    Scalar one = number(1);
    EXPECT_FALSE(refine(JumpOp::Set, Width::W64, true, even, one));
}

TEST(Precision, ZeroExtensionOfNarrowArithmetic) {
    EXPECT_EQ(alu32(AluOp::Add, Scalar::unknown(), number(1)), range(0, 0xffff'ffff));
    EXPECT_EQ(alu32(AluOp::Add, range(0, 10), number(1)), range(1, 11));
    EXPECT_EQ(alu32(AluOp::Sub, range(0, 10), number(11)), range(0xffff'fff5, 0xffff'ffff));
    EXPECT_EQ(alu32(AluOp::Mov, number(0), number(~std::uint64_t{0})), number(0xffff'ffff));
}

TEST(Precision, SignExtensionOfSmallRangeStaysExact) {
    for (const std::uint8_t size : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{8}}) {
        const Scalar small = Scalar::signed_range(-100, 27);
        EXPECT_EQ(sign_extend(size, small), small) << int{size};
        EXPECT_EQ(sign_extend(size, truncate(size, range(3, 90))), range(3, 90)) << int{size};
    }
    const Scalar high = sign_extend(1, range(0x80, 0x8f));
    EXPECT_EQ(high, Scalar::signed_range(-128, -113));
    EXPECT_EQ(sign_extend(4, Scalar::unknown()), Scalar::signed_range(-0x8000'0000LL, 0x7fff'ffffLL));
    EXPECT_EQ(move_sx(Width::W32, 1, range(0x80, 0x8f)), range(0xffff'ff80, 0xffff'ff8f));
}

// Clang's way to sign-extend an int before it had the instruction.
TEST(Precision, ShiftPairSignExtendsLowHalf) {
    ScalarParts parts;
    parts.smin32 = -5;
    parts.smax32 = 9;
    const Scalar shifted = alu64(AluOp::Lsh, Scalar::from_parts(parts), number(32));
    EXPECT_EQ(alu64(AluOp::Arsh, shifted, number(32)), Scalar::signed_range(-5, 9));
}

TEST(Precision, TruncationKeepsWhatFits) {
    EXPECT_EQ(truncate(2, range(5, 60000)), range(5, 60000));
    EXPECT_EQ(truncate(1, range(0x110, 0x11f)), range(0x10, 0x1f));
    EXPECT_EQ(truncate(1, Scalar::unknown()), range(0, 255));
    EXPECT_EQ(truncate(4, Scalar::unknown()), range(0, 0xffff'ffff));
}

TEST(Precision, SwapMovesKnownBytes) {
    const Scalar swapped = byte_order(spec::ByteOrderOp::ToBig, 2, range(0, 255));
    EXPECT_EQ(swapped.bits().mask, 0xff00U);
    EXPECT_EQ(swapped.umax(), 0xff00U);
    EXPECT_EQ(byte_order(spec::ByteOrderOp::Swap, 4, Scalar::unknown()).umax(), 0xffff'ffffU);
}

TEST(Precision, DivisionAndRemainder) {
    EXPECT_EQ(alu64(AluOp::Div, range(100, 1000), number(10)), range(10, 100));
    EXPECT_EQ(alu64(AluOp::Div, range(0, 100), number(8)).umax(), 12U);
    EXPECT_EQ(alu64(AluOp::Div, range(5, 100), number(0)), number(0));
    EXPECT_EQ(alu64(AluOp::Div, range(5, 100), range(0, 5)), range(0, 100));
    EXPECT_EQ(alu64(AluOp::Mod, Scalar::unknown(), number(10)), range(0, 9));
    EXPECT_EQ(alu64(AluOp::Mod, Scalar::unknown(), number(16)), range(0, 15));
    EXPECT_EQ(alu64(AluOp::Mod, range(3, 9), number(10)), range(3, 9));
    EXPECT_EQ(alu64(AluOp::Mod, range(3, 900), number(0)), range(3, 900));
    EXPECT_EQ(alu64(AluOp::Mod, range(3, 900), range(0, 10)).umax(), 900U);
    EXPECT_EQ(alu64(AluOp::SDiv, Scalar::signed_range(-100, 50), number(10)), Scalar::signed_range(-10, 5));
    EXPECT_EQ(alu64(AluOp::SDiv, Scalar::signed_range(-100, 50),
                    number(std::bit_cast<std::uint64_t>(std::int64_t{-10}))),
              Scalar::signed_range(-5, 10));
    EXPECT_EQ(alu64(AluOp::SMod, Scalar::unknown(), number(10)), Scalar::signed_range(-9, 9));
    EXPECT_EQ(alu64(AluOp::SMod, range(0, 1000), number(std::bit_cast<std::uint64_t>(std::int64_t{-10}))),
              range(0, 9));
    EXPECT_TRUE(alu64(AluOp::SDiv, Scalar::unknown(), number(~std::uint64_t{0})).is_unknown());
}

TEST(Precision, ShiftsByVaryingCounts) {
    const Scalar power = alu64(AluOp::Lsh, number(1), range(0, 7));
    EXPECT_EQ(power.umin(), 1U);
    EXPECT_EQ(power.umax(), 128U);
    EXPECT_EQ(power.bits().mask, 0xffU);
    EXPECT_EQ(alu64(AluOp::Rsh, range(0, 1024), range(2, 4)), range(0, 256));
    EXPECT_EQ(alu64(AluOp::Arsh, Scalar::signed_range(-64, -1), range(1, 2)), Scalar::signed_range(-32, -1));
    EXPECT_EQ(alu64(AluOp::Rsh, Scalar::unknown(), number(56)), range(0, 255));
    EXPECT_EQ(alu32(AluOp::Rsh, Scalar::unknown(), number(24)), range(0, 255));
    EXPECT_EQ(alu32(AluOp::Arsh, Scalar::unknown(), number(31)).bits().mask, 0xffff'ffffU);
}

TEST(Precision, BitwiseOperatorsOnSmallSignedNumbers) {
    const Scalar small = Scalar::signed_range(-8, 7);
    for (const AluOp op : {AluOp::And, AluOp::Or, AluOp::Xor}) {
        EXPECT_EQ(alu64(op, small, small), small) << static_cast<int>(op);
    }
    EXPECT_EQ(alu64(AluOp::Or, range(0, 10), number(16)), range(16, 31));
    EXPECT_EQ(alu64(AluOp::Xor, range(0, 3), number(4)), range(4, 7));
    EXPECT_EQ(alu64(AluOp::And, range(0, 10), Scalar::unknown()), range(0, 10));
}

TEST(Precision, BoundsMoveToNumbersWithKnownBits) {
    const Scalar aligned = Scalar::known_bits({1, ~std::uint64_t{7}}).meet(range(2, 30));
    EXPECT_EQ(aligned.umin(), 9U);
    EXPECT_EQ(aligned.umax(), 25U);
    EXPECT_TRUE(Scalar::known_bits({1, ~std::uint64_t{7}}).meet(range(2, 8)).is_bottom());
}

TEST(Precision, LowHalfBoundsTheWhole) {
    ScalarParts parts;
    parts.umin = 0;
    parts.umax = 0xffff'ffff;
    parts.smin32 = 0;
    parts.smax32 = 9;
    EXPECT_EQ(Scalar::from_parts(parts), range(0, 9));
    parts = {};
    parts.smin = -0x8000'0000LL;
    parts.smax = 0x7fff'ffffLL;
    parts.smin32 = -5;
    parts.smax32 = 5;
    EXPECT_EQ(Scalar::from_parts(parts), Scalar::signed_range(-5, 5));
}

// For ranges that do not overflow the operators' bounds are exact, not merely sound.
TEST(Precision, BoundsAreAttainedWithoutOverflow) {
    Random random(23);
    for (int i = 0; i < 4'000; ++i) {
        const std::uint64_t low = random.below(1000);
        const std::uint64_t high = low + random.below(1000);
        const std::uint64_t factor = 1 + random.below(50);
        const Scalar a = range(low, high);
        for (const AluOp op : {AluOp::Add, AluOp::Mul, AluOp::Div, AluOp::SDiv}) {
            for (const Width width : {Width::W32, Width::W64}) {
                const Scalar result = alu(op, width, a, number(factor));
                ASSERT_EQ(result.umin(), isa::eval_alu(op, width, low, factor));
                ASSERT_EQ(result.umax(), isa::eval_alu(op, width, high, factor));
            }
        }
    }
}

}  // namespace
}  // namespace ebpf::domains
