// SPDX-License-Identifier: MIT
// Keys of maps that are indexed: a 32-bit number, from 0 to max_entries - 1, in that order.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/status.hpp"
#include "maps/map.hpp"

namespace ebpf::maps {

inline std::uint32_t index_of(const void* key) noexcept {
    std::uint32_t index = 0;
    std::memcpy(&index, key, sizeof index);
    return index;
}

/// MapOps::next_key of indexed maps.
inline Status next_index(Map& map, const void* key, void* next) noexcept {
    const std::uint32_t entries = map.shape().max_entries;
    std::uint32_t index = 0;
    if (key != nullptr && index_of(key) < entries) index = index_of(key) + 1;
    if (index >= entries) return Status::NotFound;
    std::memcpy(next, &index, sizeof index);
    return Status::Ok;
}

}  // namespace ebpf::maps
