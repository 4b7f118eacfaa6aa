// SPDX-License-Identifier: MIT
// A received frame and the offload header that must stay true when the frame's start moves. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ebpf::hooks::xdp {

inline constexpr std::size_t kEthernetHeaderBytes = 14;
inline constexpr std::size_t kVlanTagBytes = 4;
/// Room before each frame that programs may use (XDP_PACKET_HEADROOM in the kernel).
inline constexpr std::size_t kHeadroomBytes = 256;

/// Checksum and segmentation state of a packet buffer: struct virtio_net_hdr, in host byte order as
/// PACKET_VNET_HDR has it. (Its own header, linux/virtio_net.h, has a field named `class`.) Source:
/// virtio 1.2 section 5.1.6.
struct OffloadHeader {
    std::uint8_t flags;
    std::uint8_t gso_type;
    std::uint16_t hdr_len;      ///< bytes of headers, for a superframe
    std::uint16_t gso_size;     ///< payload bytes of each segment
    std::uint16_t csum_start;   ///< from here to the end is summed ...
    std::uint16_t csum_offset;  ///< ... and stored here, relative to csum_start
};
static_assert(sizeof(OffloadHeader) == 10);
inline constexpr std::uint8_t kNeedsChecksum = 1;   ///< bit of flags: checksum not filled in yet
inline constexpr std::uint8_t kNoSegmentation = 0;  ///< value of gso_type: not a superframe

/// What the ring holds of one frame. The memory belongs to the ring's block.
struct Frame {
    std::uint8_t* data = nullptr;
    std::uint32_t length = 0;
    std::uint32_t wire_length = 0;  ///< greater than length: the kernel had no room for all
    OffloadHeader offload{};        ///< checksum and segmentation state of the packet buffer
    std::uint64_t stamp_ns = 0;     ///< arrival, realtime clock
    std::uint8_t packet_type = 0;   ///< PACKET_HOST ...
    bool has_vlan = false;
    std::uint16_t vlan_tci = 0;
    std::uint16_t vlan_protocol = 0;  ///< host byte order
};

/// Puts the VLAN tag back that the kernel strips from frames it hands to packet sockets.
/// Requires: room for kVlanTagBytes before frame.data, length >= kEthernetHeaderBytes, has_vlan.
void restore_vlan_tag(Frame& frame);

/// Adjusts `offload` after a program moved the frame's start by `moved` bytes (positive: bytes were cut off).
/// `frame` is the frame as the program left it.
/// Returns false if the packet can no longer be described: the checksum's place was cut away, or a
/// superframe's IP header no longer stands where the segmentation type says (segmenting it would damage it).
bool move_offload(OffloadHeader& offload, std::ptrdiff_t moved, std::span<const std::uint8_t> frame);

}  // namespace ebpf::hooks::xdp
