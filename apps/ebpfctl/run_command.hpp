// SPDX-License-Identifier: MIT
// ebpfctl run, attach and container: a command, a process or containers under socket hooks; one
// implementation per operating system.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "commands.hpp"

namespace ebpf::ctl {

/// Programs for a hook, of --attach HOOK=PROG[,PROG].
struct HookPrograms {
    std::string hook;  ///< one of hook_names()
    std::vector<Selector> programs;
};

/// The socket hooks, for people.
std::string hook_names();
/// Reads --attach. Errors: InvalidArgument - no such hook, or no program.
Result<HookPrograms> read_attach(const std::string& text);

/// Runs `command` under programs until it and what it started have ended.
/// Errors: what kept it from being started.
Result<CommandEnded> run_hooked(const Options& options, std::span<const HookPrograms> hooks,
                                const std::vector<std::string>& command);

/// Puts the running process Options::pid under programs of a daemon, for as long as it and what it starts
/// live. Errors: what kept it from being hooked; the process is as before then.
Result<void> attach_running(const Options& options, std::span<const HookPrograms> hooks);

/// Serves container runtimes at the Unix socket `path`, the listenerPath of a seccomp profile of the OCI:
/// each container comes under programs of a daemon. Returns after SIGINT, SIGTERM or SIGHUP. Containers stay
/// hooked. Errors: AlreadyExists, Environment - the socket; those of finding the programs.
Result<void> serve_containers(const Options& options, const std::string& path,
                              std::span<const HookPrograms> hooks);
/// Writes the seccomp section of an OCI configuration, with `path` as its listenerPath, to `file`.
Result<void> write_container_profile(const std::string& path, const std::string& file);

// The commands of the table.
Result<Output> container_serve(const Options& options, Words& words);
Result<Output> container_profile(const Options& options, Words& words);

}  // namespace ebpf::ctl
