// SPDX-License-Identifier: MIT
// A running process that is stopped for a moment, to make system calls for us.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "hooks/socket/linux/registers.hpp"

namespace ebpf::hooks::socket {

/// The main thread of another process, traced. The calls are made where the kernel's own code page has the
/// instruction; nothing of the process's code is changed. Its registers, signals and the call that it was in
/// are as before when it is let go. If the tracing thread is killed meanwhile the process goes on with
/// whatever it has: so be a process of its own that others do not kill, and be quick. Requires: SIGCHLD is
/// blocked and not ignored. Threads: one.
class Borrowed {
  public:
    /// Stops the process. Errors: NoPermission - it may not be traced; Busy - it is stopped or does not stop;
    /// NotFound; NotSupported - its processor mode, or there is no code page of the kernel's.
    static Result<Borrowed> take(int process);
    Borrowed(Borrowed&& other) noexcept;
    Borrowed& operator=(Borrowed&&) = delete;
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    /// Lets it go.
    ~Borrowed();

    /// Makes a system call. Returns its result, or a negative errno. Errors: NotFound - the process has
    /// ended.
    Result<std::int64_t> call(long number, const CallArguments& arguments);
    /// Writes to its memory. Errors: Environment.
    Result<void> write(std::uint64_t address, std::span<const std::byte> bytes) const;
    /// Lets it go on as it was.
    void release();

  private:
    explicit Borrowed(int process) : process_(process) {}

    Result<void> stop();
    Result<void> save();
    Result<void> wait_for_call();
    Result<int> next_stop();

    int process_;
    bool is_saved_ = false;
    std::uint64_t instruction_ = 0;  ///< where there is one that makes a system call
    Registers registers_{};
    std::uint64_t signals_ = 0;      ///< those that it blocked
    std::vector<int> held_signals_;  ///< that came and cannot be blocked
};

}  // namespace ebpf::hooks::socket
