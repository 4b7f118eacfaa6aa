// SPDX-License-Identifier: MIT
// Section .maps: each variable's type says what the map is. A number n is written as a pointer to an array of
// n elements, a key or value type as a pointer to it. Source: Linux tools/lib/bpf/bpf_helpers.h (the __uint,
// __type and __array macros).
#include <fmt/format.h>

#include <unordered_map>

#include "base/try.hpp"
#include "object/source.hpp"

namespace ebpf::object {
namespace {

constexpr std::uint32_t kPinNone = 0;
constexpr std::uint32_t kPinByName = 1;

/// A map while its members are read; what no member has said is absent.
struct Draft {
    MapSpec map;
    std::optional<std::uint32_t> type;
    std::optional<std::uint32_t> key_size;
    std::optional<std::uint32_t> value_size;
};

Result<void> set_size(std::optional<std::uint32_t>& size, std::uint32_t value) {
    if (size && *size != value) {
        return fail(Status::Malformed,
                    fmt::format("says {} bytes where another member says {}", value, *size));
    }
    size = value;
    return {};
}

Result<void> set_type(const btf::Types& types, const btf::Member& member, std::optional<std::uint32_t>& size,
                      std::uint32_t& type) {
    EBPF_TRY(const btf::Type pointer, types.resolve(member.type));
    if (pointer.kind != btf::Kind::Pointer) return fail(Status::Malformed, "is not a pointer to a type");
    EBPF_TRY(const std::uint32_t bytes, types.size_of(pointer.target));
    type = pointer.target;
    return set_size(size, bytes);
}

Result<void> expect_zero(std::uint32_t value) {
    if (value != 0) return fail(Status::NotSupported, fmt::format("{} is not supported, only 0", value));
    return {};
}

Result<void> apply_number(std::string_view name, std::uint32_t value, Draft& draft) {
    if (name == "type") {
        draft.type = value;
        return {};
    }
    if (name == "max_entries") {
        draft.map.shape.max_entries = value;
        return {};
    }
    if (name == "map_flags") {
        draft.map.shape.flags = value;
        return {};
    }
    if (name == "key_size") return set_size(draft.key_size, value);
    if (name == "value_size") return set_size(draft.value_size, value);
    if (name == "pinning") {
        if (value != kPinNone && value != kPinByName) {
            return fail(Status::NotSupported,
                        fmt::format("{} is neither {} (none) nor {} (by name)", value, kPinNone, kPinByName));
        }
        draft.map.is_pinned_by_name = value == kPinByName;
        return {};
    }
    if (name == "numa_node" || name == "map_extra") return expect_zero(value);
    return fail(Status::NotSupported, "is not supported");
}

Result<void> apply_member(const btf::Types& types, const btf::Member& member, Draft& draft) {
    if (member.name == "key") return set_type(types, member, draft.key_size, draft.map.btf_key_type);
    if (member.name == "value") return set_type(types, member, draft.value_size, draft.map.btf_value_type);
    if (member.name == "values") {
        return fail(Status::NotSupported,
                    "initial programs or inner maps are not supported; set them after loading");
    }
    EBPF_TRY(const std::uint32_t value, read_number(types, member));
    return apply_number(member.name, value, draft);
}

Result<MapSpec> read_map(const btf::Types& types, std::string_view name, std::uint32_t type_id) {
    EBPF_TRY(const btf::Type type, types.resolve(type_id));
    if (type.kind != btf::Kind::Struct) {
        return fail(Status::Malformed, fmt::format("its type {} is of kind {}, not a struct", type.id,
                                                   static_cast<unsigned>(type.kind)));
    }
    Draft draft;
    draft.map.name = name;
    draft.map.section = ".maps";
    for (std::uint32_t i = 0; i < type.count; ++i) {
        const btf::Member member = types.member_of(type, i);
        if (auto applied = apply_member(types, member, draft); !applied) {
            return std::unexpected(std::move(applied).error().in(fmt::format("member '{}'", member.name)));
        }
    }
    if (!draft.type) return fail(Status::Malformed, "it has no member 'type'");
    if (spec::find_map_type(*draft.type) == nullptr) {
        return fail(Status::NotSupported, fmt::format("map type {} is not supported", *draft.type));
    }
    draft.map.shape.type = static_cast<spec::MapType>(*draft.type);
    draft.map.shape.key_size = draft.key_size.value_or(0);
    draft.map.shape.value_size = draft.value_size.value_or(0);
    return std::move(draft.map);
}

// Compilers leave the offset of a variable in its section to the linker; the symbol table has it.
using Symbols = std::unordered_map<std::string_view, const elf::Symbol*>;

Symbols symbols_of(const elf::File& file, const elf::Section& section) {
    Symbols symbols;
    for (const auto& symbol : file.symbols()) {
        if (symbol.section == section.index && symbol.kind == elf::SymbolKind::Object)
            symbols.emplace(symbol.name, &symbol);
    }
    return symbols;
}

Result<void> add_variable(Source& source, const elf::Section& section, const Symbols& symbols,
                          std::uint32_t variable_id) {
    const btf::Types& types = *source.types;
    EBPF_TRY(const btf::Type variable, types.at(variable_id));
    if (variable.kind != btf::Kind::Variable) {
        return fail(Status::Malformed,
                    fmt::format("{}: BTF lists type {} of kind {} as a variable", elf::describe(section),
                                variable.id, static_cast<unsigned>(variable.kind)));
    }
    const std::string_view name = types.name_of(variable);
    const std::string where = fmt::format("{}: map '{}'", elf::describe(section), name);
    const auto symbol = symbols.find(name);
    if (symbol == symbols.end())
        return fail(Status::Malformed, fmt::format("{}: no symbol has this name", where));
    auto map = read_map(types, name, variable.target);
    if (!map) return std::unexpected(std::move(map).error().in(where));
    return add_map(
        source, std::move(*map),
        {.section = section.index, .offset = symbol->second->value, .size = symbol->second->size, .map = 0});
}

}  // namespace

Result<std::uint32_t> read_number(const btf::Types& types, const btf::Member& member) {
    EBPF_TRY(const btf::Type pointer, types.resolve(member.type));
    if (pointer.kind == btf::Kind::Pointer) {
        EBPF_TRY(const btf::Type array, types.resolve(pointer.target));
        if (array.kind == btf::Kind::Array) return btf::Types::array_of(array).count;
    }
    return fail(Status::Malformed, "is not a number: a pointer to an array of that many elements");
}

Result<void> read_btf_maps(Source& source) {
    EBPF_TRY(const elf::Section* section, source.file.find_section(".maps"));
    if (section == nullptr || section->size == 0) return {};
    if (!source.types) {
        return fail(Status::Malformed,
                    fmt::format("{}: there is no section .BTF to describe the maps (compile with -g)",
                                elf::describe(*section)));
    }
    const btf::Type data_section = source.types->find_data_section(section->name);
    if (data_section.kind != btf::Kind::DataSection) {
        return fail(Status::Malformed, fmt::format("{}: BTF does not describe it", elf::describe(*section)));
    }
    if (data_section.count > kMaxMaps) {
        return fail(Status::LimitExceeded,
                    fmt::format("{}: {} maps are more than {}", elf::describe(*section), data_section.count,
                                kMaxMaps));
    }
    const Symbols symbols = symbols_of(source.file, *section);
    for (std::uint32_t i = 0; i < data_section.count; ++i) {
        EBPF_TRY_VOID(add_variable(source, *section, symbols, btf::Types::variable_of(data_section, i).type));
    }
    EBPF_TRY(const auto relocations, source.file.relocations_of(*section));
    if (!relocations.empty()) {
        const auto& symbol = source.file.symbols()[relocations.front().symbol];
        return fail(
            Status::NotSupported,
            fmt::format("{}: offset {} refers to '{}': initial programs or inner maps are not supported",
                        elf::describe(*section), relocations.front().offset, symbol.name));
    }
    return {};
}

}  // namespace ebpf::object
