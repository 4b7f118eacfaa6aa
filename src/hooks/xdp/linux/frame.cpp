// SPDX-License-Identifier: MIT
// Frame arithmetic. Source: virtio 1.2 section 5.1.6; IEEE 802.1Q; RFC 791; RFC 8200.
#include "hooks/xdp/linux/frame.hpp"

#include <linux/if_ether.h>

#include <cstring>

namespace ebpf::hooks::xdp {
namespace {

constexpr std::size_t kAddressBytes = 12;
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::size_t kIpv6HeaderBytes = 40;

std::uint16_t read_big_endian(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void write_big_endian(std::uint8_t* to, std::uint16_t value) {
    to[0] = static_cast<std::uint8_t>(value >> 8);
    to[1] = static_cast<std::uint8_t>(value);
}

bool is_transport(std::uint8_t protocol) {
    return protocol == kProtocolTcp || protocol == kProtocolUdp;
}

/// Returns where the TCP or UDP header starts behind a plain Ethernet (with up to two VLAN tags) and IP
/// header, or 0.
std::size_t transport_offset(std::span<const std::uint8_t> frame) {
    std::size_t at = kAddressBytes;
    for (int tags = 0; tags <= 2 && at + 2 <= frame.size(); ++tags) {
        const std::uint16_t type = read_big_endian(frame, at);
        const std::size_t network = at + 2;
        if (type == ETH_P_8021Q || type == ETH_P_8021AD) {
            at += kVlanTagBytes;
        } else if (type == ETH_P_IP && network + 20 <= frame.size() && is_transport(frame[network + 9])) {
            return network + std::size_t{4} * (frame[network] & 15U);
        } else if (type == ETH_P_IPV6 && network + kIpv6HeaderBytes <= frame.size() &&
                   is_transport(frame[network + 6])) {
            return network + kIpv6HeaderBytes;
        } else {
            return 0;
        }
    }
    return 0;
}

/// Adds `delta` to an offset field. Returns false when it leaves [low, high].
bool shift(std::uint16_t& field, std::ptrdiff_t delta, std::size_t low, std::size_t high) {
    const std::ptrdiff_t moved = field + delta;
    if (moved < static_cast<std::ptrdiff_t>(low) || moved > static_cast<std::ptrdiff_t>(high)) return false;
    field = static_cast<std::uint16_t>(moved);
    return true;
}

}  // namespace

void restore_vlan_tag(Frame& frame) {
    frame.data -= kVlanTagBytes;
    std::memmove(frame.data, frame.data + kVlanTagBytes, kAddressBytes);
    write_big_endian(frame.data + kAddressBytes, frame.vlan_protocol);
    write_big_endian(frame.data + kAddressBytes + 2, frame.vlan_tci);
    frame.length += kVlanTagBytes;
    frame.wire_length += kVlanTagBytes;
    frame.has_vlan = false;
    const auto grow = [](std::uint16_t& field) { field = static_cast<std::uint16_t>(field + kVlanTagBytes); };
    if ((frame.offload.flags & kNeedsChecksum) != 0) grow(frame.offload.csum_start);
    if (frame.offload.gso_type != kNoSegmentation) grow(frame.offload.hdr_len);
}

bool move_offload(OffloadHeader& offload, std::ptrdiff_t moved, std::span<const std::uint8_t> frame) {
    if (moved == 0) return true;
    const bool needs_checksum = (offload.flags & kNeedsChecksum) != 0;
    if (needs_checksum) {
        const std::size_t behind = std::size_t{offload.csum_offset} + 2;
        if (frame.size() < behind) return false;
        if (!shift(offload.csum_start, -moved, kEthernetHeaderBytes, frame.size() - behind)) return false;
    }
    if (offload.gso_type == kNoSegmentation) return true;
    const std::size_t transport = transport_offset(frame);
    if (transport == 0 || (needs_checksum && transport != offload.csum_start)) return false;
    return shift(offload.hdr_len, -moved, transport, frame.size());
}

}  // namespace ebpf::hooks::xdp
