// SPDX-License-Identifier: MIT
// Starting a keeper, which holds the listener of a hooked process tree and offers the tree to a daemon.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "protocol/messages.hpp"
#include "spec/programs.hpp"

namespace ebpf::ctl {

struct KeeperRules {
    bool is_open = false;         ///< calls go on while there is no daemon; else they get EPERM
    bool may_offer_again = true;  ///< to the next daemon
};

/// The attach types of the programs that a tree is to be under.
spec::AttachTypeMask hooks_of(const protocol::TreeHookRequest& request);

/// Starts a keeper for the tree whose filter has `listener`, and waits until the daemon at `socket` has the
/// tree. Returns the tree's number. The keeper is a child process, in a session of its own; it ends with the
/// tree, or if this fails. Errors: those of the daemon; Environment - it does not answer, or the keeper
/// cannot be started.
Result<std::uint32_t> start_keeper(const std::string& socket, const protocol::TreeHookRequest& request,
                                   int listener, KeeperRules rules);

/// Hooks the running process request.process and starts a keeper for it. Once that has begun it goes on
/// without this process. Errors: also those of hooks::socket::hook_running(). If the daemon refuses the
/// process when it has the filter already, the keeper lets its calls through, as without a hook.
/// Requires, as the other one: this process has one thread, SIGCHLD is blocked.
Result<std::uint32_t> start_keeper_of_running(const std::string& socket,
                                              const protocol::TreeHookRequest& request, KeeperRules rules);

}  // namespace ebpf::ctl
