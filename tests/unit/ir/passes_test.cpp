// SPDX-License-Identifier: MIT
// What each pass is for, on programs that need it; and what it must leave alone.
#include "passes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ir/branches.hpp"
#include "ir/combine.hpp"
#include "ir/drop_stores.hpp"
#include "ir/dump.hpp"
#include "ir/expand_loops.hpp"
#include "ir/expand_maps.hpp"
#include "ir/inline.hpp"
#include "ir/loops.hpp"
#include "ir/number.hpp"
#include "ir/optimise.hpp"
#include "ir/promote_frame.hpp"
#include "ir/validate.hpp"

namespace ebpf::ir::test {
namespace {

constexpr spec::MapShape kArray{spec::MapType::Array, 4, 16, 8, 0};

void full(Module& module, const engine::Bindings& bindings) {
    optimise(module, bindings);
}

/// Numbers values, then applies the pass to each function.
template <typename PassFunction>
Transform numbered(PassFunction pass) {
    return on_functions([pass](Function& function, const engine::Bindings& bindings) {
        number_values(function, bindings);
        pass(function, bindings);
        number_values(function, bindings);
    });
}

/// Applies the transform, expects the interpreter's effects, and returns the module.
Module checked(const Program& program, const Transform& transform) {
    EXPECT_TRUE(evaluate(program, transform) == interpret(program)) << dump(make_module(program, transform));
    return make_module(program, transform);
}

// ---- number_values

const Transform kNumber = on_functions(number_values);

TEST(IrNumber, LoadsOfTheSamePlaceAreOne) {
    const auto module =
        checked(assemble("r3 = *(u32 *)(r1 + 4)\nr4 = *(u32 *)(r1 + 4)\nr0 = r3\nr0 += r4\nexit"), kNumber);
    EXPECT_EQ(count(module, Opcode::Load), 1U) << dump(module);
}

TEST(IrNumber, StoresInBetweenCountWhereTheyMayOverlap) {
    const char* text = "r3 = *(u32 *)(r1 + 4)\n{}r4 = *(u32 *)(r1 + 4)\nr0 = r3\nr0 += r4\nexit";
    const auto with = [&](const std::string& store) {
        std::string program = text;
        return count(checked(assemble(program.replace(program.find("{}"), 2, store)), kNumber), Opcode::Load);
    };
    EXPECT_EQ(with("*(u8 *)(r1 + 7) = 9\n"), 2U);
    EXPECT_EQ(with("*(u8 *)(r1 + 8) = 9\n"), 1U);
    EXPECT_EQ(with("*(u64 *)(r10 - 8) = 9\n"), 1U);
    EXPECT_EQ(with("lock *(u32 *)(r1 + 8) += r2\n"), 2U);  // orders what others see
}

TEST(IrNumber, StoredValuesAreKnown) {
    const auto module = checked(
        assemble("r2 = 0x1122334455667788 ll\n*(u64 *)(r10 - 8) = r2\nr0 = *(u8 *)(r10 - 6)\nexit"), kNumber);
    EXPECT_EQ(count(module, Opcode::Load), 0U) << dump(module);
    EXPECT_EQ(
        evaluate(assemble("r2 = 0x1122334455667788 ll\n*(u64 *)(r10 - 8) = r2\nr0 = *(u8 *)(r10 - 6)\nexit"),
                 kNumber)
            .result,
        0x66U);
}

TEST(IrNumber, ValuesThatStoresPutTogetherAreNotLoaded) {
    const std::string key =
        "r2 = *(u32 *)(r1 + 0)\nr3 = *(u16 *)(r1 + 4)\n*(u32 *)(r10 - 8) = r2\n*(u16 *)(r10 - 4) = r3\n"
        "*(u16 *)(r10 - 2) = 6\n";
    const auto loads = [](const std::string& text) {
        return count(checked(assemble(text + "r0 = *(u64 *)(r10 - 8)\nexit"), kNumber), Opcode::Load);
    };
    EXPECT_EQ(loads(key), 2U);  // those of the key's parts
    EXPECT_EQ(loads(key + "r4 = r10\nr4 += -8\nr3 &= 7\nr4 += r3\n*(u8 *)(r4 + 0) = 1\n"), 3U);
}

TEST(IrNumber, BranchesAreDecidedByBoundsAndByBranchesAbove) {
    const auto by_bound =
        checked(assemble("r0 = *(u8 *)(r1 + 0)\nif r0 > 255 goto +1\nr0 += 1\nexit"), kNumber);
    EXPECT_EQ(count(by_bound, Opcode::Branch), 0U) << dump(by_bound);
    const auto by_branch = checked(assemble("r3 = *(u32 *)(r1 + 0)\nr0 = 0\nif r3 > 9 goto end\nr0 = 1\nif "
                                            "r3 > 20 goto end\nr0 = 2\nend:\nexit"),
                                   kNumber);
    EXPECT_EQ(count(by_branch, Opcode::Branch), 1U) << dump(by_branch);
}

TEST(IrNumber, ShiftPairsAreExtensions) {
    const auto zero = checked(assemble("r0 = *(u64 *)(r1 + 0)\nr0 <<= 32\nr0 >>= 32\nexit"), kNumber);
    EXPECT_EQ(count(zero, Opcode::ZeroExtend), 1U) << dump(zero);
    EXPECT_EQ(count(zero, Opcode::Shl) + count(zero, Opcode::Shr), 0U);
    const auto sign = checked(assemble("r0 = *(u64 *)(r1 + 0)\nr0 <<= 48\nr0 s>>= 48\nexit"), kNumber);
    EXPECT_EQ(count(sign, Opcode::SignExtend), 1U) << dump(sign);
}

TEST(IrNumber, DivisionByConstantsIsExactForEveryKindOfDividend) {
    for (const unsigned divisor : {3U, 7U, 10U, 641U, 0x7fffffffU, 0x80000001U, 0xfffffffeU, 0xffffffffU}) {
        for (const std::uint32_t dividend : {0U, 1U, 2U, 6U, 9U, 10U, 0x7ffffffeU, 0x7fffffffU, 0x80000000U,
                                             0xfffffffeU, 0xffffffffU, divisor - 1, divisor, divisor + 1}) {
            const std::string start =
                "w3 = " + std::to_string(static_cast<std::int32_t>(dividend)) +
                "\n*(u32 *)(r1 + 0) = r3\nr0 = *(u32 *)(r1 + 4)\n" +
                "*(u32 *)(r1 + 4) = r3\nlock *(u32 *)(r1 + 8) += r2\nw0 = *(u32 *)(r1 + 4)\n";
            for (const char* op : {"/=", "%="}) {
                const Program program = assemble(
                    start + "w0 " + op + " " + std::to_string(static_cast<std::int32_t>(divisor)) + "\nexit");
                const std::uint32_t expected = *op == '/' ? dividend / divisor : dividend % divisor;
                ASSERT_EQ(evaluate(program, kNumber).result, expected) << dividend << op << divisor;
            }
        }
    }
    const auto module = make_module(assemble("r0 = *(u32 *)(r1 + 0)\nw0 /= 10\nexit"), kNumber);
    EXPECT_EQ(count(module, Opcode::UDiv), 0U) << dump(module);
}

TEST(IrNumber, ComparedByteOrderIsThatOfTheConstant) {
    const auto module = checked(
        assemble("r3 = *(u16 *)(r1 + 0)\nr3 = be16 r3\nr0 = 1\nif r3 == 0x0800 goto +1\nr0 = 2\nexit"),
        kNumber);
    EXPECT_EQ(count(module, Opcode::ByteSwap), 0U) << dump(module);
}

// ---- promote_frame

const Transform kPromote = numbered(promote_frame);

TEST(IrPromoteFrame, SpillsBecomeValuesEvenRoundLoops) {
    const auto module =
        checked(assemble("*(u64 *)(r10 - 8) = 0\nr3 = 5\nagain:\nr4 = *(u64 *)(r10 - 8)\nr4 += r3\n"
                         "*(u64 *)(r10 - 8) = r4\nr3 += -1\nif r3 != 0 goto again\n"
                         "r0 = *(u64 *)(r10 - 8)\nexit"),
                kPromote);
    EXPECT_EQ(count(module, Opcode::Load) + count(module, Opcode::Store), 0U) << dump(module);
    EXPECT_EQ(module.functions[0].frame_bytes, 0U);
}

TEST(IrPromoteFrame, WhatAnIndexMayReachStaysMemory) {
    const auto module =
        checked(assemble("*(u64 *)(r10 - 8) = 1\n*(u64 *)(r10 - 16) = 2\n*(u64 *)(r10 - 24) = 3\n"
                         "r3 = *(u8 *)(r1 + 0)\nr3 &= 8\nr4 = r10\nr4 += r3\n"
                         "r0 = *(u64 *)(r4 - 24)\nr5 = *(u64 *)(r10 - 8)\nr0 += r5\nexit"),
                kPromote);
    EXPECT_EQ(count(module, Opcode::Load), 2U) << dump(module);  // the index, and what it selects
    EXPECT_EQ(count(module, Opcode::Store), 2U) << dump(module);
    EXPECT_EQ(module.functions[0].frame_bytes, 24U);
}

// ---- inline_calls

TEST(IrInline, SmallSubprogramsGoWhereTheyAreCalled) {
    const Program program = assemble(
        "r6 = *(u8 *)(r1 + 0)\nr1 = r6\ncall twice\nr1 = r0\ncall twice\nexit\n"
        "twice:\n*(u64 *)(r10 - 8) = r1\nr0 = *(u64 *)(r10 - 8)\nif r0 == 0 goto none\nr0 *= "
        "2\nexit\nnone:\nr0 = 9\nexit");
    const auto module = checked(program, full);
    EXPECT_EQ(module.functions.size(), 1U) << dump(module);
    EXPECT_EQ(module.functions[0].frame_bytes, 0U);
}

TEST(IrInline, SubprogramsThatLeaveInTheirOwnWayStayCalls) {
    const Program program =
        assemble("r6 = r1\ncall sub\nr0 += 1\nexit\nsub:\nr6 = r1\nr0 = *(u8 *)skb[200]\nexit", {}, 64,
                 spec::ProgramType::SocketFilter);
    const auto module = checked(program, full);
    EXPECT_EQ(module.functions.size(), 2U) << dump(module);
}

// ---- expand_maps

constexpr const char* kLookup =
    "r3 = *(u8 *)(r1 + 0)\n*(u32 *)(r10 - 4) = r3\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall 1\n"
    "if r0 == 0 goto none\nr3 = *(u64 *)(r0 + 8)\nr3 += 1\n*(u64 *)(r0 + 8) = r3\nr0 = r3\nexit\nnone:\nr0 = "
    "77\nexit";

TEST(IrExpandMaps, ArrayLookupsAreArithmeticWithoutANullCheck) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{64}}) {
        Program program = assemble(kLookup, {kArray}, bytes);
        for (unsigned index = 0; index < 12; ++index) {
            program.memory[0] = static_cast<std::byte>(index);
            const auto module = checked(program, full);
            EXPECT_EQ(count(module, Opcode::CallHelper), 0U);
            EXPECT_EQ(count(module, Opcode::Branch), 1U) << dump(module);
            EXPECT_EQ(count(module, Opcode::Select), 0U) << dump(module);
            EXPECT_EQ(module.functions[0].frame_bytes, 0U);
        }
    }
}

