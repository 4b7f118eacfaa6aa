// SPDX-License-Identifier: MIT
// The commands: words in, a result out. Nothing is printed here.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client/backend.hpp"
#include "object/object_spec.hpp"
#include "results.hpp"
#include "spec/engines.hpp"
#include "words.hpp"

namespace ebpf::ctl {

/// Options that all commands share.
struct Options {
    std::string context;                       ///< "", "inproc", "unix:PATH" or PATH
    std::string explain;                       ///< prog verify: a rule to explain
    std::uint64_t memory_length = 0;           ///< for programs of type memory
    std::string image;                         ///< path of a native image, for engine native
    std::string engine = "auto";               ///< for programs that are loaded
    spec::GroupSet groups = spec::kAllGroups;  ///< of an in-process context
    std::vector<std::string> extensions;       ///< files for an in-process context
    std::function<void(const Output&)> show;   ///< prints what a command that goes on has come to
    std::vector<std::string> attach;           ///< run: HOOK=PROG[,PROG]
    std::vector<std::string> map_updates;      ///< run: NAME key DATA value DATA
    std::uint32_t pid = 0;                     ///< attach: the process
    std::string when_gone = "closed";          ///< run, attach: open or closed, without the daemon
};

/// Where a command runs unless --context says so.
enum class Place : std::uint8_t { InProcess, Daemon };

/// A command of the table in commands.cpp.
struct Command {
    const char* noun;
    const char* verb;       ///< empty: the noun is the command
    const char* arguments;  ///< for --help
    const char* text;       ///< one sentence
    Result<Output> (*run)(const Options& options, Words& words);
};

/// Returns all commands, grouped by noun.
std::span<const Command> commands();

/// Opens the context. Errors: NotFound, AccessDenied - there is no daemon, or it is another user's;
/// NotSupported - this host has no daemon.
Result<std::unique_ptr<client::Backend>> open_context(const Options& options, Place place);

/// Returns the socket of the daemon that the options name. Errors: InvalidArgument; Environment - there is no
/// default.
Result<std::string> daemon_socket(const Options& options);

// In commands_program.cpp, commands_dump.cpp, commands_map.cpp, commands_link.cpp, commands_extension.cpp,
// commands_run.cpp.
Result<Output> program_verify(const Options& options, Words& words);
Result<Output> program_dump(const Options& options, Words& words);
Result<Output> program_load(const Options& options, Words& words);
Result<Output> program_show(const Options& options, Words& words);
Result<Output> program_run(const Options& options, Words& words);
Result<Output> program_pin(const Options& options, Words& words);
Result<Output> map_show(const Options& options, Words& words);
Result<Output> map_dump(const Options& options, Words& words);
Result<Output> map_lookup(const Options& options, Words& words);
Result<Output> map_update(const Options& options, Words& words);
Result<Output> map_delete(const Options& options, Words& words);
Result<Output> map_next(const Options& options, Words& words);
Result<Output> map_event_pipe(const Options& options, Words& words);
Result<Output> map_pin(const Options& options, Words& words);
Result<Output> map_freeze(const Options& options, Words& words);
Result<Output> net_attach(const Options& options, Words& words);
Result<Output> net_detach(const Options& options, Words& words);
Result<Output> net_show(const Options& options, Words& words);
Result<Output> link_show(const Options& options, Words& words);
Result<Output> link_create(const Options& options, Words& words);
Result<Output> link_update(const Options& options, Words& words);
Result<Output> link_detach(const Options& options, Words& words);
Result<Output> link_pin(const Options& options, Words& words);
Result<Output> run_command(const Options& options, Words& words);
Result<Output> attach_command(const Options& options, Words& words);
Result<Output> extension_load(const Options& options, Words& words);
Result<Output> extension_unload(const Options& options, Words& words);
Result<Output> extension_show(const Options& options, Words& words);
Result<Output> pin_list(const Options& options, Words& words);
Result<Output> pin_remove(const Options& options, Words& words);

/// Returns the objects of `kind` that `selector` names: one by id or pin, any number by name or tag.
/// Errors: NotFound - none.
Result<std::vector<client::Handle>> select(client::Client& client, client::ObjectKind kind,
                                           const Selector& selector);
/// The same; without a selector all objects of `kind`, none being no error.
Result<std::vector<client::Handle>> select_any(client::Client& client, client::ObjectKind kind,
                                               const std::optional<Selector>& selector);
/// The same, where exactly one is wanted. Errors: InvalidArgument - several match.
Result<client::Handle> select_one(client::Client& client, client::ObjectKind kind, const Selector& selector);

/// Reads an object file for a context. Errors: those of reading the file and of client::read_object().
Result<object::ObjectSpec> read_object(client::Client& client, const std::string& path);

/// Returns a path from the root on, for a context that has another working directory. Errors: Environment.
Result<std::string> absolute(const std::string& path);

/// Returns what Options::engine names. Errors: InvalidArgument.
Result<spec::Engine> chosen_engine(const Options& options);

/// What a program that the verifier refused comes to: Rejected, with its first failure.
Error rejection(const std::string& name, const verifier::Report& report);

/// Returns the program that `selector` names; that of a FILE is loaded for it.
/// Errors: Rejected - the verifier refused it; those of reading the file; those of select_one().
Result<client::Handle> program_for(client::Client& client, const Options& options, const Selector& selector);

/// Returns the paths of the pins of an object, without those that keep links going.
Result<std::vector<std::string>> pins_of(client::Client& client, client::ObjectKind kind, std::uint32_t id);

/// Prefix of the pins that keep links alive whose commands have ended: the link's id follows.
inline constexpr const char* kLinkPinPrefix = "@link/";

}  // namespace ebpf::ctl
