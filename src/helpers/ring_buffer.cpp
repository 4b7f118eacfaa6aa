// SPDX-License-Identifier: MIT
// Helpers that write to ring buffers. Source: Linux include/uapi/linux/bpf.h, bpf_ringbuf_*.
#include <cstring>

#include "helpers/implementation.hpp"
#include "maps/ring_buffer.hpp"

namespace ebpf::helpers {
namespace {

constexpr std::uint64_t kWakeupFlags = spec::kRingNoWakeup | spec::kRingForceWakeup;

}  // namespace

std::uint64_t ringbuf_output(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                             std::uint64_t, engine::Invocation&) noexcept {
    if ((r4 & ~kWakeupFlags) != 0) return kErrorInvalid;
    void* record = maps::reserve_record(*as_pointer<maps::Map>(r1), r3);
    if (record == nullptr) return kErrorAgain;
    if (r3 != 0) std::memcpy(record, as_pointer<const void>(r2), static_cast<std::size_t>(r3));
    maps::submit_record(record, false, r4);
    return 0;
}

std::uint64_t ringbuf_reserve(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t,
                              std::uint64_t, engine::Invocation&) noexcept {
    if (r3 != 0) return 0;
    return reinterpret_cast<std::uintptr_t>(maps::reserve_record(*as_pointer<maps::Map>(r1), r2));
}

std::uint64_t ringbuf_submit(std::uint64_t r1, std::uint64_t r2, std::uint64_t, std::uint64_t, std::uint64_t,
                             engine::Invocation&) noexcept {
    maps::submit_record(as_pointer<void>(r1), false, r2);
    return 0;
}

std::uint64_t ringbuf_discard(std::uint64_t r1, std::uint64_t r2, std::uint64_t, std::uint64_t, std::uint64_t,
                              engine::Invocation&) noexcept {
    maps::submit_record(as_pointer<void>(r1), true, r2);
    return 0;
}

std::uint64_t ringbuf_query(std::uint64_t r1, std::uint64_t r2, std::uint64_t, std::uint64_t, std::uint64_t,
                            engine::Invocation&) noexcept {
    return maps::query_ring(*as_pointer<const maps::Map>(r1), r2);
}

}  // namespace ebpf::helpers