// A key of `bytes` bytes is stored, looked up, and another one besides; the value is 5.
std::string hash_program(std::uint32_t bytes) {
    std::string text;
    for (std::uint32_t at = 0; at < 24; at += 8)
        text += "*(u64 *)(r10 - " + std::to_string(24 - at) + ") = " + std::to_string(7 + at) + "\n";
    text +=
        "*(u64 *)(r10 - 32) = 5\nr6 = r1\nr1 = map[idx:0]\nr2 = r10\nr2 += -24\nr3 = r10\nr3 += -32\nr4 = "
        "0\ncall 2\nr1 = map[idx:0]\nr2 = r10\nr2 += -24\ncall 1\nr7 = 0\nif r0 == 0 goto +1\nr7 = *(u64 "
        "*)(r0 + 0)\nr3 = *(u8 *)(r6 + 0)\n*(u8 *)(r10 - " +
        std::to_string(24 - bytes + 1) +
        ") = r3\nr1 = map[idx:0]\nr2 = r10\nr2 += -24\ncall 1\nif r0 == 0 goto +1\nr7 += 100\nr0 = "
        "r7\nexit";
    return text;
}

TEST(IrExpandMaps, HashLookupsWithShortKeysAreDoneInPlace) {
    for (const std::uint32_t bytes : {4U, 8U, 16U, 12U}) {
        Program program = assemble(hash_program(bytes), {{spec::MapType::Hash, bytes, 8, 8, 0}});
        for (const unsigned changed : {0U, 9U}) {
            program.memory[0] = static_cast<std::byte>(changed);
            const auto module = checked(program, full);
            EXPECT_EQ(count(module, Opcode::MapLookup), bytes == 12 ? 2U : 0U) << dump(module);
            EXPECT_EQ(count(module, Opcode::CallHelper), 1U);
            EXPECT_EQ(interpret(program).result, changed == 0 ? 105U : 5U) << bytes;
        }
    }
}

