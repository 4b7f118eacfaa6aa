// SPDX-License-Identifier: MIT
// Which types variables get. That values survive them: tests/vectors/engines/values.bpft.
#include "native/variables.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"

namespace ebpf::native {
namespace {

isa::Code code_of(std::string_view assembly) {
    const auto bytes = isa::assemble(assembly);
    EXPECT_TRUE(bytes) << bytes.error().message();
    auto code = isa::decode(bytes.value(), spec::kAllGroups);
    EXPECT_TRUE(code);
    return std::move(code).value();
}

/// A letter for what each instruction writes: r, w or p for the types, - for nothing.
std::string written_by(std::string_view assembly, std::vector<verifier::AccessKind> accesses = {},
                       std::uint32_t begin = 0) {
    const isa::Code code = code_of(assembly);
    const Range range{begin, static_cast<std::uint32_t>(code.size())};
    std::vector<std::uint16_t> arguments(range.end - range.begin);
    for (std::uint32_t slot = begin; slot < range.end; ++slot) {
        if (code[slot].spec().family == spec::Family::CallHelper)
            arguments[slot - begin] = 1U << 1U | 1U << 2U;
    }
    Variables variables({code, range, arguments, accesses});
    std::string text;
    for (std::uint32_t slot = begin; slot < range.end; ++slot) {
        if (code[slot].spec().family == spec::Family::WideTail) continue;
        variables.enter(slot);
        const bool is_writing = written_register(code[slot]) != spec::kRegisterCount;
        text += is_writing ? "rwp"[static_cast<std::size_t>(variables.written())] : '-';
    }
    return text;
}

TEST(Variables, AreNarrowWhereInstructionsClearTheUpperHalf) {
    EXPECT_EQ(written_by("r0 = 0\nw0 += 1\nr2 = *(u32 *)(r1 +0)\nr2 = *(u64 *)(r1 +0)\nexit\n"), "wwwr-");
    EXPECT_EQ(written_by("r0 = -1\nw0 = -1\nr0 = 0xffffffff ll\nr0 = 0x100000000 ll\nexit\n"), "rwwr-");
    EXPECT_EQ(written_by("r0 = 1\nr0 = (s8)r0\nw0 = (s8)w0\nw0 = -w0\nr0 = -r0\nr0 = bswap32 r0\n"
                         "r0 = bswap64 r0\nexit\n"),
              "wrwwrwr-");
    EXPECT_EQ(written_by("r2 = *(s8 *)(r1 +0)\nr0 = 1\nr0 = atomic_fetch_add((u32 *)(r1 +0), r0)\n"
                         "r0 = atomic_fetch_add((u64 *)(r1 +0), r0)\nexit\n"),
              "rwwr-");
}

TEST(Variables, OfWideOperatorsAreNarrowIfTheResultMustBe) {
    const std::string start = "r2 = *(u64 *)(r1 +0)\nr3 = *(u32 *)(r1 +0)\n";
    const auto of = [&](const char* text) {
        return written_by(start + text + "\nr0 = 0\nexit\n").substr(2, 1);
    };
    EXPECT_EQ(of("r2 &= 2147483647"), "w");
    EXPECT_EQ(of("r2 &= -1"), "r");
    EXPECT_EQ(of("r3 &= -1"), "w");
    EXPECT_EQ(of("r2 &= r3"), "w");
    EXPECT_EQ(of("r3 &= r2"), "w");
    EXPECT_EQ(of("r2 >>= 32"), "w");
    EXPECT_EQ(of("r2 >>= 31"), "r");
    EXPECT_EQ(of("r3 >>= 1"), "w");
    EXPECT_EQ(of("r3 >>= r2"), "w");
    EXPECT_EQ(of("r3 s>>= 1"), "r");
    EXPECT_EQ(of("r3 |= 1"), "w");
    EXPECT_EQ(of("r3 |= -1"), "r");
    EXPECT_EQ(of("r3 ^= r2"), "r");
    EXPECT_EQ(of("r3 ^= r3"), "w");
    EXPECT_EQ(of("r3 <<= 1"), "r");
    EXPECT_EQ(of("r3 += 1"), "r");
    EXPECT_EQ(of("r3 -= 1"), "r");
    EXPECT_EQ(of("r3 *= 1"), "r");
    EXPECT_EQ(of("r2 = r3"), "w");
    EXPECT_EQ(of("r3 = r2"), "r");
}

TEST(Variables, ArePointersIfAddressesWithNumbersAdded) {
    EXPECT_EQ(written_by("r2 = r1\nr2 += 4\nr3 = 1\nr3 += r2\nr3 -= r2\nr0 = 0\nexit\n"), "ppwprw-");
    EXPECT_EQ(written_by("r2 = r10\nr2 += r1\nr0 = 0\nexit\n"), "prw-");
    EXPECT_EQ(written_by("r2 = r1\nr2 -= r1\nr0 = r2\nexit\n"), "prr-");
    EXPECT_EQ(written_by("r2 = r1\nw2 += 0\nr2 = r1\nr2 &= -8\nr0 = 0\nexit\n"), "pwprw-");
    // What a context keeps in 8 bytes is written down as an address, what memory keeps is not.
    EXPECT_EQ(
        written_by("r2 = *(u64 *)(r1 +0)\nr0 = 0\nexit\n",
                   {verifier::AccessKind::Context, verifier::AccessKind::None, verifier::AccessKind::None}),
        "pw-");
    EXPECT_EQ(
        written_by("r2 = *(u32 *)(r1 +0)\nr0 = 0\nexit\n",
                   {verifier::AccessKind::Context, verifier::AccessKind::None, verifier::AccessKind::None}),
        "ww-");
}

TEST(Variables, OfOneUseAreOne) {
    // r2 is read where both meet; r0 is not before it is written again.
    EXPECT_EQ(written_by("r2 = 1\nr0 = -1\nif r1 == 0 goto +2\nr2 = -1\nr0 = 1\nr0 = r2\nexit\n"), "rr-rwr-");
    // 0 is nothing of its own: an address that is not there, or a number.
    EXPECT_EQ(written_by("r2 = 0\nif r1 == 0 goto +1\nr2 = r1\nr0 = 0\nif r2 == 0 goto +1\nr0 = 1\nexit\n"),
              "p-pw-w-");
    EXPECT_EQ(written_by("r2 = 1\nif r1 == 0 goto +1\nr2 = r1\nr0 = 0\nif r2 == 0 goto +1\nr0 = 1\nexit\n"),
              "r-rw-w-");
    // A loop: what comes round decides with what comes in.
    EXPECT_EQ(written_by("r2 = 0\nr2 += 1\nif r2 < 9 goto -2\nr0 = 0\nexit\n"), "rr-w-");
    EXPECT_EQ(written_by("r2 = 0\nw2 += 1\nif r2 < 9 goto -2\nr0 = 0\nexit\n"), "ww-w-");
    EXPECT_EQ(written_by("r2 = r1\nr2 += 1\nr0 = 0\nif r2 < 9 goto -3\nexit\n"), "ppw--");
    // A chain of copies through a loop, found out backwards.
    EXPECT_EQ(
        written_by("r2 = 1\nr3 = 1\nr4 = 1\nr2 = r3\nr3 = r4\nr4 += 1\nif r2 < 9 goto -4\nr0 = r2\nexit\n"),
        "wrrrrr-r-");
}

TEST(Variables, HoldNothingOfArgumentsAfterCalls) {
    EXPECT_EQ(written_by("r1 = 1\nr2 = 2\ncall 1\nr0 = r1\nexit\n"), "wwpr-");
}

TEST(Variables, OfSubprogramsStartWide) {
    EXPECT_EQ(written_by("r0 = 0\nexit\nr0 = r1\nexit\n", {}, 2), "r-");
    EXPECT_EQ(written_by("r0 = r1\nexit\n"), "p-");
    EXPECT_EQ(written_by("r0 = r2\nexit\n"), "r-");
}

}  // namespace
}  // namespace ebpf::native
