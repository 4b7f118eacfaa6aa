// SPDX-License-Identifier: MIT
// Network interfaces by name and number. Host part: not in the kernel set.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.hpp"

namespace ebpf::platform {

/// Returns the number of the interface `name` in the calling process's network namespace. Errors: NotFound.
StatusOr<std::uint32_t> interface_index(const std::string& name);

/// Returns the name of the interface with number `index`. Errors: NotFound.
StatusOr<std::string> interface_name(std::uint32_t index);

}  // namespace ebpf::platform