TEST(IrExpandMaps, ArrayUpdatesCopyTheValueOrRefuseTheIndex) {
    Program program = assemble(
        "r3 = *(u8 *)(r1 + 0)\n*(u32 *)(r10 - 4) = r3\nr4 = *(u64 *)(r1 + 8)\n*(u64 *)(r10 - 24) = r4\n"
        "*(u64 *)(r10 - 16) = 5\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -24\nr4 = 0\ncall "
        "2\nexit",
        {kArray});
    for (const unsigned index : {0U, 7U, 8U, 255U}) {
        program.memory[0] = static_cast<std::byte>(index);
        const auto module = checked(program, full);
        EXPECT_EQ(count(module, Opcode::CallHelper), 0U) << dump(module);
    }
}

// ---- combine

TEST(IrCombine, BytesOfANumberAreLoadedAtOnceInEitherOrder) {
    const std::string bytes =
        "r3 = *(u8 *)(r1 + 4)\nr4 = *(u8 *)(r1 + 5)\nr5 = *(u8 *)(r1 + 6)\nr0 = *(u8 *)(r1 + 7)\n";
    const std::string joined = "r0 |= r3\nr0 |= r4\nr0 |= r5\nexit";
    const auto big =
        checked(assemble(bytes + "r3 <<= 24\nr4 <<= 16\nr5 <<= 8\n" + joined), numbered(combine_loads));
    EXPECT_EQ(count(big, Opcode::Load), 1U) << dump(big);
    EXPECT_EQ(count(big, Opcode::ByteSwap), 1U);
    const auto little =
        checked(assemble(bytes + "r0 <<= 24\nr5 <<= 16\nr4 <<= 8\n" + joined), numbered(combine_loads));
    EXPECT_EQ(count(little, Opcode::Load), 1U) << dump(little);
    EXPECT_EQ(count(little, Opcode::ByteSwap), 0U);
    const auto mixed =
        checked(assemble(bytes + "r0 <<= 24\nr4 <<= 16\nr5 <<= 8\n" + joined), numbered(combine_loads));
    EXPECT_EQ(count(mixed, Opcode::Load), 4U) << dump(mixed);
}

