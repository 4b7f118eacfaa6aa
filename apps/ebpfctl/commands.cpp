// SPDX-License-Identifier: MIT
#include "commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/try.hpp"
#include "client/local_backend.hpp"
#include "daemon_backend.hpp"
#include "run_command.hpp"

namespace ebpf::ctl {
namespace {

using client::Client;
using client::Handle;
using client::ObjectKind;

constexpr std::array kCommands = {
    Command{"prog", "verify", "FILE[:PROGRAM]", "verify programs without loading them", program_verify},
    Command{"prog", "dump", "xlated|jited PROG",
            "disassemble a program's bytecode or machine code, with source lines", program_dump},
    Command{"prog", "load", "FILE[:PROGRAM] PATH", "load a program and pin it at PATH", program_load},
    Command{"prog", "show", "[PROG]", "list programs", program_show},
    Command{"prog", "list", "[PROG]", "list programs", program_show},
    Command{"prog", "run", "PROG data_in FILE|- [data_out FILE|-] [repeat N]",
            "run a program on the data of a file", program_run},
    Command{"prog", "pin", "PROG PATH", "pin a program", program_pin},
    Command{"map", "show", "[MAP]", "list maps", map_show},
    Command{"map", "list", "[MAP]", "list maps", map_show},
    Command{"map", "dump", "MAP", "show all elements of a map", map_dump},
    Command{"map", "lookup", "MAP key DATA", "show an element", map_lookup},
    Command{"map", "update", "MAP key DATA value VALUE [any|exist|noexist]",
            "store an element; VALUE of a prog array is a PROG", map_update},
    Command{"map", "delete", "MAP key DATA", "delete an element", map_delete},
    Command{"map", "getnext", "MAP [key DATA]", "show the key after a key", map_next},
    Command{"map", "event_pipe", "MAP [count N] [timeout SECONDS]",
            "show a ring buffer's records as they come, until interrupted", map_event_pipe},
    Command{"map", "pin", "MAP PATH", "pin a map", map_pin},
    Command{"map", "freeze", "MAP", "refuse further changes by requests", map_freeze},
    Command{"net", "attach", "xdp PROG dev IF [priority N] [overwrite]",
            "attach a program to a network interface, beside those that are there or in place of one",
            net_attach},
    Command{"net", "detach", "xdp dev IF", "take all programs off a network interface", net_detach},
    Command{"net", "show", "[dev IF]", "list programs at network interfaces, in the order in which they run",
            net_show},
    Command{"net", "list", "[dev IF]", "list programs at network interfaces, in the order in which they run",
            net_show},
    Command{"link", "show", "[LINK]", "list links, with the counters of their hooks", link_show},
    Command{"link", "list", "[LINK]", "list links, with the counters of their hooks", link_show},
    Command{"link", "create", "PROG hook NAME [at N] [priority N] [PATH]",
            "attach a program to a hook, at its place N (0), beside those that are there; pinned at PATH if "
            "it is given",
            link_create},
    Command{"link", "update", "LINK PROG",
            "replace the program of a link, so that every invocation runs the old or the new one",
            link_update},
    Command{"link", "detach", "LINK", "detach a link now", link_detach},
    Command{"link", "pin", "LINK PATH", "pin a link", link_pin},
    Command{"extension", "load", "FILE", "load program types and hooks from a shared library",
            extension_load},
    Command{"extension", "unload", "NAME",
            "take an extension's hooks away: programs stay loaded, links wait for it to return",
            extension_unload},
    Command{"extension", "show", "", "list extensions with their program types and hooks", extension_show},
    Command{"extension", "list", "", "list extensions with their program types and hooks", extension_show},
    Command{"run", "", "--attach HOOK=PROG[,PROG]... -- COMMAND [ARGUMENT]...",
            "run a command, and all that it starts, under programs at socket hooks", run_command},
    Command{"attach", "", "--pid PID HOOK=PROG[,PROG]...",
            "put a running process, and all that it starts, under programs of a daemon", attach_command},
    Command{"container", "serve", "LISTENERPATH HOOK=PROG[,PROG]...",
            "put containers under programs of a daemon, as their runtimes ask for it at a socket",
            container_serve},
    Command{"container", "profile", "LISTENERPATH FILE",
            "write the seccomp profile (OCI) of containers to be served at a socket", container_profile},
    Command{"pin", "list", "", "list pins", pin_list},
    Command{"pin", "remove", "PATH", "take a pin away", pin_remove},
};

Result<bool> matches(Client& client, ObjectKind kind, const Handle& handle, const Selector& selector) {
    EBPF_TRY(const auto info, client.info(handle));
    if (kind == ObjectKind::Map && !info.map.empty())
        return selector.by == Selector::By::Name && info.map[0].name == selector.text;
    if (kind != ObjectKind::Program || info.program.empty()) return false;
    if (selector.by == Selector::By::Name) return info.program[0].name == selector.text;
    std::string tag;
    for (const std::byte byte : info.program[0].tag)
        tag += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return tag == selector.text;
}

const char* plural_of(ObjectKind kind) {
    switch (kind) {
        case ObjectKind::Map:
            return "maps";
        case ObjectKind::Program:
            return "programs";
        case ObjectKind::Link:
            return "links";
    }
    return "objects";
}

}  // namespace

std::span<const Command> commands() {
    return kCommands;
}

Result<std::unique_ptr<client::Backend>> open_context(const Options& options, Place place) {
    const std::string_view context = options.context;
    if (context == "inproc" || (context.empty() && place == Place::InProcess)) {
        EBPF_TRY(auto local, client::LocalBackend::create({.groups = options.groups}));
        for (const std::string& file : options.extensions) {
            EBPF_TRY(const std::string path, absolute(file));
            EBPF_TRY_VOID(local->service().load_extension(path));
        }
        return local;
    }
    if (!options.extensions.empty()) {
        return fail(Status::InvalidArgument,
                    "--extension is for in-process contexts; a daemon loads them with `extension load`");
    }
    if (options.groups.bits != spec::kAllGroups.bits) {
        return fail(Status::InvalidArgument,
                    "--groups is for in-process contexts; a daemon has those that ebpfd was started with");
    }
    EBPF_TRY(const std::string socket, daemon_socket(options));
    return connect_daemon(socket);
}

Result<std::string> daemon_socket(const Options& options) {
    const std::string_view context = options.context;
    if (context.empty()) return default_daemon_socket();
    if (context.starts_with("unix:")) return std::string(context.substr(5));
    if (context.find('/') != std::string_view::npos) return std::string(context);
    return fail(Status::InvalidArgument, fmt::format("--context is inproc or unix:PATH, got '{}'", context));
}

Result<std::vector<Handle>> select(Client& client, ObjectKind kind, const Selector& selector) {
    std::vector<Handle> found;
    if (selector.by == Selector::By::Id) {
        EBPF_TRY(auto handle, client.open(kind, selector.id));
        found.push_back(std::move(handle));
        return found;
    }
    if (selector.by == Selector::By::Pin) {
        EBPF_TRY(auto handle, client.open_pin(kind, selector.text));
        found.push_back(std::move(handle));
        return found;
    }
    EBPF_TRY(const auto ids, client.ids(kind));
    for (const std::uint32_t id : ids) {
        auto handle = client.open(kind, id);
        if (!handle) continue;  // it went away since it was listed
        EBPF_TRY(const bool is_match, matches(client, kind, *handle, selector));
        if (is_match) found.push_back(*std::move(handle));
    }
    if (found.empty())
        return fail(Status::NotFound, fmt::format("no {} match '{}'", plural_of(kind), selector.text));
    return found;
}

Result<std::vector<Handle>> select_any(Client& client, ObjectKind kind,
                                       const std::optional<Selector>& selector) {
    if (selector) return select(client, kind, *selector);
    std::vector<Handle> found;
    EBPF_TRY(const auto ids, client.ids(kind));
    for (const std::uint32_t id : ids) {
        if (auto handle = client.open(kind, id)) found.push_back(*std::move(handle));
    }
    return found;
}

Result<Handle> select_one(Client& client, ObjectKind kind, const Selector& selector) {
    EBPF_TRY(auto found, select(client, kind, selector));
    if (found.size() > 1) {
        return fail(Status::InvalidArgument,
                    fmt::format("several {} match '{}': name one by its id", plural_of(kind), selector.text));
    }
    return std::move(found.front());
}

Result<std::vector<std::string>> pins_of(Client& client, ObjectKind kind, std::uint32_t id) {
    EBPF_TRY(const auto pins, client.pins());
    std::vector<std::string> paths;
    for (const auto& pin : pins) {
        if (pin.kind == kind && pin.id == id && !pin.path.starts_with(kLinkPinPrefix))
            paths.push_back(pin.path);
    }
    return paths;
}

Exit exit_of(const Error& error) {
    constexpr std::array kEnvironment = {Status::Environment,     Status::ConnectionLost,
                                         Status::VersionMismatch, Status::NoPermission,
                                         Status::AccessDenied,    Status::OutOfMemory};
    const Status status = error.status();
    if (status == Status::Internal) return Exit::Internal;
    if (status == Status::InvalidArgument) return Exit::Usage;
    const bool is_environment =
        std::find(kEnvironment.begin(), kEnvironment.end(), status) != kEnvironment.end();
    return is_environment ? Exit::Environment : Exit::Refused;
}

Exit exit_of(const Output& output) {
    if (const auto* verification = std::get_if<Verification>(&output)) {
        for (const auto& program : verification->programs) {
            if (program.report.verdict != verifier::Verdict::Accept) return Exit::Refused;
        }
    }
    if (const auto* ended = std::get_if<CommandEnded>(&output)) return static_cast<Exit>(ended->code);
    return std::holds_alternative<NoElement>(output) ? Exit::Refused : Exit::Ok;
}

}  // namespace ebpf::ctl
