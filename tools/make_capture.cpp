// SPDX-License-Identifier: MIT
// Writes a packet capture of mixed traffic at a DNS server, among it a flood of empty UDP packets to port 53.
// How many packets samples/droppacket.c has to drop follows from how each was built, and is printed. Usage:
// make_capture FILE.pcap PACKETS
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string_view>

#include "tools/pcap.hpp"
#include "tools/udp_frames.hpp"

namespace {

using ebpf::tools::Packet;
using ebpf::tools::UdpEndpoint;

constexpr std::size_t kIp = 14;
constexpr std::size_t kUdp = kIp + 20;
constexpr unsigned long kMaximumPackets = 10'000'000;

/// A query for example.test, type A.
constexpr std::uint8_t kQuery[] = {0,   1,   1,   0,   0,   1, 0,   0,   0,   0,   0, 0, 7, 'e', 'x',
                                   'a', 'm', 'p', 'l', 'e', 4, 't', 'e', 's', 't', 0, 0, 1, 0,   1};

Packet ipv4(std::uint16_t source_port, std::uint16_t target_port, std::span<const std::uint8_t> payload) {
    const UdpEndpoint source{.mac = {2, 0, 0, 0, 0, 1}, .address = 0xc0000201, .port = source_port};
    const UdpEndpoint target{.mac = {2, 0, 0, 0, 0, 2}, .address = 0xc0000202, .port = target_port};
    return make_udp_frame(source, target, payload);
}

/// Recomputes the IPv4 header's checksum after a change.
Packet with_header_checksum(Packet packet) {
    packet[kIp + 10] = packet[kIp + 11] = 0;
    const std::size_t header_bytes = std::size_t{4} * (packet[kIp] & 15U);
    const std::uint16_t checksum =
        ebpf::tools::internet_checksum(std::span(packet).subspan(kIp, header_bytes));
    packet[kIp + 10] = static_cast<std::uint8_t>(checksum >> 8);
    packet[kIp + 11] = static_cast<std::uint8_t>(checksum & 0xff);
    return packet;
}

Packet with_options(Packet packet) {
    packet.insert(packet.begin() + kUdp, 4, std::uint8_t{1});  // four no-operation options
    packet[kIp] = 0x46;
    packet[kIp + 3] = static_cast<std::uint8_t>(packet[kIp + 3] + 4);
    return with_header_checksum(std::move(packet));
}

Packet as_later_fragment(Packet packet) {
    packet[kIp + 7] = 0x20;  // offset 256
    return with_header_checksum(std::move(packet));
}

Packet as_tcp(Packet packet) {
    packet[kIp + 9] = 6;
    return with_header_checksum(std::move(packet));
}

Packet with_vlan_tag(Packet packet) {
    constexpr std::uint8_t kTag[] = {0x81, 0, 0, 5};
    packet.insert(packet.begin() + 12, std::begin(kTag), std::end(kTag));
    return packet;
}

/// The same UDP packet in IPv6.
Packet as_ipv6(const Packet& packet) {
    const std::size_t udp_bytes = std::size_t{packet[kUdp + 4]} << 8 | packet[kUdp + 5];
    Packet result(kIp + 40 + udp_bytes);
    std::copy_n(packet.begin(), 12, result.begin());
    const std::uint8_t header[] = {0x86, 0xdd, 0x60, 0, 0, 0, packet[kUdp + 4], packet[kUdp + 5], 17, 64};
    std::copy(std::begin(header), std::end(header), result.begin() + 12);
    for (std::size_t host = 1; host <= 2; ++host) {
        const std::size_t address = kIp + 8 + 16 * (host - 1);
        result[address] = 0xfd;
        result[address + 15] = static_cast<std::uint8_t>(host);
    }
    std::copy_n(packet.begin() + kUdp, udp_bytes, result.begin() + kIp + 40);
    return result;
}

Packet arp() {
    Packet packet(60);
    std::memset(packet.data(), 0xff, 6);
    packet[12] = 0x08;
    packet[13] = 0x06;
    return packet;
}

struct Kind {
    const char* name;
    unsigned weight;
    bool is_dropped;  ///< by samples/droppacket.c
    Packet (*make)(std::uint16_t port);
};

const Kind kinds[] = {
    {"empty UDP to port 53", 40, true, [](std::uint16_t port) { return ipv4(port, 53, {}); }},
    {"empty UDP to port 53, IPv4 options", 3, true,
     [](std::uint16_t port) { return with_options(ipv4(port, 53, {})); }},
    {"empty UDP to port 53, IPv6", 10, true, [](std::uint16_t port) { return as_ipv6(ipv4(port, 53, {})); }},
    {"DNS query", 20, false, [](std::uint16_t port) { return ipv4(port, 53, kQuery); }},
    {"DNS query, IPv6", 8, false, [](std::uint16_t port) { return as_ipv6(ipv4(port, 53, kQuery)); }},
    {"empty UDP to another port", 5, false, [](std::uint16_t port) { return ipv4(port, 5353, {}); }},
    {"later fragment", 3, false, [](std::uint16_t port) { return as_later_fragment(ipv4(port, 53, {})); }},
    {"TCP to port 53", 4, false, [](std::uint16_t port) { return as_tcp(ipv4(port, 53, {})); }},
    {"VLAN-tagged", 3, false, [](std::uint16_t port) { return with_vlan_tag(ipv4(port, 53, {})); }},
    {"ARP", 2, false, [](std::uint16_t) { return arp(); }},
    {"cut off after 20 bytes", 2, false,
     [](std::uint16_t port) {
         Packet packet = ipv4(port, 53, {});
         packet.resize(20);
         return packet;
     }},
};

int run(const char* path, unsigned long count) {
    std::mt19937 random(53);  // the same capture every time
    unsigned total_weight = 0;
    for (const Kind& kind : kinds) total_weight += kind.weight;
    std::vector<Packet> packets;
    unsigned long dropped = 0;
    for (unsigned long i = 0; i < count; ++i) {
        unsigned pick = static_cast<unsigned>(random() % total_weight);
        const Kind* kind = kinds;
        while (pick >= kind->weight) pick -= (kind++)->weight;
        packets.push_back(kind->make(static_cast<std::uint16_t>(1024 + random() % 60000)));
        if (kind->is_dropped) ++dropped;
    }
    std::FILE* file = std::fopen(path, "wb");
    bool is_written = file != nullptr && ebpf::tools::write_pcap(file, packets);
    if (file != nullptr) is_written = std::fclose(file) == 0 && is_written;
    if (!is_written) {
        std::fprintf(stderr, "make_capture: cannot write '%s'\n", path);
        return 4;
    }
    std::printf("{\"packets\": %lu, \"to_drop\": %lu}\n", count, dropped);
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    char* end = nullptr;
    const unsigned long packets = count == 3 ? std::strtoul(arguments[2], &end, 10) : 0;
    if (packets == 0 || packets > kMaximumPackets || *end != '\0') {
        std::fprintf(stderr, "usage: %s FILE.pcap PACKETS   (1 to %lu)\n", arguments[0], kMaximumPackets);
        return 2;
    }
    return run(arguments[1], packets);
}
