// SPDX-License-Identifier: MIT
// Operators at their edges. What RFC 9669 leaves to the reader (signed overflow) follows Linux.
#include "isa/semantics.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <random>

namespace ebpf::isa {
namespace {

using spec::AluOp;
using spec::AtomicOp;
using spec::ByteOrderOp;
using spec::JumpOp;
using spec::Width;

constexpr std::uint64_t kMin64 = std::uint64_t{1} << 63U;
constexpr std::uint64_t kMinusOne = ~std::uint64_t{0};
constexpr std::uint64_t kHigh = 0xdeadbeef00000000;  // noise above a 32-bit operand

struct AluCase {
    AluOp op;
    Width width;
    std::uint64_t a;
    std::uint64_t b;
    std::uint64_t expected;
};

TEST(Semantics, ArithmeticAtTheEdges) {
    using enum AluOp;
    constexpr auto kW32 = Width::W32;
    constexpr auto kW64 = Width::W64;
    constexpr AluCase kCases[] = {
        {Add, kW64, kMinusOne, 1, 0},
        {Add, kW32, kHigh | 0xffffffff, kHigh | 2, 1},
        {Sub, kW64, 0, 1, kMinusOne},
        {Sub, kW32, kHigh, 1, 0xffffffff},
        {Mul, kW64, kMin64, 2, 0},
        {Mul, kW64, kMin64, kMinusOne, kMin64},
        {Mul, kW32, kHigh | 0x80000001, 2, 2},
        {Mul, kW32, 0xffffffff, 0xffffffff, 1},
        {Div, kW64, 7, 0, 0},
        {Div, kW64, kMinusOne, 2, kMinusOne >> 1U},
        {Div, kW32, kHigh | 7, kHigh, 0},
        {Div, kW32, kHigh | 7, kHigh | 2, 3},
        {Div, kW32, 7, kMinusOne, 0},
        {SDiv, kW64, 7, 0, 0},
        {SDiv, kW64, kMin64, kMinusOne, kMin64},
        {SDiv, kW64, static_cast<std::uint64_t>(-7), 2, static_cast<std::uint64_t>(-3)},
        {SDiv, kW64, 7, static_cast<std::uint64_t>(-2), static_cast<std::uint64_t>(-3)},
        {SDiv, kW32, kHigh | 0x80000000, kMinusOne, 0x80000000},
        {SDiv, kW32, kHigh | 0xfffffff9, 2, 0xfffffffd},
        {SDiv, kW32, kHigh | 5, kHigh, 0},
        {Mod, kW64, 7, 0, 7},
        {Mod, kW64, kMinusOne, 10, 5},
        {Mod, kW32, kHigh | 7, kHigh, 7},
        {Mod, kW32, kHigh | 7, kHigh | 4, 3},
        {SMod, kW64, static_cast<std::uint64_t>(-7), 0, static_cast<std::uint64_t>(-7)},
        {SMod, kW64, static_cast<std::uint64_t>(-7), 3, static_cast<std::uint64_t>(-1)},
        {SMod, kW64, 7, static_cast<std::uint64_t>(-3), 1},
        {SMod, kW64, kMin64, kMinusOne, 0},
        {SMod, kW32, kHigh | 0x80000000, kMinusOne, 0},
        {SMod, kW32, kHigh | 0xfffffff9, 0, 0xfffffff9},
        {SMod, kW32, kHigh | 0xfffffff9, 3, 0xffffffff},
        {Or, kW64, 0xf0, 0x0f, 0xff},
        {Or, kW32, kHigh | 0xf0, kHigh | 0x0f, 0xff},
        {And, kW64, kMinusOne, kHigh, kHigh},
        {And, kW32, kMinusOne, kMinusOne, 0xffffffff},
        {Xor, kW64, kMinusOne, kMinusOne, 0},
        {Xor, kW32, kHigh | 1, 2, 3},
        {Lsh, kW64, 1, 63, kMin64},
        {Lsh, kW64, 1, 64, 1},
        {Lsh, kW64, 1, 65, 2},
        {Lsh, kW32, kHigh | 1, 31, 0x80000000},
        {Lsh, kW32, kHigh | 1, 32, 1},
        {Lsh, kW32, 3, kMinusOne, 0x80000000},
        {Rsh, kW64, kMin64, 63, 1},
        {Rsh, kW64, kMin64, 64, kMin64},
        {Rsh, kW32, kHigh | 0x80000000, 31, 1},
        {Rsh, kW32, kHigh | 0x80000000, 33, 0x40000000},
        {Arsh, kW64, kMin64, 63, kMinusOne},
        {Arsh, kW64, kMin64, 64, kMin64},
        {Arsh, kW32, kHigh | 0x80000000, 31, 0xffffffff},
        {Arsh, kW32, kHigh | 0x40000000, 30, 1},
        {Mov, kW64, 1, kMinusOne, kMinusOne},
        {Mov, kW32, kMinusOne, kMinusOne, 0xffffffff},
    };
    for (const AluCase& test : kCases) {
        EXPECT_EQ(eval_alu(test.op, test.width, test.a, test.b), test.expected)
            << "op " << static_cast<int>(test.op) << " width " << static_cast<int>(test.width) << " "
            << std::hex << test.a << ", " << test.b;
    }
}

TEST(Semantics, NarrowArithmeticIgnoresAndClearsHighHalves) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 20'000; ++round) {
        const std::uint64_t a = random();
        const std::uint64_t b = random() % 8 == 0 ? random() % 3 - 1 : random();
        for (unsigned op = 0; op <= static_cast<unsigned>(AluOp::Arsh); ++op) {
            const auto result = eval_alu(static_cast<AluOp>(op), Width::W32, a, b);
            ASSERT_EQ(result, result & 0xffffffff);
            ASSERT_EQ(result, eval_alu(static_cast<AluOp>(op), Width::W32, a & 0xffffffff, b & 0xffffffff));
        }
    }
}

