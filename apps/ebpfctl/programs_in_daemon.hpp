// SPDX-License-Identifier: MIT
// The programs of a daemon that process trees are put under.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "client/backend.hpp"
#include "hooked_programs.hpp"
#include "keeper.hpp"
#include "protocol/messages.hpp"
#include "run_command.hpp"

namespace ebpf::ctl {

/// The programs stay loaded as long as this object lives.
struct ProgramsInDaemon {
    std::unique_ptr<client::Backend> backend;  ///< whose handles `programs` holds
    HookedPrograms programs;
    std::string socket;                 ///< of the daemon
    protocol::TreeHookRequest request;  ///< but for the process and the descriptors
    KeeperRules rules;
};

/// Loads or finds them in the daemon that Options::context names. Errors: those of HookedPrograms::prepare()
/// and of connecting.
Result<ProgramsInDaemon> prepare_in_daemon(const Options& options, std::span<const HookPrograms> hooks);

}  // namespace ebpf::ctl
