// SPDX-License-Identifier: MIT
// Builds Ethernet frames with IPv4 UDP packets, for the tools that make traffic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ebpf::tools {

struct UdpEndpoint {
    std::uint8_t mac[6];
    std::uint32_t address;  ///< host byte order
    std::uint16_t port;
};

/// Returns the frame, padded to Ethernet's minimum of 60 bytes, with correct IPv4 and UDP checksums.
/// Requires: payload.size() <= 1472.
std::vector<std::uint8_t> make_udp_frame(const UdpEndpoint& source, const UdpEndpoint& target,
                                         std::span<const std::uint8_t> payload);

/// Returns the Internet checksum of `bytes` (RFC 1071).
std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes);

}  // namespace ebpf::tools
