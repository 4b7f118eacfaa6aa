// SPDX-License-Identifier: MIT
#include "hooked_programs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>

#include "base/try.hpp"
#include "spec/programs.hpp"

namespace ebpf::ctl {
namespace {

using client::Client;
using client::Handle;
using client::ObjectKind;

bool is_of_hook(spec::ProgramType program, std::uint32_t attach_type, const std::string& hook) {
    const spec::AttachTypeSpec* row = spec::find_attach_type(spec::attach_mask(program, attach_type));
    return row != nullptr && row->hook == hook;
}

/// The sections whose programs belong to a hook, for people.
std::string sections_of(const std::string& hook) {
    std::string names;
    for (const spec::SectionSpec& row : spec::sections()) {
        if (!is_of_hook(row.type, row.attach_type, hook)) continue;
        std::string_view name = row.pattern;
        if (name.ends_with('+')) name.remove_suffix(1);
        names.append(names.empty() ? "" : ", ").append(name);
    }
    return names;
}

}  // namespace

bool are_of_files(std::span<const HookPrograms> hooks) {
    return std::ranges::all_of(hooks, [](const HookPrograms& hook) {
        return std::ranges::all_of(hook.programs,
                                   [](const Selector& one) { return one.by == Selector::By::File; });
    });
}

Result<void> HookedPrograms::prepare(Client& client, const Options& options,
                                     std::span<const HookPrograms> hooks) {
    EBPF_TRY(const spec::Engine engine, chosen_engine(options));
    for (const HookPrograms& hook : hooks) {
        for (const Selector& selector : hook.programs) EBPF_TRY_VOID(choose(client, hook.hook, selector));
    }
    EBPF_TRY_VOID(load(client, engine));
    for (const std::string& text : options.map_updates) {
        if (auto updated = update(client, text); !updated)
            return std::unexpected(std::move(updated).error().in(fmt::format("--map-update '{}'", text)));
    }
    return {};
}

Result<void> HookedPrograms::load(Client& client, spec::Engine engine) {
    for (File& file : files_) {
        EBPF_TRY(file.loaded, client::load_object(client, file.object, file.programs, {.engine = engine}));
        for (const auto& program : file.loaded.programs) {
            if (program.offered.program.is_empty())
                return std::unexpected(rejection(program.spec->name, program.offered.report));
        }
    }
    return {};
}

/// Stores an element: "NAME key DATA value DATA", in the first map of the programs that has the name.
Result<void> HookedPrograms::update(Client& client, const std::string& text) {
    std::istringstream stream(text);
    Words words({std::istream_iterator<std::string>(stream), {}});
    EBPF_TRY(const auto name, words.word("NAME of the map"));
    const Handle* map = nullptr;
    for (const File& file : files_) {
        for (std::size_t i = 0; map == nullptr && i < file.object.maps.size(); ++i) {
            if (file.object.maps[i].name == name) map = &file.loaded.maps[i];
        }
    }
    std::optional<Handle> found;
    if (map == nullptr) {
        EBPF_TRY(found, found_map(client, name));
        if (!found) return fail(Status::NotFound, fmt::format("no map of the programs is called '{}'", name));
        map = &*found;
    }
    EBPF_TRY(const auto info, client.map_info(*map));
    EBPF_TRY_VOID(words.expect("key"));
    EBPF_TRY(const auto key, words.data("key", info.key_size));
    EBPF_TRY_VOID(words.expect("value"));
    EBPF_TRY(const auto value, words.data("value", info.value_size));
    EBPF_TRY_VOID(words.finish());
    return client.update(*map, key, value, spec::kUpdateAny);
}

/// Looks among the maps of the context's programs.
Result<std::optional<Handle>> HookedPrograms::found_map(Client& client, const std::string& name) const {
    for (const Wanted& wanted : wanted_) {
        if (wanted.file != nullptr) continue;
        EBPF_TRY(const auto program, client.program_info(wanted.found));
        for (const auto& map : program.maps) {
            EBPF_TRY(auto handle, client.open(ObjectKind::Map, map.id));
            EBPF_TRY(const auto info, client.map_info(handle));
            if (info.name == name) return handle;
        }
    }
    return std::nullopt;
}

Result<void> HookedPrograms::attach(Client& client) {
    for (const Wanted& wanted : wanted_) {
        EBPF_TRY(auto link,
                 client.create_link(handle_of(wanted),
                                    {.attach_type = wanted.attach_type, .interface = {}, .flags = 0}));
        links_.push_back(std::move(link));
    }
    return {};
}

Result<std::vector<protocol::TreeProgram>> HookedPrograms::for_tree(Client& client) {
    std::vector<protocol::TreeProgram> programs;
    for (const Wanted& wanted : wanted_) {
        protocol::TreeProgram program;
        program.attach_type = wanted.attach_type;
        program.pin = wanted.pin;
        if (program.pin.empty()) {
            EBPF_TRY(const auto info, client.program_info(handle_of(wanted)));
            program.id = info.id;
        }
        programs.push_back(std::move(program));
    }
    return programs;
}

bool HookedPrograms::are_pinned() const {
    return std::ranges::none_of(wanted_, [](const Wanted& wanted) { return wanted.pin.empty(); });
}

Result<HookedPrograms::File*> HookedPrograms::file_of(Client& client, const std::string& path) {
    for (File& file : files_) {
        if (file.path == path) return &file;
    }
    EBPF_TRY(auto object, read_object(client, path));
    return &files_.emplace_back(File{path, std::move(object), {}, {}});
}

Result<void> HookedPrograms::choose(Client& client, const std::string& hook, const Selector& selector) {
    if (selector.by != Selector::By::File) return choose_found(client, hook, selector);
    EBPF_TRY(File * file, file_of(client, selector.text));
    const auto is_wanted = [&hook](const object::ProgramSpec& program) {
        return is_of_hook(program.type, program.attach_type, hook);
    };
    if (!selector.program.empty()) {
        EBPF_TRY(const auto* program, client::find_program(file->object, selector.program));
        if (!is_wanted(*program)) {
            return fail(Status::WrongKind, fmt::format("{}: program '{}' of section '{}' is no {} program",
                                                       file->path, program->name, program->section, hook));
        }
        add(*file, *program);
        return {};
    }
    bool has_any = false;
    for (const auto& program : file->object.programs) {
        if (!is_wanted(program)) continue;
        add(*file, program);
        has_any = true;
    }
    if (has_any) return {};
    return fail(Status::NotFound, fmt::format("{}: there are no {} programs (sections {})", file->path, hook,
                                              sections_of(hook)));
}

Result<void> HookedPrograms::choose_found(Client& client, const std::string& hook, const Selector& selector) {
    if (!client.is_lasting()) {
        return fail(
            Status::NotSupported,
            "an in-process context has no programs but those of a FILE.o: name a daemon by --context");
    }
    Wanted wanted;
    EBPF_TRY(wanted.found, select_one(client, ObjectKind::Program, selector));
    EBPF_TRY(const auto info, client.program_info(wanted.found));
    if (!is_of_hook(static_cast<spec::ProgramType>(info.type), info.attach_type, hook)) {
        return fail(Status::WrongKind,
                    fmt::format("program {} '{}' is no {} program", info.id, info.name, hook));
    }
    wanted.attach_type = info.attach_type;
    if (selector.by == Selector::By::Pin) wanted.pin = selector.text;
    wanted_.push_back(std::move(wanted));
    return {};
}

void HookedPrograms::add(File& file, const object::ProgramSpec& program) {
    if (std::ranges::find(file.programs, &program) == file.programs.end()) file.programs.push_back(&program);
    Wanted wanted;
    wanted.file = &file;
    wanted.program = &program;
    wanted.attach_type = program.attach_type;
    wanted_.push_back(std::move(wanted));
}

const Handle& HookedPrograms::handle_of(const Wanted& wanted) {
    if (wanted.file == nullptr) return wanted.found;
    const auto& loaded = wanted.file->loaded.programs;
    return std::ranges::find(loaded, wanted.program, &client::LoadedProgram::spec)->offered.program;
}

}  // namespace ebpf::ctl
