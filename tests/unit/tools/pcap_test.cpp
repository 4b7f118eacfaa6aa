// SPDX-License-Identifier: MIT
#include "tools/pcap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tools/udp_frames.hpp"

namespace ebpf::tools {
namespace {

/// What write_pcap() writes.
std::vector<std::byte> written(std::span<const Packet> packets) {
    std::FILE* file = std::tmpfile();
    EXPECT_TRUE(write_pcap(file, packets));
    std::vector<std::byte> bytes(static_cast<std::size_t>(std::ftell(file)));
    std::rewind(file);
    EXPECT_EQ(std::fread(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
    return bytes;
}

const std::vector<Packet> kPackets = {{1, 2, 3}, {}, Packet(2000, 7)};

TEST(Pcap, ReadsWhatWasWritten) {
    EXPECT_EQ(read_pcap(written(kPackets)).value(), kPackets);
}

TEST(Pcap, ReadsTheOtherByteOrder) {
    auto bytes = written(std::span(kPackets).first(1));
    for (std::size_t at = 0; at < 40; at += 4) std::reverse(bytes.data() + at, bytes.data() + at + 4);
    EXPECT_EQ(read_pcap(bytes).value(), std::vector<Packet>{kPackets[0]});
}

TEST(Pcap, EveryTruncationIsRefusedOrEndsBetweenPackets) {
    const auto bytes = written(kPackets);
    const std::size_t ends[] = {24, 24 + 19, 24 + 19 + 16};
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const bool is_whole = std::find(std::begin(ends), std::end(ends), size) != std::end(ends);
        EXPECT_EQ(read_pcap(std::span(bytes).first(size)).has_value(), is_whole) << size;
    }
}

TEST(Pcap, OtherFilesAreRefusedWithReason) {
    auto bytes = written({});
    bytes[0] = std::byte{0};
    EXPECT_EQ(read_pcap(bytes).error().message(), "not a pcap file: it starts with 0xa1b2c300");
    bytes = written({});
    bytes[20] = std::byte{101};
    EXPECT_EQ(read_pcap(bytes).error().message(), "pcap link type 101 is not Ethernet");
    bytes = written(std::span(kPackets).first(1));
    bytes[24 + 11] = std::byte{0x80};
    EXPECT_EQ(read_pcap(bytes).error().status(), Status::Malformed);
}

TEST(UdpFrame, HasCorrectLengthsAndChecksums) {
    const UdpEndpoint source{.mac = {2, 0, 0, 0, 0, 1}, .address = 0xc0000201, .port = 4000};
    const UdpEndpoint target{.mac = {2, 0, 0, 0, 0, 2}, .address = 0xc0000202, .port = 53};
    const std::uint8_t payload[] = {1, 2, 3, 4, 5};
    const auto frame = make_udp_frame(source, target, payload);
    ASSERT_EQ(frame.size(), 60U);
    EXPECT_EQ(frame[17], 33);  // IPv4 total length
    EXPECT_EQ(frame[39], 13);  // UDP length
    // A checksum over data that includes its own checksum is zero.
    EXPECT_EQ(internet_checksum(std::span(frame).subspan(14, 20)), 0);
    std::vector<std::uint8_t> pseudo(frame.begin() + 26, frame.begin() + 34);
    pseudo.insert(pseudo.end(), {0, 17, 0, 13});
    pseudo.insert(pseudo.end(), frame.begin() + 34, frame.begin() + 47);
    EXPECT_EQ(internet_checksum(pseudo), 0);
}

}  // namespace
}  // namespace ebpf::tools