TEST(IrCombine, BytesThatChangeBetweenTheLoadsAreNotCombined) {
    const auto module = checked(
        assemble(
            "r3 = *(u8 *)(r1 + 4)\n*(u8 *)(r1 + 5) = 9\nr0 = *(u8 *)(r1 + 5)\nr4 = *(u8 *)(r1 + 6)\nr5 = r4\n"
            "*(u8 *)(r1 + 4) = r5\nr0 = *(u8 *)(r1 + 7)\nr4 <<= 8\nr0 |= r4\nr5 = *(u8 *)(r1 + 8)\nr3 <<= "
            "8\nr3 |= r5\n"
            "r0 += r3\nexit"),
        numbered(combine_loads));
    EXPECT_EQ(count(module, Opcode::ByteSwap), 1U) << dump(module);  // 6 and 7, not 4 and 8
}

TEST(IrCombine, NeighbouringStoresBecomeOne) {
    const auto constants =
        checked(assemble("*(u8 *)(r1 + 8) = 1\n*(u8 *)(r1 + 9) = 2\n*(u16 *)(r1 + 10) = 3\n"
                         "*(u32 *)(r1 + 12) = 4\nr0 = 0\nexit"),
                numbered(combine_stores));
    EXPECT_EQ(count(constants, Opcode::Store), 1U) << dump(constants);
    const auto parts = checked(assemble("r3 = *(u64 *)(r1 + 0)\nr4 = r3\nr4 >>= 8\n*(u8 *)(r1 + 20) = r4\n"
                                        "*(u8 *)(r1 + 21) = r3\nr0 = 0\nexit"),
                               numbered(combine_stores));
    EXPECT_EQ(count(parts, Opcode::Store), 1U) << dump(parts);
    EXPECT_EQ(count(parts, Opcode::ByteSwap), 1U);
    const auto copies = checked(
        assemble("r3 = *(u8 *)(r1 + 0)\nr4 = *(u8 *)(r1 + 1)\n*(u8 *)(r10 - 8) = r3\n"
                 "*(u8 *)(r10 - 7) = r4\nr3 = r10\nr3 += -8\nr5 = *(u8 *)(r1 + 2)\nr5 &= 1\nr3 += r5\n"
                 "r0 = *(u8 *)(r3 + 0)\nexit"),
        numbered(combine_stores));
    EXPECT_EQ(count(copies, Opcode::Store), 1U) << dump(copies);
    EXPECT_EQ(count(copies, Opcode::Load), 3U) << dump(copies);
}

