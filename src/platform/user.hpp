// SPDX-License-Identifier: MIT
// Who runs this process. Host part: not in the kernel set.
#pragma once

#include <cstdint>

namespace ebpf::platform {

/// Returns the effective user id; 0 where the host does not number its users.
std::uint32_t user_id() noexcept;

}  // namespace ebpf::platform
