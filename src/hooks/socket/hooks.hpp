// SPDX-License-Identifier: MIT
// The socket hooks: bind and connect programs decide on calls of unmodified programs, without the kernel's
// eBPF. How it works, what it needs and what it does not see: README.md in this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "ebpf/hook_provider.h"
#include "spec/programs.hpp"

namespace ebpf::hooks::socket {

/// A program to be started under the hooks.
struct Command {
    std::vector<std::string> arguments;  ///< the program, by path or to be found in PATH, then its arguments
    /// Where the kernel has Landlock's network rules, they hold the command to what is done for it. What they
    /// forbid the kernel cannot carry out: false where calls shall go on while nobody decides.
    bool is_confined = true;
    /// Attach types whose programs may decide on its calls; those of bind and connect always may.
    spec::AttachTypeMask hooks = 0;
};

/// Why a command did not start, as shells say it by their exit code.
enum class StartFailure : std::uint8_t { NotHooked, NotFound, NotExecutable };

struct Started {
    int pid = 0;                                     ///< 0: it did not start
    StartFailure failure = StartFailure::NotHooked;  ///< if so
    Error error{Status::Ok, {}};                     ///< if so
};

/// A process tree under the filter that another process started. Descriptors are open during the call only.
struct TreeOffer {
    int listener = -1;          ///< of the filter
    int ledger = -1;            ///< linux/ledger.hpp
    std::uint32_t process = 0;  ///< one of the tree's
    std::uint32_t uid = 0;      ///< who offers it
    bool is_closed = true;      ///< calls are refused when the last program has been detached from their hook
};

/// The providers of program types cgroup_sock_addr, cgroup_sock and bind, and the process trees that they
/// hook. In Scope::Commands every program that is attached decides on every command that was started, as
/// programs at the root of a cgroup tree would; in Scope::Trees a program decides on the one tree that it was
/// attached to. attach(): request.ifindex is the number of the tree in Scope::Trees, else 0, request.flags 0.
/// Errors: EINVAL - a field of the request; ENOENT - no such tree; EPROTO - the ABI's version; EBUSY -
/// another context's programs are attached; EOPNOTSUPP - the tree's filter does not ask about such calls;
/// ENOMEM. Programs of one attach type run by priority, all of them; each
/// sees the address that those before it left, and one that returns 0 is enough to refuse the call with
/// EPERM. Threads: any. Lifetime: must outlive the attachments.
class SocketHooks {
  public:
    enum class Scope : std::uint8_t { Commands, Trees };

    explicit SocketHooks(Scope scope = Scope::Commands);
    ~SocketHooks();
    SocketHooks(const SocketHooks&) = delete;
    SocketHooks& operator=(const SocketHooks&) = delete;

    /// One for each attach type; valid as long as this object.
    [[nodiscard]] std::span<const ebpf_hook_provider* const> providers() const noexcept;

    /// Starts `command`, under programs of all attach types that are attached now, as a child process whose
    /// calls, and those of all its descendants, go through the hooks until the last of them has ended. They
    /// cannot gain privileges by executing files (no_new_privs); when this object goes before them, their
    /// calls of bind() and connect() fail with ENOSYS. The child has the calling thread's signal mask but for
    /// `unblocked`. Errors, in Started: NotHooked - the kernel lacks a part, or the caller is under such a
    /// hook already.
    Started start(const Command& command, std::span<const int> unblocked);

    /// Takes a tree, whose calls wait until serve_tree(). Returns its number. Errors: InvalidArgument - a
    /// descriptor is not what it should be; NotFound - there is no such process; NoPermission - it is neither
    /// the offering user's nor is that root, or it may not be looked into from here.
    Result<std::uint32_t> add_tree(const TreeOffer& offer);
    /// Answers the tree's calls until its last process has ended; lets go `held` then. Errors: NotFound -
    /// there is no such tree; Environment.
    Result<void> serve_tree(std::uint32_t tree, std::shared_ptr<void> held);
    /// Gives up a tree that is not served.
    void drop_tree(std::uint32_t tree);
    /// Stops answering the calls of all trees: they wait for others that hold the listeners, and fail with
    /// ENOSYS if there are none. Lets go what was held. No tree is taken afterwards.
    void drop_trees();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Starts `command` under the filter as SocketHooks::start() does, with its calls for others to answer:
/// `give` gets the filter's listener, open during the call, and the process id, before the program is
/// executed; it is not executed if that fails.
Started start_filtered(const Command& command, std::span<const int> unblocked,
                       const std::function<Result<void>(int listener, int process)>& give);

/// A process that has the filter since now.
struct HookedProcess {
    int listener = -1;               ///< of the filter; the caller closes it
    std::optional<Error> objection;  ///< there is a way around it: calls had better be let through
};

/// Puts the filter, for programs of the attach types `hooks`, into all threads of a running process, which is
/// stopped for a moment and goes on as it was. It cannot be taken off again, and the process cannot gain
/// privileges by executing files from then on. What is done to the process in the stop is undone by this
/// thread: if that is killed then, the process goes on with wrong registers. Requires: the calling process
/// has one thread, SIGCHLD blocked. Errors, with nothing changed: NotFound; NoPermission - another user's, or
/// untraceable; Busy - confined by seccomp or Landlock already, traced, or stopped; NotSupported - a 32-bit
/// program, other namespaces, io_uring, shared descriptors.
Result<HookedProcess> hook_running(int process, spec::AttachTypeMask hooks = 0);

}  // namespace ebpf::hooks::socket