TEST(IrCombine, CopiesWithinOneObjectKeepTheirOrder) {
    checked(
        assemble("r3 = *(u8 *)(r1 + 0)\n*(u8 *)(r1 + 1) = r3\nr4 = *(u8 *)(r1 + 1)\n*(u8 *)(r1 + 2) = r4\n"
                 "r5 = *(u8 *)(r1 + 2)\n*(u8 *)(r1 + 3) = r5\nr0 = 0\nexit"),
        full);
}

TEST(IrDropStores, OverwrittenBytesAreNotStored) {
    const auto module =
        checked(assemble("*(u32 *)(r1 + 4) = 1\n*(u64 *)(r1 + 0) = 2\nr0 = 0\nexit"), numbered(drop_stores));
    EXPECT_EQ(count(module, Opcode::Store), 1U) << dump(module);
    const auto read =
        checked(assemble("*(u32 *)(r1 + 4) = 1\nr3 = *(u64 *)(r1 + 1)\n*(u64 *)(r1 + 0) = 2\nr0 = r3\nexit"),
                numbered(drop_stores));
    EXPECT_EQ(count(read, Opcode::Store), 2U) << dump(read);
}

// ---- branches

const Transform kSelects =
    numbered([](Function& function, const engine::Bindings&) { make_selects(function); });
const Transform kThreads =
    numbered([](Function& function, const engine::Bindings&) { thread_jumps(function); });

TEST(IrBranches, ShortChoicesAreSelects) {
    const auto module = checked(
        assemble("r3 = *(u32 *)(r1 + 0)\nr0 = r3\nif r3 < 100 goto +1\nr0 = 100\nr0 += 1\nexit"), kSelects);
    EXPECT_EQ(count(module, Opcode::Select), 1U) << dump(module);
    EXPECT_EQ(count(module, Opcode::Branch), 0U);
    const auto store = checked(
        assemble("r3 = *(u32 *)(r1 + 0)\nr0 = r3\nif r3 < 100 goto +2\nr0 = 100\n*(u8 *)(r1 + 1) = 1\nexit"),
        kSelects);
    EXPECT_EQ(count(store, Opcode::Branch), 1U) << dump(store);
}

TEST(IrBranches, DecisionsThatAreMadeAreGoneAround) {
    const char* text =
        "r3 = *(u32 *)(r1 + 0)\nr4 = *(u32 *)(r1 + 4)\nr5 = 0\nif r3 > 5 goto other\n*(u8 *)(r1 + 9) = 1\nr5 "
        "= 1\ngoto join\n"
        "other:\n*(u8 *)(r1 + 9) = 2\njoin:\nif r5 == 1 goto yes\nr0 = r4\nr0 += r5\nexit\nyes:\nr0 = r4\nr0 "
        "-= r5\nexit";
    const auto module = checked(assemble(text), kThreads);
    EXPECT_EQ(count(module, Opcode::Branch), 1U) << dump(module);
}

// ---- loops

TEST(IrLoops, LoadsThatDoNotChangeLeaveLoops) {
    const std::string loop = "r0 = 0\nr3 = 5\nagain:\nr4 = *(u32 *)(r1 + 4)\nr0 += r4\n";
    const std::string end = "r3 += -1\nif r3 != 0 goto again\nexit";
    const auto depth_of_load = [](const Module& module) {
        const Function& function = module.functions[0];
        for (const Node& node : function.nodes) {
            if (node.opcode == Opcode::Load) return function.blocks[node.block].loop_depth;
        }
        return kNone;
    };
    EXPECT_EQ(depth_of_load(checked(assemble(loop + end), numbered(hoist_from_loops))), 0U);
    EXPECT_EQ(
        depth_of_load(checked(assemble(loop + "*(u8 *)(r1 + 5) = 1\n" + end), numbered(hoist_from_loops))),
        1U);
}

