// SPDX-License-Identifier: MIT
// Packet bounds: comparisons with data_end in all directions, varying offsets, helpers that move the packet.
#include <gmock/gmock.h>

#include "verify_helper.hpp"

namespace ebpf::verifier {
namespace {

std::string with_check(std::string_view comparison) {
    return std::string(R"(
        r2 = *(u32 *)(r1 + 0)
        r3 = *(u32 *)(r1 + 4)
        r4 = r2
        r4 += 14
        r0 = 2
        )") +
           std::string(comparison) + R"(
        exit)";
}

TEST(Packet, AccessBehindComparisonIsAccepted) {
    expect_accepted(make_request(with_check("if r4 > r3 goto out\n r0 = *(u16 *)(r2 + 12)\n out:")));
    expect_accepted(make_request(with_check("if r3 < r4 goto out\n r0 = *(u16 *)(r2 + 12)\n out:")));
    expect_accepted(make_request(with_check("if r4 >= r3 goto out\n r0 = *(u16 *)(r2 + 13)\n out:")));
    expect_accepted(make_request(with_check("if r3 <= r4 goto out\n r0 = *(u16 *)(r2 + 13)\n out:")));
    expect_accepted(
        make_request(with_check("if r4 <= r3 goto in\n goto out\n in: r0 = *(u16 *)(r2 + 12)\n out:")));
    expect_accepted(
        make_request(with_check("if r3 >= r4 goto in\n goto out\n in: r0 = *(u16 *)(r2 + 12)\n out:")));
    expect_accepted(
        make_request(with_check("if r4 < r3 goto in\n goto out\n in: r0 = *(u16 *)(r2 + 13)\n out:")));
    expect_accepted(
        make_request(with_check("if r3 > r4 goto in\n goto out\n in: r0 = *(u16 *)(r2 + 13)\n out:")));
}

TEST(Packet, OneByteTooFarIsRefused) {
    expect_refused(make_request(with_check("if r4 > r3 goto out\n r0 = *(u16 *)(r2 + 13)\n out:")), "V017",
                   6);
    expect_refused(make_request(with_check("if r4 >= r3 goto out\n r0 = *(u16 *)(r2 + 14)\n out:")), "V017",
                   6);
    expect_refused(make_request(with_check("if r4 <= r3 goto out\n r0 = *(u8 *)(r2 + 0)\n out:")), "V017", 6);
    expect_refused(make_request(with_check("if r4 > r3 goto out\n r0 = *(u8 *)(r2 - 1)\n out:")), "V017", 6);
}

TEST(Packet, WithoutComparisonTheMessageSaysWhatIsMissing) {
    const Report report = verify(make_request(R"(
        r2 = *(u32 *)(r1 + 0)
        r0 = *(u16 *)(r2 + 12)
        exit)"));
    ASSERT_EQ(report.verdict, Verdict::Reject);
    EXPECT_EQ(report.failures[0].category, "bounds");
    EXPECT_EQ(report.failures[0].message,
              "r2 is a packet pointer with 0 bytes proven safe, read of 2 bytes at offset 12 needs 14 bytes");
    EXPECT_THAT(report.failures[0].trace,
                ::testing::ElementsAre(::testing::HasSubstr("instruction 0: r2 = ")));
    EXPECT_THAT(report.failures[0].hint, ::testing::HasSubstr("data_end"));
}

constexpr std::string_view kVarying = R"(
        r2 = *(u32 *)(r1 + 0)
        r3 = *(u32 *)(r1 + 4)
        r4 = r2
        r4 += 14
        r0 = 2
        if r4 > r3 goto out
        r5 = *(u8 *)(r2 + 0)
        r5 &= 15
        r5 <<= 2
        r2 += r5
        )";

TEST(Packet, VaryingOffsetNeedsAComparisonOfItsOwn) {
    expect_refused(make_request(std::string(kVarying) + "r0 = *(u8 *)(r2 + 0)\n out: exit"), "V017", 10);
    expect_accepted(
        make_request(std::string(kVarying) +
                     "r4 = r2\n r4 += 8\n if r4 > r3 goto out\n r0 = *(u32 *)(r2 + 4)\n out: exit"));
    expect_refused(
        make_request(std::string(kVarying) +
                     "r4 = r2\n r4 += 8\n if r4 > r3 goto out\n r0 = *(u32 *)(r2 + 5)\n out: exit"),
        "V017", 13);
}

TEST(Packet, AnotherNumberDoesNotInheritAProof) {
    expect_refused(make_request(std::string(kVarying) + R"(
        r4 = r2
        r4 += 8
        if r4 > r3 goto out
        r2 += r5
        r0 = *(u8 *)(r2 + 0)
        out: exit)"),
                   "V017", 14);
}

TEST(Packet, SmallVaryingOffsetIsCoveredByTheWholePacketsProof) {
    expect_accepted(make_request(R"(
        r2 = *(u32 *)(r1 + 0)
        r3 = *(u32 *)(r1 + 4)
        r4 = r2
        r4 += 64
        r0 = 2
        if r4 > r3 goto out
        r5 = *(u8 *)(r2 + 0)
        r5 &= 15
        r5 <<= 2
        r2 += r5
        r0 = *(u32 *)(r2 + 0)
        out: exit)"));
}

TEST(Packet, UnboundedNumberIsRefused) {
    expect_refused(make_request(R"(
        r6 = r1
        call 7
        r2 = *(u32 *)(r6 + 0)
        r3 = *(u32 *)(r6 + 4)
        r2 += r0
        r4 = r2
        r4 += 1
        if r4 > r3 goto out
        r0 = *(u8 *)(r2 + 0)
        out: r0 = 2
        exit)"),
                   "V021", 8);
}

TEST(Packet, HelperThatMovesThePacketEndsItsPointers) {
    expect_refused(make_request(R"(
        r6 = *(u32 *)(r1 + 0)
        r7 = *(u32 *)(r1 + 4)
        r3 = r6
        r3 += 14
        if r3 > r7 goto out
        r2 = 4
        call 44
        r0 = *(u8 *)(r6 + 0)
        out: r0 = 2
        exit)"),
                   "V009", 7);
}

TEST(Packet, MetadataIsBoundedByData) {
    expect_accepted(make_request(R"(
        r2 = *(u32 *)(r1 + 8)
        r3 = *(u32 *)(r1 + 0)
        r4 = r2
        r4 += 4
        r0 = 2
        if r4 > r3 goto out
        r0 = *(u32 *)(r2 + 0)
        out: exit)"));
    expect_refused(make_request(R"(
        r2 = *(u32 *)(r1 + 8)
        r3 = *(u32 *)(r1 + 4)
        r4 = r2
        r4 += 4
        r0 = 2
        if r4 > r3 goto out
        r0 = *(u32 *)(r2 + 0)
        out: exit)"),
                   "V017", 6);
}

TEST(Packet, EndIsNotMovedNorRead) {
    expect_refused(make_request("r2 = *(u32 *)(r1 + 4)\n r2 += 4\n r0 = 0\n exit"), "V013", 1);
    expect_refused(make_request("r2 = *(u32 *)(r1 + 4)\n r0 = *(u8 *)(r2 + 0)\n exit"), "V011", 1);
}

TEST(Packet, WritesAreAllowedForXdp) {
    expect_accepted(make_request(with_check("if r4 > r3 goto out\n *(u8 *)(r2 + 0) = 7\n out:")));
    expect_refused(make_request(with_check("if r4 > r3 goto out\n *(u64 *)(r2 + 0) = r1\n out:")), "V015", 6);
}

}  // namespace
}  // namespace ebpf::verifier
