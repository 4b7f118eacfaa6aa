// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace ebpf::platform {

/// Returns an address near the process's own code, where `bytes` may be free (mmap's hint, not MAP_FIXED), or
/// nullptr. Processors predict calls over short distances faster. Whole pages. Threads: any.
void* place_near_text(std::size_t bytes) noexcept;

}  // namespace ebpf::platform
