// SPDX-License-Identifier: MIT
#include "hooks/xdp/linux/frame.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace ebpf::hooks::xdp {
namespace {

constexpr std::uint8_t kGsoTcp4 = 1;

/// Ethernet, IPv4 (header of 20 bytes), TCP, then `payload` bytes; the addresses count up from 1.
std::vector<std::uint8_t> tcp_frame(std::size_t payload) {
    std::vector<std::uint8_t> frame(14 + 20 + 20 + payload);
    for (std::uint8_t i = 0; i < 12; ++i) frame[i] = static_cast<std::uint8_t>(i + 1);
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[23] = 6;
    return frame;
}

OffloadHeader superframe() {
    return {.flags = kNeedsChecksum,
            .gso_type = kGsoTcp4,
            .hdr_len = 54,
            .gso_size = 1448,
            .csum_start = 34,
            .csum_offset = 16};
}

TEST(RestoreVlanTag, PutsTagBehindAddressesAndShiftsOffsets) {
    auto bytes = tcp_frame(10);
    bytes.insert(bytes.begin(), kVlanTagBytes, 0xee);
    Frame frame;
    frame.data = bytes.data() + kVlanTagBytes;
    frame.length = frame.wire_length = 64;
    frame.offload = superframe();
    frame.has_vlan = true;
    frame.vlan_tci = 0x6005;
    frame.vlan_protocol = 0x88a8;
    restore_vlan_tag(frame);
    EXPECT_EQ(frame.data, bytes.data());
    EXPECT_EQ(frame.length, 68U);
    EXPECT_EQ(frame.wire_length, 68U);
    const std::array<std::uint8_t, 18> expected = {1,  2,  3,  4,    5,    6,    7, 8, 9,
                                                   10, 11, 12, 0x88, 0xa8, 0x60, 5, 8, 0};
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), frame.data));
    EXPECT_EQ(frame.offload.csum_start, 38);
    EXPECT_EQ(frame.offload.hdr_len, 58);
    EXPECT_FALSE(frame.has_vlan);
}

TEST(RestoreVlanTag, LeavesAnEmptyOffloadHeaderAlone) {
    auto bytes = tcp_frame(10);
    bytes.insert(bytes.begin(), kVlanTagBytes, 0);
    Frame frame;
    frame.data = bytes.data() + kVlanTagBytes;
    frame.length = 64;
    restore_vlan_tag(frame);
    EXPECT_EQ(frame.offload.csum_start, 0);
    EXPECT_EQ(frame.offload.hdr_len, 0);
}

TEST(MoveOffload, WithoutMoveNothingChanges) {
    OffloadHeader offload = superframe();
    EXPECT_TRUE(move_offload(offload, 0, {}));
    EXPECT_EQ(offload.csum_start, 34);
}

TEST(MoveOffload, PlainFramesMayMoveFreely) {
    OffloadHeader offload{};
    const std::array<std::uint8_t, 14> rest{};
    EXPECT_TRUE(move_offload(offload, 100, rest));
    EXPECT_TRUE(move_offload(offload, -100, rest));
}

TEST(MoveOffload, ChecksumFollowsTheMove) {
    OffloadHeader offload = superframe();
    offload.gso_type = kNoSegmentation;
    auto frame = tcp_frame(100);
    EXPECT_TRUE(move_offload(offload, 4, frame));
    EXPECT_EQ(offload.csum_start, 30);
    EXPECT_TRUE(move_offload(offload, -50, frame));
    EXPECT_EQ(offload.csum_start, 80);
}

TEST(MoveOffload, ChecksumPlaceMustStayInTheFrame) {
    const auto frame = tcp_frame(0);  // 54 bytes; the checksum's two bytes end csum_start + 18
    for (const auto& [moved, is_possible] : std::initializer_list<std::pair<std::ptrdiff_t, bool>>{
             {20, true}, {21, false}, {-2, true}, {-3, false}, {1 << 20, false}, {-(1 << 20), false}}) {
        OffloadHeader offload = superframe();
        offload.gso_type = kNoSegmentation;
        EXPECT_EQ(move_offload(offload, moved, frame), is_possible) << moved;
    }
    OffloadHeader offload = superframe();
    EXPECT_FALSE(move_offload(offload, 1, std::span(frame).first(17)));
}

TEST(MoveOffload, SuperframeMayLoseAVlanTag) {
    OffloadHeader offload = superframe();
    offload.csum_start = 38;
    offload.hdr_len = 58;
    EXPECT_TRUE(move_offload(offload, 4, tcp_frame(5000)));
    EXPECT_EQ(offload.csum_start, 34);
    EXPECT_EQ(offload.hdr_len, 54);
}

TEST(MoveOffload, SuperframeMayGetTwoVlanTagsButNotThree) {
    for (const int tags : {1, 2, 3}) {
        auto frame = tcp_frame(5000);
        for (int i = 0; i < tags; ++i) {
            const std::array<std::uint8_t, 4> tag = {0x81, 0, 0, 5};
            frame.insert(frame.begin() + 12, tag.begin(), tag.end());
        }
        OffloadHeader offload = superframe();
        EXPECT_EQ(move_offload(offload, -4 * tags, frame), tags <= 2) << tags;
    }
}

TEST(MoveOffload, SuperframeInsideATunnelIsRefused) {
    auto frame = tcp_frame(5000);
    std::vector<std::uint8_t> outer(frame.begin(), frame.begin() + 34);
    outer[23] = 4;  // IPv4 in IPv4
    outer.insert(outer.end(), frame.begin() + 14, frame.end());
    OffloadHeader offload = superframe();
    EXPECT_FALSE(move_offload(offload, -20, outer));
    outer[23] = 17;  // looks like UDP at 34, but the checksum says that the transport header is at 54
    offload = superframe();
    EXPECT_FALSE(move_offload(offload, -20, outer));
}

TEST(MoveOffload, SuperframeOfIpv6IsRecognised) {
    std::vector<std::uint8_t> frame(14 + 40 + 20 + 5000);
    frame[12] = 0x86;
    frame[13] = 0xdd;
    frame[20] = 6;
    OffloadHeader offload{.flags = kNeedsChecksum,
                          .gso_type = 4,
                          .hdr_len = 78,
                          .gso_size = 1428,
                          .csum_start = 58,
                          .csum_offset = 16};
    EXPECT_TRUE(move_offload(offload, 4, frame));
    EXPECT_EQ(offload.csum_start, 54);
    frame[20] = 44;  // a fragment header: transport is elsewhere
    EXPECT_FALSE(move_offload(offload, 4, frame));
}

TEST(MoveOffload, ShortenedSuperframeIsRefused) {
    const auto frame = tcp_frame(0);
    for (std::size_t size = 0; size < frame.size(); ++size) {
        OffloadHeader offload = superframe();
        offload.csum_start = 38;
        offload.hdr_len = 58;
        EXPECT_EQ(move_offload(offload, 4, std::span(frame).first(size)), false) << size;
    }
}

}  // namespace
}  // namespace ebpf::hooks::xdp
