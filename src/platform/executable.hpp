// SPDX-License-Identifier: MIT
// Memory for machine code: written first, then sealed; at no time writable and executable. Implemented in
// platform/<os>.
#pragma once

#include <cstddef>

#include "base/status.hpp"

namespace ebpf::platform {

/// Returns how many bytes allocate_executable() takes for `bytes` of code: whole pages. 0 if that overflows.
std::size_t executable_bytes(std::size_t bytes) noexcept;

/// Returns page-aligned memory for `bytes` bytes of machine code: readable, writable, filled with
/// instructions that trap, and with an inaccessible page before and behind it.
/// Requires: bytes is not 0. Errors: OutOfMemory; NotSupported - this host has no executable memory to give.
/// Threads: any.
StatusOr<std::byte*> allocate_executable(std::size_t bytes) noexcept;

/// Makes it readable and executable, and no longer writable, for good; instructions can be fetched when this
/// returns. Requires: code and bytes are those of allocate_executable().
/// Errors: NoPermission - the host allows no executable memory; OutOfMemory. On failure the memory stays
///   writable.
Status seal_executable(std::byte* code, std::size_t bytes) noexcept;

/// Frees it, sealed or not; nullptr is allowed.
void release_executable(std::byte* code, std::size_t bytes) noexcept;

}  // namespace ebpf::platform
