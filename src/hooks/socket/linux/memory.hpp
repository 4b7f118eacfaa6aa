// SPDX-License-Identifier: MIT
// The memory of a thread that waits in a call.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// Copies `to.size()` bytes from the caller's memory. What was read was the caller's if it still waits
/// afterwards. Errors: a negative errno: -EFAULT, or -EPERM - it may not be looked into.
int read_memory(int thread, std::uint64_t pointer, std::span<std::byte> to);
/// Copies what lies at `from`, places in the caller's memory, one behind the other. Errors: as above.
/// Requires: IOV_MAX places at most, whose sizes add up to that of `to`.
int read_memory(int thread, std::span<const iovec> from, std::span<std::byte> to);

/// A caller's memory, for writing. It holds on to the memory itself: if the caller waits after it was opened,
/// nobody else's memory is ever written, also when its thread id becomes another thread's.
class CallerMemory {
  public:
    /// Opens it. Not writable if that is refused.
    explicit CallerMemory(int thread);

    /// Copies `bytes` there. Returns 0, or a negative errno: -EFAULT, also if the memory may only be read, of
    /// which a part may have been written then; -EPERM.
    [[nodiscard]] int write(std::uint64_t pointer, std::span<const std::byte> bytes) const;

  private:
    int thread_;
    platform::Descriptor file_;
};

}  // namespace ebpf::hooks::socket
