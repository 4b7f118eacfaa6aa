// SPDX-License-Identifier: MIT
// The printed form: round trips through the assembler for every form, and the kernel's texts.
#include "isa/text/disassemble.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "forms.hpp"
#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"
#include "isa/text/decode_text.hpp"
#include "isa/text/templates.hpp"

namespace ebpf::isa {
namespace {

using namespace testing;

TEST(Disassemble, AssemblesToTheSameBytesForEveryForm) {
    std::size_t compared = 0;
    for (const Form form : all_forms()) {
        SCOPED_TRACE(form_name(form));
        for (const Instruction& instruction : instances(form, {0, 1, -1, 32767, -32768})) {
            const std::string text = disassemble(instruction);
            const auto bytes = assemble(text);
            ASSERT_TRUE(bytes.has_value()) << text << ": " << bytes.error().message();
            ASSERT_EQ(*bytes, bytes_of(instruction)) << text;
            ++compared;
        }
    }
    EXPECT_GT(compared, 10'000U);
}

TEST(Disassemble, ReachesTheEndsOfLongJumps) {
    for (const Form form : all_forms()) {
        if (spec::form_spec(form).imm != FieldRule::JumpTarget) continue;
        for (const std::int64_t distance : {INT32_MIN, INT32_MAX}) {
            const Instruction instruction{form, 0, static_cast<std::uint8_t>(spec::form_spec(form).selector),
                                          0, distance};
            EXPECT_EQ(assemble(disassemble(instruction)), bytes_of(instruction)) << disassemble(instruction);
        }
    }
}

// Every pattern of a form, printed or only read, leads back to that form: no dialect shadows another.
TEST(Disassemble, EveryPatternLeadsToItsForm) {
    for (const text::Template& pattern : text::templates()) {
        std::string line = pattern.pattern;
        const auto put = [&](const char* hole, const char* value) {
            for (auto at = line.find(hole); at != std::string::npos; at = line.find(hole))
                line.replace(at, 3, value);
        };
        for (const auto& [hole, value] : {std::pair{"{d}", "r7"},
                                          {"{D}", "w7"},
                                          {"{s}", "%r3"},
                                          {"{S}", "w3"},
                                          {"{i}", "5"},
                                          {"{x}", "0x5"},
                                          {"{q}", "0x123456789"},
                                          {"{l}", "4"},
                                          {"{h}", "9"},
                                          {"{c}", "+2"},
                                          {"{b}", ""},
                                          {"{o}", "+8"},
                                          {"{j}", "+0"},
                                          {"{J}", "-1"},
                                          {"{n}", "map_lookup_elem"},
                                          {"{k}", ""}}) {
            put(hole, value);
        }
        const auto bytes = assemble(line + "\nexit");
        ASSERT_TRUE(bytes.has_value()) << line << ": " << bytes.error().message();
        const auto code = decode(*bytes, spec::kAllGroups);
        ASSERT_TRUE(code.has_value()) << line << ": " << to_error(code.error()).message();
        EXPECT_EQ((*code)[0].form, pattern.form) << line;
    }
}

TEST(Disassemble, PrintsDifferentTextsForDifferentForms) {
    std::set<std::string> patterns;
    for (const Form form : all_forms())
        EXPECT_TRUE(patterns.insert(std::string(text::printed_pattern(form))).second);
    EXPECT_EQ(text::printed_pattern(Form{}), "");
    EXPECT_EQ(disassemble(Instruction{}), "");
}

struct KernelText {
    Slot slot;
    const char* text;
};

// Compared with the verifier log of Linux 6.18 and with bpftool; what these print otherwise, because they
// have resolved it (maps, variables, functions) or write no suffix, stands at the end, after "ours". way.
TEST(Disassemble, PrintsWhatTheKernelPrints) {
    constexpr KernelText kTexts[] = {
        {{0xb7, 0x01, 0, -5}, "r1 = -5"},
        {{0xb4, 0x00, 0, 1}, "w0 = 1"},
        {{0xbf, 0x61, 0, 0}, "r1 = r6"},
        {{0xbf, 0x21, 8, 0}, "r1 = (s8)r2"},
        {{0xbc, 0x21, 16, 0}, "w1 = (s16)w2"},
        {{0x07, 0x02, 0, -4}, "r2 += -4"},
        {{0xcc, 0x21, 0, 0}, "w1 s>>= w2"},
        {{0x3f, 0x21, 1, 0}, "r1 s/= r2"},
        {{0x94, 0x01, 1, 3}, "w1 s%= 3"},
        {{0x87, 0x03, 0, 0}, "r3 = -r3"},
        {{0x84, 0x03, 0, 0}, "w3 = -w3"},
        {{0xdc, 0x01, 0, 16}, "r1 = be16 r1"},
        {{0xd4, 0x01, 0, 64}, "r1 = le64 r1"},
        {{0xd7, 0x01, 0, 32}, "r1 = bswap32 r1"},
        {{0x61, 0x11, 0, 0}, "r1 = *(u32 *)(r1 +0)"},
        {{0x91, 0x11, -8, 0}, "r1 = *(s8 *)(r1 -8)"},
        {{0x7a, 0x0a, -8, 7}, "*(u64 *)(r10 -8) = 7"},
        {{0x73, 0x1a, -1, 0}, "*(u8 *)(r10 -1) = r1"},
        {{0xdb, 0x21, 0, 0x00}, "lock *(u64 *)(r1 +0) += r2"},
        {{0xc3, 0x21, 4, 0x50}, "lock *(u32 *)(r1 +4) &= r2"},
        {{0xdb, 0x12, 0, 0x01}, "r1 = atomic64_fetch_add((u64 *)(r2 +0), r1)"},
        {{0xc3, 0x12, 0, 0xa1}, "r1 = atomic_fetch_xor((u32 *)(r2 +0), r1)"},
        {{0xdb, 0x12, 0, 0xe1}, "r1 = atomic64_xchg((u64 *)(r2 +0), r1)"},
        {{0xc3, 0x12, 0, 0xf1}, "r0 = atomic_cmpxchg((u32 *)(r2 +0), r0, r1)"},
        {{0xdb, 0x21, 0, 0x100}, "r1 = load_acquire((u64 *)(r2 +0))"},
        {{0xd3, 0x21, 3, 0x110}, "store_release((u8 *)(r1 +3), r2)"},
        {{0x28, 0x00, 0, 12}, "r0 = *(u16 *)skb[12]"},
        {{0x50, 0x60, 0, -2}, "r0 = *(u8 *)skb[r6 + -2]"},
        {{0x2d, 0x23, 5, 0}, "if r3 > r2 goto pc+5"},
        {{0x66, 0x03, -2, -1}, "if w3 s> 0xffffffff goto pc-2"},
        {{0x45, 0x03, 0, 8}, "if r3 & 0x8 goto pc+0"},
        {{0x05, 0x00, -1, 0}, "goto pc-1"},
        {{0x06, 0x00, 0, 5}, "gotol pc+5"},
        {{0x85, 0x00, 0, 1}, "call bpf_map_lookup_elem#1"},
        {{0x85, 0x00, 0, 99999}, "call unknown#99999"},
        {{0x85, 0x10, 0, 3}, "call pc+3"},
        {{0x95, 0x00, 0, 0}, "exit"},
        // Ours.
        {{0x85, 0x20, 0, 7}, "call kernel-function#7"},
        {{0x85, 0x20, 2, 7}, "call kernel-function#7 btf[2]"},
        {{0x8d, 0x03, 0, 0}, "callx r3"},
        {{0x18, 0x00, 0, 0x123}, "r0 = 0x123 ll"},
        {{0x18, 0x11, 0, 3}, "r1 = map[fd:3]"},
        {{0x18, 0x51, 0, 0}, "r1 = map[idx:0]"},
        {{0x18, 0x61, 0, 0}, "r1 = map[idx:0][0]+4"},
        {{0x18, 0x41, 0, 9}, "r1 = subprog[+9]"},
        {{0x18, 0x31, 0, 9}, "r1 = var[id:9][btf:4]"},
    };
    for (const KernelText& test : kTexts) {
        SCOPED_TRACE(test.text);
        std::vector<std::byte> middle = bytes_of_slot(test.slot);
        const unsigned kind = test.slot.src();
        const bool has_next = kind == 3 || kind == 6;
        if (test.slot.opcode == 0x18) append(middle, bytes_of_slot({0, 0, 0, has_next ? 4 : 0}));
        append(middle, surrounded({}));
        std::vector<std::byte> bytes = surrounded({});
        append(bytes, middle);
        const auto code = decode(bytes, spec::kAllGroups);
        ASSERT_TRUE(code.has_value()) << to_error(code.error()).message();
        EXPECT_EQ(disassemble((*code)[2 * kPadding]), test.text);
    }
}

TEST(Disassemble, ListsLikeBpftool) {
    const auto bytes = assemble("r0 = 1\nr1 = 0x5 ll\nexit\n");
    ASSERT_TRUE(bytes.has_value());
    const auto code = decode(*bytes, spec::kAllGroups);
    ASSERT_TRUE(code.has_value());
    EXPECT_EQ(listing_line(0, (*code)[0]), "   0: (b7) r0 = 1");
    EXPECT_EQ(listing_line(3, (*code)[3]), "   3: (95) exit");
    EXPECT_EQ(disassemble(*code), "r0 = 1\nr1 = 0x5 ll\nexit\n");
}

TEST(DecodeText, NamesInstructionFieldAndValue) {
    EXPECT_EQ(to_error({Status::UnknownInstruction, 5, "opcode", 0xff}).message(),
              "instruction 5: unknown instruction: opcode 0xff");
    EXPECT_EQ(to_error({Status::FieldOutOfRange, 0, "dst", 11}).message(),
              "instruction 0: field is out of range: dst 11");
    EXPECT_EQ(to_error({Status::Truncated, 1, "", 9}).message(), "input ends too early: 9 bytes of code");
    EXPECT_EQ(to_error({Status::OutOfMemory, 0, "", 9}).status(), Status::OutOfMemory);
}

}  // namespace
}  // namespace ebpf::isa
