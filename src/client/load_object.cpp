// SPDX-License-Identifier: MIT
#include "client/load_object.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "client/structure.hpp"
#include "isa/slot.hpp"

namespace ebpf::client {
namespace {

constexpr std::uint8_t kLoadImm64 = 0x18;
constexpr std::uint8_t kSourceMapIndex = 5;       // BPF_PSEUDO_MAP_IDX
constexpr std::uint8_t kSourceMapIndexValue = 6;  // BPF_PSEUDO_MAP_IDX_VALUE

/// A program's bytecode with its map indices counting in `maps`, which lists only those it uses.
struct Trimmed {
    Bytes bytecode;
    std::vector<std::uint32_t> maps;  ///< indices into ObjectSpec::maps
};

Trimmed trim_maps(const object::ProgramSpec& program) {
    Trimmed trimmed{program.bytecode, {}};
    for (std::size_t at = 0; at + sizeof(isa::Slot) <= trimmed.bytecode.size(); at += sizeof(isa::Slot)) {
        isa::Slot slot;
        std::memcpy(&slot, trimmed.bytecode.data() + at, sizeof(slot));
        if (slot.opcode != kLoadImm64) continue;
        if (slot.src() == kSourceMapIndex || slot.src() == kSourceMapIndexValue) {
            const auto index = static_cast<std::uint32_t>(slot.imm);
            auto found = std::find(trimmed.maps.begin(), trimmed.maps.end(), index);
            if (found == trimmed.maps.end()) found = trimmed.maps.insert(found, index);
            slot.imm = static_cast<std::int32_t>(found - trimmed.maps.begin());
            std::memcpy(trimmed.bytecode.data() + at, &slot, sizeof(slot));
        }
        at += sizeof(isa::Slot);  // the second half is no instruction
    }
    return trimmed;
}

std::vector<verifier::SourceLine> lines_of(const object::ProgramSpec& program) {
    std::vector<verifier::SourceLine> lines;
    lines.reserve(program.lines.size());
    for (const auto& line : program.lines) {
        lines.push_back({.slot = line.slot,
                         .line = line.line,
                         .column = line.column,
                         .file = line.file,
                         .text = line.text});
    }
    return lines;
}

std::vector<verifier::Subprogram> subprograms_of(const object::ProgramSpec& program) {
    std::vector<verifier::Subprogram> subprograms;
    subprograms.reserve(program.subprograms.size());
    for (const auto& sub : program.subprograms) subprograms.push_back({.slot = sub.slot, .name = sub.name});
    return subprograms;
}

verifier::MapInfo describe(const object::MapSpec& map) {
    verifier::MapInfo info;
    info.name = map.name;
    info.shape = map.shape;
    info.is_frozen = map.is_frozen && (map.shape.flags & spec::kMapReadOnlyProgram) != 0;
    if (info.is_frozen && map.shape.max_entries == 1) info.contents = map.initial;
    return info;
}

Result<void> fill(Client& client, const object::MapSpec& map, const Handle& handle) {
    if (!map.initial.empty()) {
        const std::uint32_t first = 0;
        EBPF_TRY_VOID(
            client.update(handle, std::as_bytes(std::span(&first, 1)), map.initial, spec::kUpdateAny));
    }
    if (map.is_frozen) EBPF_TRY_VOID(client.freeze(handle));
    return {};
}

Result<Handle> open_shared(Client& client, const object::MapSpec& map, const std::string& path) {
    EBPF_TRY(auto handle, client.open_pin(ObjectKind::Map, path));
    EBPF_TRY(const auto info, client.map_info(handle));
    const spec::MapShape shape{static_cast<spec::MapType>(info.type), info.key_size, info.value_size,
                               info.max_entries, info.flags};
    if (shape != map.shape) {
        return fail(Status::AlreadyExists,
                    fmt::format("the map pinned at '{}' has another type, size or flags", path));
    }
    return handle;
}

/// Global data is named after object and section, as libbpf does: "droppacke.rodata".
/// Source: libbpf src/libbpf.c, internal_map_name().
object::MapSpec with_shown_name(const object::ObjectSpec& object, const object::MapSpec& map) {
    constexpr std::size_t kShownBytes = 15;
    object::MapSpec named = map;
    if (!map.is_global_data) return named;
    std::string_view base = object.name;
    base = base.substr(base.find_last_of("/\\") + 1);
    base = base.substr(0, base.rfind(".o"));
    const std::size_t room = kShownBytes - std::min(kShownBytes, map.name.size());
    named.name = std::string(base.substr(0, room)) + map.name;
    return named;
}

Result<Handle> make_map(Client& client, const object::ObjectSpec& object, const object::MapSpec& map,
                        const LoadOptions& options) {
    const bool is_shared = map.is_pinned_by_name && client.is_lasting();
    const std::string path = options.pin_directory + "/" + map.name;
    if (is_shared) {
        auto shared = open_shared(client, map, path);
        if (shared || shared.error().status() != Status::NotFound) return shared;
    }
    EBPF_TRY(auto handle, client.create_map(with_shown_name(object, map), object.btf));
    EBPF_TRY_VOID(fill(client, map, handle));
    if (is_shared) EBPF_TRY_VOID(client.pin(handle, path));
    return handle;
}

Result<Offered> offer(Client& client, const object::ObjectSpec& object, const object::ProgramSpec& program,
                      const std::vector<Handle>& maps, const LoadOptions& options) {
    Trimmed trimmed = trim_maps(program);
    protocol::ProgramLoadRequest request;
    request.type = static_cast<std::uint32_t>(program.type);
    request.attach_type = program.attach_type;
    request.engine = static_cast<std::uint32_t>(options.engine);
    request.memory_length = options.memory_length;
    if (program.run_priority) request.priority.push_back({*program.run_priority});
    if (program.chain_actions) request.actions.push_back({*program.chain_actions});
    request.name = program.name;
    request.licence = object.licence;
    request.bytecode = std::move(trimmed.bytecode);
    request.image = options.image;
    request.lines = lines_of(program);
    request.subprograms = subprograms_of(program);
    std::vector<const Handle*> handles;
    for (const std::uint32_t index : trimmed.maps) {
        if (index >= maps.size())
            return fail(Status::Malformed,
                        fmt::format("program '{}' refers to map {} of {}", program.name, index, maps.size()));
        request.maps.push_back(static_cast<protocol::HandleIndex>(handles.size()));
        handles.push_back(&maps[index]);
    }
    return client.offer(request, handles);
}

}  // namespace

Result<object::ObjectSpec> read_object(Client& client, std::span<const std::byte> bytes,
                                       std::string_view name) {
    EBPF_TRY(const auto types, client.program_types());
    std::vector<std::string> patterns;  // all of them before addresses are taken
    for (const auto& type : types) patterns.push_back(type.section + "+");
    std::vector<spec::SectionSpec> sections;
    for (std::size_t i = 0; i < types.size(); ++i) {
        sections.push_back({.pattern = patterns[i].c_str(),
                            .type = static_cast<spec::ProgramType>(types[i].type),
                            .attach_type = 0});
    }
    EBPF_TRY(auto object, object::read_object(bytes, name, sections));
    for (const auto& type : types) {
        const bool is_used = std::ranges::any_of(object.programs, [&](const object::ProgramSpec& program) {
            return static_cast<std::uint32_t>(program.type) == type.type;
        });
        if (is_used) EBPF_TRY_VOID(check_structure(object.btf, type.info));
    }
    return object;
}

Result<const object::ProgramSpec*> find_program(const object::ObjectSpec& object, std::string_view name) {
    if (name.empty() && object.programs.size() == 1) return &object.programs.front();
    std::string known;
    for (const auto& program : object.programs) {
        if (!name.empty() && program.name == name) return &program;
        known += (known.empty() ? "" : ", ") + program.name;
    }
    for (const auto& program : object.programs) {
        if (!name.empty() && program.section == name) return &program;
    }
    if (object.programs.empty())
        return fail(Status::NotFound, fmt::format("{}: there are no programs", object.name));
    if (name.empty()) {
        return fail(Status::InvalidArgument,
                    fmt::format("{}: name one of its programs after a colon: {}", object.name, known));
    }
    return fail(Status::NotFound, fmt::format("{}: no program '{}' among {}", object.name, name, known));
}

verifier::Request verification_request(const object::ObjectSpec& object, const object::ProgramSpec& program,
                                       std::uint64_t memory_length) {
    Trimmed trimmed = trim_maps(program);
    verifier::Request request;
    request.program_name = program.name;
    request.type = program.type;
    request.attach_type = program.attach_type;
    request.is_gpl = object::is_gpl_compatible(object.licence);
    request.memory_length = memory_length;
    request.bytecode = std::move(trimmed.bytecode);
    for (const std::uint32_t index : trimmed.maps) {
        if (index < object.maps.size()) request.maps.push_back(describe(object.maps[index]));
    }
    request.lines = lines_of(program);
    request.subprograms = subprograms_of(program);
    return request;
}

Result<LoadedObject> load_object(Client& client, const object::ObjectSpec& object,
                                 const std::vector<const object::ProgramSpec*>& programs,
                                 const LoadOptions& options) {
    LoadedObject loaded;
    for (const auto& map : object.maps) {
        auto handle = make_map(client, object, map, options);
        if (!handle) return std::unexpected(std::move(handle).error().in(fmt::format("map '{}'", map.name)));
        loaded.maps.push_back(*std::move(handle));
    }
    for (const auto* program : programs) {
        EBPF_TRY(auto offered, offer(client, object, *program, loaded.maps, options));
        loaded.programs.push_back({program, std::move(offered)});
    }
    return loaded;
}

}  // namespace ebpf::client
