// SPDX-License-Identifier: MIT
// The kernel set's only source of memory. Declared here, implemented once per host in platform/<os>.
#pragma once

#include <cstddef>

namespace ebpf {

/// Returns `bytes` bytes of zeroed memory aligned to `alignment` (a power of two, at most 4096), or nullptr.
/// Threads: any. Lifetime: until release().
void* allocate(std::size_t bytes, std::size_t alignment) noexcept;

/// Frees memory from allocate(); `memory` may be nullptr; `bytes` and `alignment` as at allocation.
void release(void* memory, std::size_t bytes, std::size_t alignment) noexcept;

}  // namespace ebpf
