// SPDX-License-Identifier: MIT
// ebpfctl run and attach: a command or a process under socket hooks; one implementation per operating system.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "commands.hpp"

namespace ebpf::ctl {

/// Programs for a hook, of --attach HOOK=PROG[,PROG].
struct HookPrograms {
    std::string hook;  ///< "bind" or "connect"
    std::vector<Selector> programs;
};

/// Reads --attach. Errors: InvalidArgument - no such hook, or no program.
Result<HookPrograms> read_attach(const std::string& text);

/// Runs `command` under programs until it and what it started have ended.
/// Errors: what kept it from being started.
Result<CommandEnded> run_hooked(const Options& options, std::span<const HookPrograms> hooks,
                                const std::vector<std::string>& command);

/// Puts the running process Options::pid under programs of a daemon, for as long as it and what it starts
/// live. Errors: what kept it from being hooked; the process is as before then.
Result<void> attach_running(const Options& options, std::span<const HookPrograms> hooks);

}  // namespace ebpf::ctl
