// SPDX-License-Identifier: MIT
// Packet captures in the classic pcap format, Ethernet only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

#include "base/error.hpp"

namespace ebpf::tools {

using Packet = std::vector<std::uint8_t>;

/// Reads a capture of either byte order, with microseconds or nanoseconds.
/// Errors: Malformed - not a pcap file, or a record larger than 262144 bytes; Truncated - a record is cut
/// off;
///   NotSupported - not Ethernet. Messages name the packet, counted from 0.
/// Source: draft-ietf-opsawg-pcap.
Result<std::vector<Packet>> read_pcap(std::span<const std::byte> bytes);

/// Writes `packets`, one microsecond apart. Returns false if the file could not be written.
bool write_pcap(std::FILE* file, std::span<const Packet> packets);

}  // namespace ebpf::tools
