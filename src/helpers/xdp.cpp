// SPDX-License-Identifier: MIT
// Helpers of XDP programs.
#include <cstddef>
#include <cstring>

#include "ebpf/contexts.h"
#include "helpers/implementation.hpp"

namespace ebpf::helpers {
namespace {

constexpr std::int64_t kEthernetHeaderBytes = 14;

}  // namespace

// What must hold afterwards: the metadata still fits behind data_hard_start, and an Ethernet header before
// data_end. Computed in distances, so that no pointer outside the buffer is formed. delta is an int: 32 bits,
// signed. Source: Linux net/core/filter.c, bpf_xdp_adjust_head.
std::uint64_t xdp_adjust_head(std::uint64_t r1, std::uint64_t r2, std::uint64_t, std::uint64_t, std::uint64_t,
                              engine::Invocation&) noexcept {
    auto& context = *as_pointer<ebpf_xdp_context>(r1);
    const std::int64_t delta = static_cast<std::int32_t>(static_cast<std::uint32_t>(r2));
    const std::int64_t headroom = context.data_meta - context.data_hard_start;
    const std::int64_t packet_bytes = context.data_end - context.data;
    if (delta < -headroom || delta > packet_bytes - kEthernetHeaderBytes) return kErrorInvalid;
    const auto distance = static_cast<std::ptrdiff_t>(delta);
    const auto meta_bytes = static_cast<std::size_t>(context.data - context.data_meta);
    if (meta_bytes != 0) std::memmove(context.data_meta + distance, context.data_meta, meta_bytes);
    context.data_meta += distance;
    context.data += distance;
    return 0;
}

}  // namespace ebpf::helpers