TEST(Semantics, Negate) {
    EXPECT_EQ(eval_negate(Width::W64, 1), kMinusOne);
    EXPECT_EQ(eval_negate(Width::W64, kMin64), kMin64);
    EXPECT_EQ(eval_negate(Width::W32, kHigh | 1), 0xffffffffU);
    EXPECT_EQ(eval_negate(Width::W32, kHigh | 0x80000000), 0x80000000U);
    EXPECT_EQ(eval_negate(Width::W32, kHigh), 0U);
}

TEST(Semantics, SignExtendingMoves) {
    EXPECT_EQ(eval_move_sx(Width::W64, 1, 0x17f), 0x7fU);
    EXPECT_EQ(eval_move_sx(Width::W64, 1, 0x80), 0xffffffffffffff80U);
    EXPECT_EQ(eval_move_sx(Width::W64, 2, 0x8000), 0xffffffffffff8000U);
    EXPECT_EQ(eval_move_sx(Width::W64, 4, kHigh | 0x80000000), 0xffffffff80000000U);
    EXPECT_EQ(eval_move_sx(Width::W32, 1, 0x80), 0xffffff80U);
    EXPECT_EQ(eval_move_sx(Width::W32, 2, kHigh | 0x8000), 0xffff8000U);
    EXPECT_EQ(sign_extend(8, kMin64), kMin64);
    EXPECT_EQ(zero_extend(8, kMinusOne), kMinusOne);
    EXPECT_EQ(zero_extend(1, kMinusOne), 0xffU);
}

TEST(Semantics, ByteOrder) {
    constexpr std::uint64_t kValue = 0x1122334455667788;
    EXPECT_EQ(eval_byte_order(ByteOrderOp::ToLittle, 2, kValue), 0x7788U);
    EXPECT_EQ(eval_byte_order(ByteOrderOp::ToLittle, 4, kValue), 0x55667788U);
    EXPECT_EQ(eval_byte_order(ByteOrderOp::ToLittle, 8, kValue), kValue);
    for (const ByteOrderOp op : {ByteOrderOp::ToBig, ByteOrderOp::Swap}) {
        EXPECT_EQ(eval_byte_order(op, 2, kValue), 0x8877U);
        EXPECT_EQ(eval_byte_order(op, 4, kValue), 0x88776655U);
        EXPECT_EQ(eval_byte_order(op, 8, kValue), 0x8877665544332211U);
    }
}

