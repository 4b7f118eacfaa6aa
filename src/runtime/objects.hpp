// SPDX-License-Identifier: MIT
// The objects of a context and Ref, the counted reference that keeps one alive.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "ebpf/hook_provider.h"
#include "engine/engine.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::maps {
class Map;
}

namespace ebpf::runtime {

inline constexpr std::size_t kNameBytes = 64;      ///< with the NUL
inline constexpr std::size_t kMaxPinBytes = 256;   ///< with the NUL

enum class ObjectKind : std::uint8_t { Map, Program, Link };

// To be completed by the runtime's author: Object (kind, id, name, creation time, reference count, pin count),
// MapObject (shape(), map(), is_frozen), ProgramObject (type, tag, bytecode, image, maps, run_count(), run_time_ns()),
// LinkObject (program, request, is_attached, counters()), Ref<T> (copyable, movable, converts to Ref<Object>).

}  // namespace ebpf::runtime
