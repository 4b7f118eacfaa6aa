// SPDX-License-Identifier: MIT
// Layout that every map's region starts with, and copying that other threads may watch.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "spec/maps.hpp"

namespace ebpf::maps {

inline constexpr std::uint32_t kRegionMagic = 0x4d465042;  // "BPFM" in memory order
inline constexpr std::uint32_t kRegionVersion = 2;

/// First bytes of a region. Offsets count from the region's start.
struct RegionHeader {
    std::uint32_t magic = kRegionMagic;
    std::uint32_t version = kRegionVersion;
    spec::MapShape shape;
    std::uint32_t element_stride = 0;  ///< bytes from one element to the next
    std::uint64_t elements_offset = 0;
    /// Hash: a u32 reference per bucket, to its first element (offset / 8; 0: none); 0 elsewhere.
    std::uint64_t buckets_offset = 0;
    std::uint32_t bucket_count = 0;
    std::atomic<std::uint32_t> count{0};  ///< hash: elements that exist
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

/// Values are aligned as the kernel aligns them.
inline constexpr std::size_t kValueAlignment = 8;

constexpr std::uint64_t round_up(std::uint64_t bytes, std::uint64_t multiple) {
    return (bytes + multiple - 1) / multiple * multiple;
}

/// Copies a value into shared memory in 8-byte steps where possible, so that aligned words are never torn.
/// Requires: `to` is aligned to kValueAlignment.
inline void copy_in(void* to, const void* from, std::size_t bytes) noexcept {
    auto* target = static_cast<unsigned char*>(to);
    const auto* source = static_cast<const unsigned char*>(from);
    std::size_t done = 0;
    for (; done + 8 <= bytes; done += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, source + done, sizeof word);
        __atomic_store_n(reinterpret_cast<std::uint64_t*>(target + done), word, __ATOMIC_RELAXED);
    }
    for (; done < bytes; ++done) __atomic_store_n(target + done, source[done], __ATOMIC_RELAXED);
}

/// Copies a value out of shared memory in 8-byte steps where possible. Requires: `from` is aligned to
/// kValueAlignment.
inline void copy_out(void* to, const void* from, std::size_t bytes) noexcept {
    auto* target = static_cast<unsigned char*>(to);
    const auto* source = static_cast<const unsigned char*>(from);
    std::size_t done = 0;
    for (; done + 8 <= bytes; done += 8) {
        const std::uint64_t word =
            __atomic_load_n(reinterpret_cast<const std::uint64_t*>(source + done), __ATOMIC_RELAXED);
        std::memcpy(target + done, &word, sizeof word);
    }
    for (; done < bytes; ++done) target[done] = __atomic_load_n(source + done, __ATOMIC_RELAXED);
}

}  // namespace ebpf::maps
