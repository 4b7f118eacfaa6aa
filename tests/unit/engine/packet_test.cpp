// SPDX-License-Identifier: MIT
// What PacketAbs and PacketInd may read.
#include <gtest/gtest.h>

#include "engine/engine.hpp"

namespace ebpf::engine {
namespace {

TEST(PacketBytes, AreThoseInsideThePacket) {
    std::uint8_t packet[8] = {};
    std::uint8_t* data = packet;
    std::uint8_t* end = packet + sizeof packet;
    Invocation invocation;
    invocation.packet_data = &data;
    invocation.packet_data_end = &end;
    EXPECT_EQ(packet_bytes(invocation, 0, 4), packet);
    EXPECT_EQ(packet_bytes(invocation, 4, 4), packet + 4);
    EXPECT_EQ(packet_bytes(invocation, 7, 1), packet + 7);
    EXPECT_EQ(packet_bytes(invocation, 5, 4), nullptr);
    EXPECT_EQ(packet_bytes(invocation, 8, 1), nullptr);
    EXPECT_EQ(packet_bytes(invocation, -1, 1), nullptr);
    EXPECT_EQ(packet_bytes(invocation, INT64_MIN, 4), nullptr);
    EXPECT_EQ(packet_bytes(invocation, INT64_MAX, 4), nullptr);
}

TEST(PacketBytes, AreNoneWithoutAPacket) {
    std::uint8_t byte = 0;
    std::uint8_t* data = &byte;
    Invocation invocation;
    EXPECT_EQ(packet_bytes(invocation, 0, 1), nullptr);
    invocation.packet_data = &data;
    EXPECT_EQ(packet_bytes(invocation, 0, 1), nullptr);
}

}  // namespace
}  // namespace ebpf::engine
