// SPDX-License-Identifier: MIT
// ebpfctl: bpftool's grammar over an execution context. Options and help here; commands in commands.hpp.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "commands.hpp"
#include "isa/text/group_text.hpp"
#include "render.hpp"

namespace {

using ebpf::ctl::Command;
using ebpf::ctl::Exit;

struct Invocation {
    const Command* command = nullptr;
    std::vector<std::string> words;
    ebpf::ctl::Options options;
    bool is_json = false;
    bool is_pretty = false;
};

constexpr const char* kGrammar =
    "PROG := id N | name NAME | tag TAG | pinned PATH | FILE.o[:PROGRAM]\n"
    "MAP  := id N | name NAME | pinned PATH\n"
    "LINK := id N | pinned PATH\n"
    "DATA := [hex] BYTE...\n"
    "Exit codes: 0 done or accepted, 1 refused or not found, 2 wrong usage, 3 internal error, 4 no daemon or "
    "no permission";

constexpr const char* kRunText =
    "HOOK := bind | connect | sendmsg | getsockname | getpeername | sock_create | listen | recv_accept\n"
    "PROG := FILE.o[:PROGRAM] | pinned:PATH | id:N | name:NAME | tag:TAG\n"
    "DATA := [hex] BYTE...\n"
    "Every program of a hook decides; one that returns 0 is enough to refuse the call (EPERM). What they "
    "write into the\n"
    "context is the address that is used. COMMAND and all that it starts cannot leave the hook or gain "
    "privileges by\n"
    "executing a file. Needs no privileges. Programs live in this process, or in a daemon if --context names "
    "one or a "
    "program is\n"
    "the daemon's; pinned ones are found again by the next daemon.\n"
    "Exit codes: that of COMMAND, or 128 + the signal that ended it; 125 ebpfctl failed, 126 COMMAND cannot "
    "be executed,\n"
    "127 there is no COMMAND; 2 wrong usage";

constexpr const char* kAttachText =
    "HOOK := bind | connect | sendmsg | getsockname | getpeername | sock_create | listen | recv_accept\n"
    "PROG := pinned:PATH | id:N | name:NAME | tag:TAG | FILE.o[:PROGRAM]\n"
    "The process must be yours, unless you are root, and not be confined by seccomp or Landlock. It is "
    "stopped for "
    "a moment,\n"
    "cannot be taken off the hook again, and cannot gain privileges by executing a file from then on.";

void add_options(CLI::App& app, Invocation& invocation) {
    app.add_flag("-j,--json", invocation.is_json, "print JSON, in bpftool's shape");
    app.add_flag("-p,--pretty", invocation.is_pretty, "print JSON over several lines");
    app.add_option(
        "--context", invocation.options.context,
        "inproc, or the socket of a daemon as unix:PATH; default: in-process for commands on a FILE that "
        "need nothing else, otherwise this user's ebpfd");
    app.add_option(
           "--extension", invocation.options.extensions,
           "shared library with program types for the in-process context (ebpf/extension.h); may be given "
           "again")
        ->allow_extra_args(false);
    app.add_option_function<std::vector<std::string>>(
           "--groups",
           [&invocation](const auto& names) { invocation.options.groups = ebpf::isa::group_set(names); },
           "conformance groups that the in-process context has, separated by commas (default: all)")
        ->delimiter(',')
        ->check(CLI::IsMember(ebpf::isa::group_names()));
}

/// Whether the command takes a FILE and loads it.
bool may_load(const Command& command) {
    const std::string_view verb = command.verb;
    if (std::string_view(command.noun) == "net") return verb == "attach";
    if (std::string_view(command.noun) == "link") return verb == "update" || verb == "create";
    return std::string_view(command.noun) == "prog" && (verb == "load" || verb == "run" || verb == "dump");
}

void add_command(CLI::App& parent, const Command& command, Invocation& invocation) {
    const bool has_verb = *command.verb != '\0';
    const std::string_view name = has_verb ? command.verb : command.noun;
    const bool is_run = !has_verb && name == "run";
    const bool is_attach = !has_verb && name == "attach";
    const bool is_service = name == "serve";
    CLI::App* verb = parent.add_subcommand(std::string(name), command.text);
    verb->fallthrough();
    verb->footer(
        fmt::format("ebpfctl {} {} {}\n{}", command.noun, command.verb, command.arguments, kGrammar));
    verb->add_option("arguments", invocation.words, command.arguments);
    if (name == "verify" || name == "load") {
        verb->add_option("--memory-length", invocation.options.memory_length,
                         "bytes at r1, for programs of type memory")
            ->check(CLI::NonNegativeNumber);
    }
    if (may_load(command) || is_run || is_attach || is_service) {
        verb->add_option("--engine", invocation.options.engine,
                         "what runs a program of a FILE: auto, interpreter, jit or native")
            ->default_str("auto");
    }
    if (may_load(command)) {
        verb->add_option("--image", invocation.options.image,
                         "native image of the FILE, as bpf2c makes them; for --engine native");
    }
    if (name == "verify")
        verb->add_option("--explain", invocation.options.explain, "explain a rule, such as V017, instead");
    if (is_run) {
        verb->add_option("--attach", invocation.options.attach,
                         "HOOK=PROG[,PROG]: programs for a hook, bind for one, of a FILE.o[:PROGRAM] by "
                         "their sections, or of a daemon; may be given again, programs run in this order")
            ->allow_extra_args(false);
        verb->add_option("--map-update", invocation.options.map_updates,
                         "'NAME key DATA value DATA': an element for a map of the programs, before COMMAND "
                         "starts; may be "
                         "given again")
            ->allow_extra_args(false);
        verb->footer(fmt::format("ebpfctl run {}\n{}", command.arguments, kRunText));
    }
    if (is_attach) {
        verb->add_option("--pid", invocation.options.pid, "the process")->required();
        verb->footer(fmt::format("ebpfctl attach {}\n{}", command.arguments, kAttachText));
    }
    if (is_run || is_attach || is_service) {
        verb->add_option(
                "--when-gone", invocation.options.when_gone,
                "with a daemon's programs: what becomes of calls while the daemon has gone, until the next "
                "one takes them up: closed (EPERM) or open (nothing is enforced)")
            ->check(CLI::IsMember({"open", "closed"}))
            ->default_str("closed");
    }
    verb->callback([&invocation, &command] { invocation.command = &command; });
}

void add_commands(CLI::App& app, Invocation& invocation) {
    std::map<std::string, CLI::App*> nouns;
    for (const Command& command : ebpf::ctl::commands()) {
        if (*command.verb == '\0') {
            add_command(app, command, invocation);
            continue;
        }
        CLI::App*& noun = nouns[command.noun];
        if (noun == nullptr) {
            noun = app.add_subcommand(command.noun, fmt::format("commands on a {}", command.noun));
            noun->require_subcommand(1)->fallthrough();
        }
        add_command(*noun, command, invocation);
    }
}

int report_error(const Invocation& invocation, const ebpf::Error& error) {
    if (invocation.is_json) {
        fmt::print("{}", ebpf::ctl::render_json_error(error.message(), invocation.is_pretty));
    } else {
        fmt::print(stderr, "Error: {}\n", error.message());
    }
    return static_cast<int>(ebpf::ctl::exit_of(error));
}

/// Says what is wrong with the words, naming the first that is not understood.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error) {
    const std::vector<std::string> unknown = app.remaining(true);
    if (!unknown.empty()) return fmt::format("unexpected '{}'", unknown.front());
    if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) return "a command is missing";
    return error.what();
}