struct JumpCase {
    JumpOp op;
    bool less;     ///< outcome for 1 against 2
    bool equal;    ///< outcome for 1 against 1
    bool greater;  ///< outcome for 2 against 1
    bool minus;    ///< outcome for -1 against 1
};

TEST(Semantics, Comparisons) {
    constexpr JumpCase kCases[] = {
        {JumpOp::Eq, false, true, false, false},  {JumpOp::Ne, true, false, true, true},
        {JumpOp::Gt, false, false, true, true},   {JumpOp::Ge, false, true, true, true},
        {JumpOp::Lt, true, false, false, false},  {JumpOp::Le, true, true, false, false},
        {JumpOp::SGt, false, false, true, false}, {JumpOp::SGe, false, true, true, false},
        {JumpOp::SLt, true, false, false, true},  {JumpOp::SLe, true, true, false, true},
        {JumpOp::Set, false, true, false, true},
    };
    static_assert(std::size(kCases) == static_cast<std::size_t>(JumpOp::SLe) + 1);
    for (const JumpCase& test : kCases) {
        SCOPED_TRACE(static_cast<int>(test.op));
        for (const Width width : {Width::W32, Width::W64}) {
            // Noise that differs on both sides must not matter to the narrow comparison.
            const std::uint64_t a = width == Width::W32 ? kHigh : 0;
            const std::uint64_t b = width == Width::W32 ? std::uint64_t{5} << 32U : 0;
            EXPECT_EQ(eval_jump(test.op, width, a | 1, b | 2), test.less);
            EXPECT_EQ(eval_jump(test.op, width, a | 1, b | 1), test.equal);
            EXPECT_EQ(eval_jump(test.op, width, a | 2, b | 1), test.greater);
            EXPECT_EQ(eval_jump(test.op, width, kMinusOne, b | 1), test.minus);
        }
    }
    EXPECT_TRUE(eval_jump(JumpOp::Eq, Width::W64, kMinusOne, kMinusOne));
    EXPECT_FALSE(eval_jump(JumpOp::Eq, Width::W64, 0xffffffff, kMinusOne));
    EXPECT_TRUE(eval_jump(JumpOp::Eq, Width::W32, 0xffffffff, kMinusOne));
}

TEST(Semantics, Atomics) {
    constexpr std::uint64_t kOld = 0xffffffff;
    EXPECT_EQ(eval_atomic(AtomicOp::Add, 4, kOld, kHigh | 1, 0), 0U);
    EXPECT_EQ(eval_atomic(AtomicOp::Add, 8, kOld, 1, 0), std::uint64_t{1} << 32U);
    EXPECT_EQ(eval_atomic(AtomicOp::Or, 4, 1, kHigh | 2, 0), 3U);
    EXPECT_EQ(eval_atomic(AtomicOp::And, 8, kMinusOne, kHigh, 0), kHigh);
    EXPECT_EQ(eval_atomic(AtomicOp::Xor, 4, 3, kHigh | 1, 0), 2U);
    EXPECT_EQ(eval_atomic(AtomicOp::Xchg, 4, 3, kHigh | 1, 0), 1U);
    EXPECT_EQ(eval_atomic(AtomicOp::Xchg, 8, 3, kHigh | 1, 0), kHigh | 1);
    EXPECT_EQ(eval_atomic(AtomicOp::Cmpxchg, 4, 3, kHigh | 9, kHigh | 3), 9U);
    EXPECT_EQ(eval_atomic(AtomicOp::Cmpxchg, 8, 3, 9, kHigh | 3), 3U);
    EXPECT_EQ(eval_atomic(AtomicOp::Cmpxchg, 8, kHigh, kHigh | 9, kHigh), kHigh | 9);
}

}  // namespace
}  // namespace ebpf::isa
