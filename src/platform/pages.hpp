// SPDX-License-Identifier: MIT
// Page-aligned memory that could be shared with other processes. Implemented in platform/<os>.
#pragma once

#include <cstddef>

namespace ebpf::platform {

/// Bytes of a page on every supported host.
inline constexpr std::size_t kPageBytes = 4096;

/// Returns `bytes` bytes of zeroed, readable and writable, page-aligned memory, or nullptr. Threads: any.
/// Requires: bytes is a multiple of kPageBytes and not 0.
void* allocate_pages(std::size_t bytes) noexcept;

/// Frees memory from allocate_pages(); nullptr is allowed.
void release_pages(void* memory, std::size_t bytes) noexcept;

}  // namespace ebpf::platform