int report_usage(const CLI::App& app, Invocation& invocation, const CLI::ParseError& error) {
    // Counted, because parsing may have ended before it stored the flags.
    invocation.is_pretty = app.count("--pretty") > 0;
    invocation.is_json = invocation.is_pretty || app.count("--json") > 0;
    return report_error(invocation, {ebpf::Status::InvalidArgument,
                                     usage_problem(app, error) + "; see --help at each level"});
}

int run(Invocation& invocation) {
    invocation.is_json = invocation.is_json || invocation.is_pretty;
    ebpf::ctl::Words words(std::move(invocation.words));
    const auto show = [&invocation](const ebpf::ctl::Output& output) {
        fmt::print("{}", invocation.is_json ? ebpf::ctl::render_json(output, invocation.is_pretty)
                                            : ebpf::ctl::render_text(output));
        std::fflush(stdout);
    };
    invocation.options.show = show;
    const auto output = invocation.command->run(invocation.options, words);
    if (!output) return report_error(invocation, output.error());
    if (const auto* ended = std::get_if<ebpf::ctl::CommandEnded>(&*output)) {
        if (!ended->error.empty()) report_error(invocation, {ebpf::Status::Environment, ended->error});
        return ended->code;
    }
    show(*output);
    return static_cast<int>(ebpf::ctl::exit_of(*output));
}

int parse_and_run(int argc, char** argv) {
    Invocation invocation;
    CLI::App app("Verify, load, run, attach and observe eBPF programs outside the kernel", "ebpfctl");
    app.allow_windows_style_options(false);  // a path may start with a slash on every host
    app.require_subcommand(1);
    app.footer(kGrammar);
    add_options(app, invocation);
    add_commands(app, invocation);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);  // --help
        return report_usage(app, invocation, error);
    }
    return run(invocation);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "Error: internal error: {}\n", error.what());
        return static_cast<int>(Exit::Internal);
    }
}