TEST(IrLoops, FewRoundsAreStraightCode) {
    const auto module =
        checked(assemble("r0 = 0\nr3 = 4\nagain:\nr0 <<= 3\nr0 ^= r3\nr3 += -1\nif r3 != 0 goto again\nexit"),
                numbered([](Function& function, const engine::Bindings&) { unroll_loops(function); }));
    EXPECT_EQ(module.functions[0].blocks.size(), 1U) << dump(module);
}

// Every kind of test at the end of a loop, up and down, for every number of rounds around the factor.
TEST(IrLoops, SeveralRoundsAtOnceAreAsManyAsBefore) {
    struct Case {
        const char* start;  // r3; r4 is the bound, from memory
        const char* step;
        const char* test;
    };
    const Case cases[] = {
        {"r3 = 0", "r3 += 1", "if r3 != r4 goto again"},    {"r3 = 0", "r3 += 1", "if r3 < r4 goto again"},
        {"r3 = 0", "r3 += 3", "if r3 <= r4 goto again"},    {"r3 = -3", "r3 += 2", "if r3 s< r4 goto again"},
        {"r3 = -3", "r3 += 2", "if r3 s<= r4 goto again"},  {"r3 = 90", "r3 += -1", "if r3 > r4 goto again"},
        {"r3 = 90", "r3 += -2", "if r3 s>= r4 goto again"}, {"r3 = 90", "r3 += -1", "if r4 < r3 goto again"},
        {"w3 = 0", "w3 += 1", "if w3 < w4 goto again"},     {"w3 = 0", "w3 += 1", "if w3 != w4 goto again"},
        {"w3 = 90", "w3 += -1", "if w3 s> w4 goto again"},
    };
    for (const Case& one : cases) {
        const std::string text = std::string("r4 = *(u8 *)(r1 + 0)\nr0 = 0\n") + one.start +
                                 "\nagain:\nr0 *= 3\nr0 += r3\n" + one.step + "\n" + one.test + "\nexit";
        Program program = assemble(text);
        const Module module = make_module(
            program, numbered([](Function& function, const engine::Bindings&) { unroll_loops(function); }));
        EXPECT_GT(count(module, Opcode::Mul), 3U) << text << dump(module);
        for (const unsigned bound : {1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 10U, 16U, 17U, 18U, 41U, 59U}) {
            program.memory[0] = static_cast<std::byte>(bound);
            ASSERT_TRUE(evaluate(program, full) == interpret(program)) << text << " bound " << bound;
        }
    }
}

TEST(IrLoops, LongSumsAreTrees) {
    const auto module = checked(
        assemble("r0 = *(u8 *)(r1 + 0)\nr3 = *(u8 *)(r1 + 1)\nr4 = *(u8 *)(r1 + 2)\nr5 = *(u8 *)(r1 + 3)\n"
                 "r0 += r3\nr0 += r4\nr0 += r5\nexit"),
        on_functions([](Function& function, const engine::Bindings&) { balance_chains(function); }));
    const Function& function = module.functions[0];
    const Node& last = function.nodes[function.input(function.nodes.back(), 0)];
    EXPECT_EQ(function.nodes[function.input(last, 0)].opcode, Opcode::Add) << dump(module);
    EXPECT_EQ(function.nodes[function.input(last, 1)].opcode, Opcode::Add) << dump(module);
}

/// Most values, constants aside, that are needed at once somewhere in the program's first block.
std::size_t most_alive(const Function& function) {
    const auto& nodes = function.blocks[0].nodes;
    std::size_t most = 0;
    for (std::size_t at = 0; at < nodes.size(); ++at) {
        std::set<NodeId> alive;
        for (std::size_t user = at; user < nodes.size(); ++user) {
            for (const NodeId input : function.inputs_of(function.nodes[nodes[user]])) {
                const auto made = std::ranges::find(nodes, input) - nodes.begin();
                if (!function.is_constant(input) && static_cast<std::size_t>(made) < at) alive.insert(input);
            }
        }
        most = std::max(most, alive.size());
    }
    return most;
}

TEST(IrLoops, LongSumsNeedFewValuesAtOnce) {
    std::string text = "r0 = 0\n";
    for (unsigned i = 0; i < 40; ++i)
        text += "r3 = *(u8 *)(r1 + " + std::to_string(i) + ")\nr3 ^= " + std::to_string(i) + "\nr0 += r3\n";
    const auto module =
        checked(assemble(text + "exit"),
                numbered([](Function& function, const engine::Bindings&) { balance_chains(function); }));
    EXPECT_LE(most_alive(module.functions[0]), 7U) << dump(module);
    EXPECT_GE(most_alive(module.functions[0]), 4U) << dump(module);  // several sums, not one
}

