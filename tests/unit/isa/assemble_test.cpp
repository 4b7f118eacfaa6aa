// SPDX-License-Identifier: MIT
// Both input dialects, labels, and what an error says.
#include "isa/text/assemble.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "forms.hpp"
#include "isa/decode.hpp"
#include "isa/text/decode_text.hpp"
#include "isa/text/disassemble.hpp"

namespace ebpf::isa {
namespace {

using namespace testing;

/// `text` assembled, decoded and printed in the kernel's form.
std::string normalized(std::string_view text) {
    const auto bytes = assemble(text);
    if (!bytes) return "error: " + bytes.error().message();
    const auto code = decode(*bytes, spec::kAllGroups);
    if (!code) return "error: " + to_error(code.error()).message();
    std::string result = disassemble(*code);
    if (!result.empty()) result.pop_back();
    return result;
}

struct Pair {
    const char* text;
    const char* kernel;
};

TEST(Assemble, ReadsMnemonics) {
    constexpr Pair kPairs[] = {
        {"mov %r0, 1", "r0 = 1"},
        {"mov64 %r0, -1", "r0 = -1"},
        {"mov32 %r0, 0xffffffff", "w0 = -1"},
        {"add32 %r1, %r2", "w1 += w2"},
        {"sdiv %r1, %r2", "r1 s/= r2"},
        {"smod32 %r1, -3", "w1 s%= -3"},
        {"neg %r3", "r3 = -r3"},
        {"neg32 r3", "w3 = -w3"},
        {"ldxdw %r0, [%r1+2]", "r0 = *(u64 *)(r1 +2)"},
        {"ldxh %r0, [%r1]", "r0 = *(u16 *)(r1 +0)"},
        {"ldxsb %r0, [%r1-0x10]", "r0 = *(s8 *)(r1 -16)"},
        {"stxw [%r10-4], %r1", "*(u32 *)(r10 -4) = r1"},
        {"stb [%r1+2], 0x11", "*(u8 *)(r1 +2) = 17"},
        {"lddw %r0, 0x1122334455667788", "r0 = 0x1122334455667788 ll"},
        {"lddw %r0, -1", "r0 = 0xffffffffffffffff ll"},
        {"lddw %r2, map[idx:3][0]+16", "r2 = map[idx:3][0]+16"},
        {"be16 %r0", "r0 = be16 r0"},
        {"le32 %r0", "r0 = le32 r0"},
        {"swap64 %r0", "r0 = bswap64 r0"},
        {"bswap32 %r0", "r0 = bswap32 r0"},
        {"movsx8 %r0, %r1", "r0 = (s8)r1"},
        {"movsx832 %r0, %r1", "w0 = (s8)w1"},
        {"movsx1664 %r0, %r1", "r0 = (s16)r1"},
        {"movsx3264 %r0, %r1", "r0 = (s32)r1"},
        {"lock add [%r1+0], %r2", "lock *(u64 *)(r1 +0) += r2"},
        {"lock or32 [%r1], %r2", "lock *(u32 *)(r1 +0) |= r2"},
        {"lock fetch add32 [%r1], %r2", "r2 = atomic_fetch_add((u32 *)(r1 +0), r2)"},
        {"lock fetch_xor [%r1+8], %r2", "r2 = atomic64_fetch_xor((u64 *)(r1 +8), r2)"},
        {"lock xchg [%r1], %r2", "r2 = atomic64_xchg((u64 *)(r1 +0), r2)"},
        {"lock cmpxchg32 [%r1], %r2", "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)"},
        {"ja +0", "goto pc+0"},
        {"ja32 -1", "gotol pc-1"},
        {"jeq %r1, 0, -1", "if r1 == 0x0 goto pc-1"},
        {"jset32 %r1, %r2, +0", "if w1 & w2 goto pc+0"},
        {"call 5", "call bpf_ktime_get_ns#5"},
        {"call helper 999", "call unknown#999"},
        {"call local -1", "call pc-1"},
        {"call runtime 12", "call kernel-function#12"},
        {"call %r2", "callx r2"},
        {"ldabsb 3", "r0 = *(u8 *)skb[3]"},
        {"ldindw %r1, 3", "r0 = *(u32 *)skb[r1 + 3]"},
        {"exit", "exit"},
    };
    for (const Pair& pair : kPairs) {
        // Something to fall or jump to.
        EXPECT_EQ(normalized(std::string(pair.text) + "\nexit"), std::string(pair.kernel) + "\nexit")
            << pair.text;
    }
}

TEST(Assemble, ReadsWhatLlvmPrints) {
    constexpr Pair kPairs[] = {
        {"w1 = *(u8 *)(r2 + 0x0)", "r1 = *(u8 *)(r2 +0)"},
        {"*(u32 *)(r10 - 0x4) = w1", "*(u32 *)(r10 -4) = r1"},
        {"r1 <<= 0x20", "r1 <<= 32"},
        {"r1 = 0x0 ll", "r1 = 0x0 ll"},
        {"if r1 s> 0xf goto -0x1", "if r1 s> 0xf goto pc-1"},
        {"lock *(u32 *)(r1 + 0x0) += w2", "lock *(u32 *)(r1 +0) += r2"},
        {"r2 = atomic_fetch_or((u64 *)(r1 + 0x8), r2)", "r2 = atomic64_fetch_or((u64 *)(r1 +8), r2)"},
        {"w2 = xchg32_32(r1 + 0x0, w2)", "r2 = atomic_xchg((u32 *)(r1 +0), r2)"},
        {"r0 = cmpxchg_64(r1 + 0x0, r0, r2)", "r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)"},
        {"w2 = load_acquire((u8 *)(r1 + 0x0))", "r2 = load_acquire((u8 *)(r1 +0))"},
        {"call 0x6", "call bpf_trace_printk#6"},
        {"goto +0x0", "goto pc+0"},
    };
    for (const Pair& pair : kPairs) {
        EXPECT_EQ(normalized(std::string(pair.text) + "\nexit"), std::string(pair.kernel) + "\nexit")
            << pair.text;
    }
}

TEST(Assemble, ResolvesLabelsOfBothDialects) {
    EXPECT_EQ(normalized("start: lddw %r0, 1 # two slots\n"
                         "  jeq %r0, 1, done\n"
                         "  if r0 != 0x2 goto start\n"
                         "  call local function ; comment\n"
                         "  gotol done\n"
                         "done:\n"
                         "exit\n"
                         "function: // comment\n"
                         "call start\n"
                         "exit"),
              "r0 = 0x1 ll\nif r0 == 0x1 goto pc+3\nif r0 != 0x2 goto pc-4\ncall pc+2\ngotol pc+0\nexit\n"
              "call pc-8\nexit");
}

TEST(Assemble, TakesTheAddressOfALabel) {
    const auto by_name = assemble("f: r0 = 0\n r1 = subprog[g]\n r2 = subprog[f]\n exit\n g: exit");
    const auto by_distance = assemble("r0 = 0\n r1 = subprog[+4]\n r2 = subprog[-4]\n exit\n exit");
    ASSERT_TRUE(by_name) << by_name.error().message();
    ASSERT_TRUE(by_distance) << by_distance.error().message();
    EXPECT_EQ(*by_name, *by_distance);
}

TEST(Assemble, LetsExitNameTheFirstExit) {
    EXPECT_EQ(normalized("ja exit\nmov %r0, 1\nexit\nexit"), "goto pc+1\nr0 = 1\nexit\nexit");
    EXPECT_EQ(normalized("ja exit\nexit\nexit:\nmov %r0, 1\nexit"), "goto pc+1\nexit\nr0 = 1\nexit");
}

TEST(Assemble, IgnoresCommentsBlankLinesAndCarriageReturns) {
    EXPECT_EQ(normalized("# call bpf_nothing#1\r\n\r\n  \tmov %r0, 1# one\r\nexit // end\r\n"),
              "r0 = 1\nexit");
    const auto empty = assemble("# nothing\n\n");
    ASSERT_TRUE(empty.has_value());
    EXPECT_TRUE(empty->empty());
}

TEST(Assemble, MayProduceWhatDecodeRefuses) {
    EXPECT_EQ(normalized("mov %r10, 1\nexit"), "error: instruction 0: field is out of range: dst 10");
    EXPECT_EQ(normalized("ja +5\nexit"),
              "error: instruction 0: jump target is outside the program: offset 5");
}

TEST(Assemble, SaysWhereAndWhatWasExpected) {
    constexpr Pair kPairs[] = {
        {"frobnicate %r0", "line 1, column 1: expected an instruction, found 'frobnicate'"},
        {"exit\nor %r0, %r50",
         "line 2, column 9: expected a number of 32 bits or a register r0 to r10, found '%r50'"},
        {"mov32 %r0, 2147483648",
         "line 1, column 12: expected a number of 32 bits or a register r0 to r10, found '2147483648'"},
        {"mov32 %r0, 0x100000000",
         "line 1, column 12: expected a number of 32 bits or a register r0 to r10, found '0x100000000'"},
        {"ldxb %r0, %r1", "line 1, column 11: expected '[', found '%r1'"},
        {"ldxb %r0, [%r1+0x10000]",
         "line 1, column 16: expected an offset from -32768 to 32767, found '0x10000'"},
        {"lddw %r0", "line 1, column 9: expected ',', found the end of the line"},
        {"lock or [%r10-8]", "line 1, column 17: expected ',', found the end of the line"},
        {"exit 1", "line 1, column 6: expected the end of the line, found '1'"},
        {"r1 = be16 r2", "line 1, column 11: expected the same register again, found 'r2'"},
        {"ja nowhere\nexit", "line 1, column 4: no label 'nowhere'"},
        {"a:\nexit\na:", "line 3, column 1: label 'a' is already defined in line 1"},
        {"r1:", "line 1, column 1: expected a label, found 'r1'"},
        {"call bpf_nothing", "line 1, column 6: no label or helper 'bpf_nothing'"},
        {"call bpf_map_lookup_elem#2", "line 1, column 26: expected the number of that helper, found '2'"},
        {"ja 5", "line 1, column 4: expected a label or a signed distance, found '5'"},
        {"ja +40000", "line 1, column 5: expected a distance from -32768 to 32767, found '40000'"},
        {"mov %r0, 12z",
         "line 1, column 10: expected a number of 32 bits or a register r0 to r10, found '12z'"},
        {"mov %r0, \x01",
         "line 1, column 10: expected a number of 32 bits or a register r0 to r10, found '?'"},
    };
    for (const Pair& pair : kPairs) {
        const auto bytes = assemble(pair.text);
        ASSERT_FALSE(bytes.has_value()) << pair.text;
        EXPECT_EQ(bytes.error().message(), pair.kernel) << pair.text;
    }
}

TEST(Assemble, RefusesLabelsOutOfReach) {
    std::string text = "ja far\n";
    for (int i = 0; i < 16'384; ++i) text += "lddw r0, 0\n";
    text += "far: exit\n";
    const auto bytes = assemble(text);
    ASSERT_FALSE(bytes.has_value());
    EXPECT_EQ(bytes.error().status(), Status::FieldOutOfRange);
    EXPECT_EQ(bytes.error().message(),
              "line 1, column 4: label 'far' is 32768 slots away, out of the jump's reach");
    text.replace(0, 2, "ja32");
    EXPECT_TRUE(assemble(text).has_value());
}

// Lines made of pieces that lines are made of: an answer or an error, never a crash.
TEST(Assemble, SurvivesRandomTokens) {
    constexpr const char* kPieces[] = {
        "r1",   "%r2",  "w3",   "=",    "+=",   "s>>=", "*",   "(",    "u32",   ")",   "[",
        "]",    "+",    "-",    "8",    "0x10", ",",    "mov", "lock", "fetch", "add", "goto",
        "pc",   "if",   "==",   "call", "#1",   "map",  "idx", ":",    "skb",   "ll",  "99999999999999999999",
        "\xff", "lddw", "exit", "btf"};
    std::mt19937 random(7);
    std::size_t accepted = 0;
    for (int round = 0; round < 1'000; ++round) {
        std::string line;
        const std::size_t count = 1 + random() % 6;
        for (std::size_t i = 0; i < count; ++i) {
            line += kPieces[random() % std::size(kPieces)];
            if (random() % 2 == 0) line += ' ';
        }
        const auto bytes = assemble(line);
        if (bytes) {
            ++accepted;
            ASSERT_EQ(bytes->size() % spec::kSlotBytes, 0U);
        } else {
            ASSERT_FALSE(bytes.error().message().empty());
        }
    }
    EXPECT_GT(accepted, 0U);
}

}  // namespace
}  // namespace ebpf::isa
