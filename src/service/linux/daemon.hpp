// SPDX-License-Identifier: MIT
// The daemon: an event loop that serves an execution context to clients on a Unix socket.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "ebpf/hook_provider.h"
#include "service/code_policy.hpp"
#include "service/process_trees.hpp"
#include "spec/instructions.hpp"

namespace ebpf::service {

struct DaemonOptions {
    std::string socket;                                ///< path to listen at
    std::string verifier;                              ///< path of the program ebpf-verifier
    std::vector<const ebpf_hook_provider*> providers;  ///< must outlive the daemon
    std::vector<std::string> extensions{};             ///< paths of files with extensions
    CodePolicy code_policy{};
    spec::GroupSet groups = spec::kAllGroups;  ///< conformance groups that programs may need
    ProcessTrees* trees = nullptr;             ///< nullptr: none are taken; must outlive the daemon
    std::function<void()> on_ready;            ///< called once clients can connect
};

/// Serves until SIGTERM or SIGINT arrives; then detaches every link, frees everything and removes the socket.
/// Errors: those of Listener::open(); Environment, OutOfMemory; those of registering the providers
/// and of loading the extensions.
/// Requires: called on the main thread before others are started (signals are blocked for all).
Result<void> run_daemon(const DaemonOptions& options);

}  // namespace ebpf::service