// ---- validate

TEST(IrValidate, NamesWhatIsWrong) {
    const Module good = make_module(assemble("r0 = *(u32 *)(r1 + 0)\nif r0 == 0 goto +1\nr0 = 7\nexit"));
    Module bad = good;
    for (Node& node : bad.functions[0].nodes) {
        if (node.opcode == Opcode::Load) node.size = 3;
    }
    EXPECT_NE(validate(bad).find("wrong size"), std::string::npos) << validate(bad);
    bad = good;
    std::swap(bad.functions[0].blocks[0].nodes.front(), bad.functions[0].blocks[0].nodes[1]);
    std::swap(bad.functions[0].blocks[0].nodes[1], bad.functions[0].blocks[0].nodes[2]);
    EXPECT_NE(validate(bad), "");
    bad = good;
    bad.functions[0].blocks[1].predecessors.clear();
    EXPECT_NE(validate(bad).find("no predecessor"), std::string::npos) << validate(bad);
}

// ---- expand_loops

constexpr const char* kSumOfIndices =
    "*(u64 *)(r10 - 8) = 0\nr1 = 10\nr2 = subprog[f]\nr3 = r10\nr3 += -8\nr4 = {}\ncall 181\n"
    "r0 = *(u64 *)(r10 - 8)\nexit\nf:\nr3 = *(u64 *)(r2 + 0)\nr3 += r1\n*(u64 *)(r2 + 0) = r3\n"
    "r0 = 0\nexit";

std::string sum_of_indices(const std::string& flags) {
    std::string text = kSumOfIndices;
    return text.replace(text.find("{}"), 2, flags);
}

TEST(IrExpandLoops, SmallCallbackIsALoopInRegisters) {
    const Module module = checked(assemble(sum_of_indices("0")), full);
    EXPECT_EQ(module.functions.size(), 1U) << dump(module);
    for (const Opcode opcode : {Opcode::CallHelper, Opcode::CallLocal, Opcode::Load, Opcode::Store})
        EXPECT_EQ(count(module, opcode), 0U) << dump(module);
}

TEST(IrExpandLoops, FlagsAreTheHelpersBusiness) {
    const Module module = checked(assemble(sum_of_indices("1")), full);
    EXPECT_EQ(count(module, Opcode::CallHelper), 1U) << dump(module);
    EXPECT_EQ(count(module, Opcode::CodeAddress), 1U) << dump(module);
    EXPECT_EQ(module.functions.size(), 2U) << dump(module);
}

// ---- helpers that call back

TEST(IrMemory, CallbacksMayChangeAnyByteOfAFrameThatTheyKnow) {
    const auto program = assemble(
        "*(u64 *)(r10 - 8) = 1\n*(u64 *)(r10 - 16) = 2\nr6 = *(u64 *)(r10 - 16)\nr1 = 3\n"
        "r2 = subprog[f]\nr3 = r10\nr3 += -8\nr4 = 0\ncall 181\nr0 = *(u64 *)(r10 - 16)\n"
        "r0 += r6\nexit\nf:\n*(u64 *)(r2 - 8) = 7\nr0 = 0\nexit");
    for (const Transform& transform : {kNumber, numbered(drop_stores), numbered(promote_frame)})
        EXPECT_EQ(count(checked(program, transform), Opcode::Store), 3U);
}

TEST(IrMemory, CallbacksLeaveAloneWhatTheyDoNotKnow) {
    const auto program = assemble(
        "*(u64 *)(r10 - 8) = 1\nr6 = *(u64 *)(r1 + 0)\nr7 = r1\nr1 = 3\nr2 = subprog[f]\nr3 = 0\n"
        "r4 = 0\ncall 181\nr0 = *(u64 *)(r10 - 8)\nr0 += r6\nr1 = *(u64 *)(r7 + 0)\nr0 += r1\nexit\n"
        "f:\nr0 = 0\nexit");
    // That of the frame is known; that of memory may have changed.
    EXPECT_EQ(count(checked(program, kNumber), Opcode::Load), 2U);
}

}  // namespace
}  // namespace ebpf::ir::test
