// SPDX-License-Identifier: MIT
// The socket hooks: bind and connect programs decide on calls of unmodified programs, without the kernel's
// eBPF. How it works, what it needs and what it does not see: README.md in this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "ebpf/hook_provider.h"

namespace ebpf::hooks::socket {

/// A program to be started under the hooks.
struct Command {
    std::vector<std::string> arguments;  ///< the program, by path or to be found in PATH, then its arguments
};

/// Why a command did not start, as shells say it by their exit code.
enum class StartFailure : std::uint8_t { NotHooked, NotFound, NotExecutable };

struct Started {
    int pid = 0;                                     ///< 0: it did not start
    StartFailure failure = StartFailure::NotHooked;  ///< if so
    Error error{Status::Ok, {}};                     ///< if so
};

/// The providers of program type cgroup_sock_addr and the process trees that they hook: every program that is
/// attached decides on every tree, as programs at the root of a cgroup tree would.
/// attach(): request.ifindex and request.flags must be 0. Errors: EINVAL - a field of the request; EPROTO -
/// the ABI's version; ENOMEM. Programs of one attach type run in the order of their attachment, all of them;
/// each sees the address that those before it left, and one that returns 0 is enough to refuse the call with
/// EPERM. Threads: any. Lifetime: must outlive the attachments.
class SocketHooks {
  public:
    SocketHooks();
    ~SocketHooks();
    SocketHooks(const SocketHooks&) = delete;
    SocketHooks& operator=(const SocketHooks&) = delete;

    /// One for each attach type; valid as long as this object.
    [[nodiscard]] std::span<const ebpf_hook_provider* const> providers() const noexcept;

    /// Starts `command` as a child process whose calls, and those of all its descendants, go through the
    /// hooks until the last of them has ended. They cannot gain privileges by executing files (no_new_privs);
    /// when this object goes before them, their calls of bind() and connect() fail with ENOSYS. The child has
    /// the calling thread's signal mask but for `unblocked`. Errors, in Started: NotHooked - the kernel lacks
    /// a part, or the caller is under such a hook already.
    Started start(const Command& command, std::span<const int> unblocked);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ebpf::hooks::socket
