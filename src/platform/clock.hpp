// SPDX-License-Identifier: MIT
// Time. Implemented in platform/<os>.
#pragma once

#include <cstdint>

namespace ebpf::platform {

/// Returns nanoseconds of a clock that never goes back; its zero is arbitrary. Threads: any. Cost: about 10
/// ns.
std::uint64_t monotonic_ns() noexcept;

/// Returns nanoseconds since 1970-01-01 UTC. Threads: any.
std::uint64_t realtime_ns() noexcept;

}  // namespace ebpf::platform
