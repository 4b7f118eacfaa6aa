// SPDX-License-Identifier: MIT
// The packet mark by which the kernel side tells frames that the hook sends back from frames that just
// arrived.
#pragma once

#include <cstdint>

namespace ebpf::hooks::xdp {

/// Marks kMarkBase + 0..3 are in use: the low bits are the frame's packet type (PACKET_HOST,
/// PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST), which would otherwise get lost on the way back. A
/// frame carries the mark only between the inject path and the drop rule, which clears it; setting a mark
/// needs privileges, so no remote sender can.
inline constexpr std::uint32_t kMarkBase = 0xebf04240;
inline constexpr std::uint32_t kMarkTypeMask = 3;

}  // namespace ebpf::hooks::xdp
