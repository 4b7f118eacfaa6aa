// SPDX-License-Identifier: MIT
// Who the calling thread is. Implemented in platform/<os>.
#pragma once

#include <cstdint>
#include <span>

namespace ebpf::platform {

/// Returns the number of the process in the upper 32 bits and that of the thread in the lower ones.
std::uint64_t thread_ids() noexcept;

/// Returns the real group id in the upper 32 bits and the real user id in the lower ones; 0 where the host
/// does not number its users.
std::uint64_t user_ids() noexcept;

/// Writes the thread's name (where threads have none, that of the process's file) and fills the rest with
/// NULs, of which there is at least one. Requires: name is not empty.
void thread_name(std::span<char> name) noexcept;

}  // namespace ebpf::platform
