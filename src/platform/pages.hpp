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

/// Returns memory for a ring: front_bytes and then twice ring_bytes, as allocate_pages() gives it. Where the
/// host can map memory twice, the last ring_bytes are the same memory as those before them; elsewhere memory
/// of their own. Requires: both are multiples of kPageBytes and not 0.
void* allocate_ring_pages(std::size_t front_bytes, std::size_t ring_bytes) noexcept;

/// Frees memory from allocate_ring_pages(); nullptr is allowed.
void release_ring_pages(void* memory, std::size_t front_bytes, std::size_t ring_bytes) noexcept;

}  // namespace ebpf::platform
