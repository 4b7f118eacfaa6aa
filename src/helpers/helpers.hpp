// SPDX-License-Identifier: MIT
// The helpers of helpers.def as functions that engines call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/engine.hpp"

namespace ebpf::maps {
class Map;
}

namespace ebpf::helpers {

/// Longest text of one trace_printk call, as Linux's buffer; what is longer is cut.
inline constexpr std::size_t kTraceBytes = 1024;

/// Returns a binding for every row of helpers.def, for engine::Bindings::helpers. Which of them a program may
/// call was decided by the verifier: helpers trust their arguments to fulfil the contracts of helpers.def.
///
/// Errors appear in r0 as negative Linux errno values on every host. What an invocation must have set:
/// - services with monotonic_ns, random_u32 and current_task; trace may be null, then lines are dropped;
/// - map arguments: the address of a maps::Map; a prog array's elements point to a TailTarget;
/// - tail_call: when it returns 0, tail_target is where the engine goes on, and the call has been counted;
///   else tail_target is nullptr and r0 is -EINVAL (index, empty element) or -ELOOP (the 34th call).
/// - loop and for_each_map_elem: call_back, which the engine sets that runs the program.
/// Threads: any; inside an epoch of the domain that the maps belong to.
std::span<const engine::HelperBinding> bindings() noexcept;

/// Returns the binding of `map`, for engine::Bindings::maps: its handle, and what engines need to reach
/// values without a helper. Threads: any.
engine::MapBinding bind_map(const maps::Map& map) noexcept;

}  // namespace ebpf::helpers
