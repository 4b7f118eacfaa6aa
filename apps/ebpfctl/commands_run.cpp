// SPDX-License-Identifier: MIT
// ebpfctl run, attach and container.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/try.hpp"
#include "run_command.hpp"
#include "spec/programs.hpp"

namespace ebpf::ctl {
namespace {

constexpr int kNotStarted = 125;  // as env, nice and timeout say that they failed and not the command

Result<CommandEnded> run(const Options& options, Words& words) {
    std::vector<HookPrograms> hooks;
    for (const std::string& text : options.attach) {
        EBPF_TRY(auto programs, read_attach(text));
        hooks.push_back(std::move(programs));
    }
    if (hooks.empty()) return fail(Status::InvalidArgument, "--attach HOOK=PROG is missing");
    std::vector<std::string> command;
    while (!words.is_at_end()) {
        EBPF_TRY(auto word, words.word("COMMAND"));
        command.push_back(std::move(word));
    }
    if (command.empty()) return fail(Status::InvalidArgument, "COMMAND is missing");
    return run_hooked(options, hooks, command);
}

/// Reads KEYWORD:WORD as bpftool's "KEYWORD WORD".
Result<Selector> read_program(std::string_view text) {
    for (const std::string_view keyword : {"pinned", "id", "name", "tag"}) {
        if (!text.starts_with(keyword) || text.substr(keyword.size(), 1) != ":") continue;
        Words words({std::string(keyword), std::string(text.substr(keyword.size() + 1))});
        EBPF_TRY(auto selector, words.program());
        EBPF_TRY_VOID(words.finish());
        return selector;
    }
    Words words({std::string(text)});
    return words.program();
}

/// Consumes HOOK=PROG[,PROG]...
Result<std::vector<HookPrograms>> hook_words(Words& words) {
    std::vector<HookPrograms> hooks;
    while (!words.is_at_end()) {
        EBPF_TRY(const auto text, words.word("HOOK=PROG"));
        EBPF_TRY(auto programs, read_attach(text));
        hooks.push_back(std::move(programs));
    }
    if (hooks.empty()) return fail(Status::InvalidArgument, "HOOK=PROG is missing");
    return hooks;
}

bool is_hook(const std::string& name) {
    return std::ranges::any_of(spec::attach_types(),
                               [&name](const spec::AttachTypeSpec& row) { return row.hook == name; });
}

}  // namespace

std::string hook_names() {
    std::set<std::string> names;
    for (const spec::AttachTypeSpec& row : spec::attach_types()) names.emplace(row.hook);
    return fmt::format("{}", fmt::join(names, ", "));
}

Result<HookPrograms> read_attach(const std::string& text) {
    const std::size_t equals = text.find('=');
    HookPrograms hook{text.substr(0, equals), {}};
    if (equals == std::string::npos || !is_hook(hook.hook)) {
        return fail(Status::InvalidArgument,
                    fmt::format("expected HOOK=PROG[,PROG] with a HOOK of {}, got '{}'", hook_names(), text));
    }
    std::string_view rest = std::string_view(text).substr(equals + 1);
    for (;;) {
        const std::string_view name = rest.substr(0, rest.find(','));
        if (name.empty()) return fail(Status::InvalidArgument, fmt::format("{}: a program is missing", text));
        EBPF_TRY(auto selector, read_program(name));
        hook.programs.push_back(std::move(selector));
        if (name.size() == rest.size()) return hook;
        rest.remove_prefix(name.size() + 1);
    }
}

Result<Output> attach_command(const Options& options, Words& words) {
    if (options.pid == 0) return fail(Status::InvalidArgument, "--pid PID is missing");
    EBPF_TRY(const auto hooks, hook_words(words));
    EBPF_TRY_VOID(attach_running(options, hooks));
    return Done{};
}

Result<Output> container_serve(const Options& options, Words& words) {
    EBPF_TRY(const auto path, words.word("LISTENERPATH"));
    EBPF_TRY(const auto hooks, hook_words(words));
    EBPF_TRY_VOID(serve_containers(options, path, hooks));
    return Done{};
}

Result<Output> container_profile(const Options&, Words& words) {
    EBPF_TRY(const auto path, words.word("LISTENERPATH"));
    EBPF_TRY(const auto file, words.word("FILE"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY_VOID(write_container_profile(path, file));
    return Done{};
}

Result<Output> run_command(const Options& options, Words& words) {
    auto ended = run(options, words);
    if (ended) return *std::move(ended);
    if (ended.error().status() == Status::InvalidArgument) return std::unexpected(std::move(ended).error());
    return CommandEnded{kNotStarted, ended.error().message()};
}

}  // namespace ebpf::ctl
