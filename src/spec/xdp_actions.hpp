// SPDX-License-Identifier: MIT
// Verdicts of XDP programs by number. Source: the kernel's include/uapi/linux/bpf.h, enum xdp_action.
#pragma once

#include <array>

namespace ebpf::spec {

inline constexpr std::array kXdpActions = {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"};
inline constexpr unsigned kXdpPass = 2;

}  // namespace ebpf::spec
