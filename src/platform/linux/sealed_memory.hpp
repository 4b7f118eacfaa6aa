// SPDX-License-Identifier: MIT
// Files in memory that nobody can change any more.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::platform {

/// Returns an anonymous file that holds `bytes` for good, and may be mapped executable. `name` shows in
/// /proc/PID/maps. Errors: Environment.
Result<Descriptor> make_sealed_memory(const char* name, std::span<const std::byte> bytes);

}  // namespace ebpf::platform
