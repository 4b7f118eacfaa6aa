// SPDX-License-Identifier: MIT
// Which running processes can be hooked without a way around the hook, and without weakening what confines
// them.
#pragma once

#include "base/error.hpp"

namespace ebpf::hooks::socket {

/// Checks what does not change by itself: Errors: NotFound; NoPermission - another user's; NotSupported -
/// another namespace of users or process ids, a 32-bit program; Busy - confined by a seccomp filter already,
/// or traced.
Result<void> check_kind(int process);

/// Checks what the process may have opened: Errors: NotSupported - io_uring, which makes calls past any
/// filter; descriptors shared with another process, which would not be under the filter.
Result<void> check_doors(int process);

/// A process that can be looked into by whoever has the user and group of `process` and no Landlock rules.
class Probe {
  public:
    /// Errors: Environment.
    static Result<Probe> start(int process);
    Probe(Probe&& other) noexcept;
    Probe& operator=(Probe&&) = delete;
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    ~Probe();

    [[nodiscard]] int process() const { return process_; }

  private:
    explicit Probe(int process) : process_(process) {}
    int process_;
};

}  // namespace ebpf::hooks::socket
