// SPDX-License-Identifier: MIT
// Where an array keeps its values, for the family itself and for code generators that compute addresses.
#pragma once

#include <cstdint>

#include "maps/region.hpp"
#include "spec/maps.hpp"

namespace ebpf::maps {

/// Returns the bytes from one value of an array to the next. Requires: the shape is an array's.
constexpr std::uint64_t array_stride(const spec::MapShape& shape) {
    return round_up(shape.value_size, kValueAlignment);
}

}  // namespace ebpf::maps
