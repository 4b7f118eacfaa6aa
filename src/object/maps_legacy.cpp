// SPDX-License-Identifier: MIT
// Section maps: definitions as C structs, from before BTF. Only struct bpf_map_def's five fields are
// understood; longer variants share them and are accepted when everything behind is zero.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/byte_reader.hpp"
#include "base/try.hpp"
#include "object/source.hpp"

namespace ebpf::object {
namespace {

struct MapDefinition {
    std::uint32_t type;
    std::uint32_t key_size;
    std::uint32_t value_size;
    std::uint32_t max_entries;
    std::uint32_t flags;
};
static_assert(sizeof(MapDefinition) == 20);

std::string_view variant_name(std::uint64_t bytes) {
    switch (bytes) {
        case 16:
            return "struct bpf_map_def without flags";
        case 28:
            return "the kernel samples' struct bpf_map_def with inner_map_idx and numa_node";
        case 32:
            return "eBPF for Windows' map definition with inner map, pinning and id";
        case 36:
            return "iproute2's struct bpf_elf_map with id, pinning and inner map";
        default:
            return "unknown map definition";
    }
}

std::vector<const elf::Symbol*> symbols_of(const elf::File& file, const elf::Section& section) {
    std::vector<const elf::Symbol*> symbols;
    for (const auto& symbol : file.symbols()) {
        const bool names_data =
            symbol.kind == elf::SymbolKind::Object || symbol.kind == elf::SymbolKind::None;
        if (symbol.section == section.index && names_data && !symbol.name.empty()) symbols.push_back(&symbol);
    }
    std::ranges::sort(symbols, {}, [](const elf::Symbol* symbol) { return symbol->value; });
    return symbols;
}

Result<MapSpec> read_map(const elf::Section& section, const elf::Symbol& symbol, std::uint64_t size) {
    const auto where = [&] { return fmt::format("{}: map '{}'", elf::describe(section), symbol.name); };
    const ByteReader reader(section.bytes);
    const auto definition = reader.read<MapDefinition>(symbol.value);
    const auto rest = reader.slice(symbol.value + sizeof(MapDefinition),
                                   size - std::min<std::uint64_t>(size, sizeof(MapDefinition)));
    if (size < sizeof(MapDefinition) || !definition || !rest) {
        return fail(Status::NotSupported,
                    fmt::format("{}: definition of {} bytes ({}) is not struct bpf_map_def of {}", where(),
                                size, variant_name(size), sizeof(MapDefinition)));
    }
    const auto set = std::ranges::find_if(*rest, [](std::byte value) { return value != std::byte{0}; });
    if (set != rest->end()) {
        return fail(
            Status::NotSupported,
            fmt::format("{}: definition of {} bytes ({}) sets byte {}; only the first {} bytes are supported",
                        where(), size, variant_name(size),
                        sizeof(MapDefinition) + static_cast<std::size_t>(set - rest->begin()),
                        sizeof(MapDefinition)));
    }
    if (spec::find_map_type(definition->type) == nullptr) {
        return fail(Status::NotSupported,
                    fmt::format("{}: map type {} is not supported", where(), definition->type));
    }
    MapSpec map;
    map.name = symbol.name;
    map.section = section.name;
    map.shape = {.type = static_cast<spec::MapType>(definition->type),
                 .key_size = definition->key_size,
                 .value_size = definition->value_size,
                 .max_entries = definition->max_entries,
                 .flags = definition->flags};
    return map;
}

}  // namespace

Result<void> read_legacy_maps(Source& source) {
    for (const auto& section : source.file.sections()) {
        if (section.type == elf::kSectionProgBits && section.name.starts_with("maps/")) {
            return fail(Status::NotSupported,
                        fmt::format("{}: maps in sections of their own are not supported; use .maps",
                                    elf::describe(section)));
        }
    }
    EBPF_TRY(const elf::Section* section, source.file.find_section("maps"));
    if (section == nullptr || section->type != elf::kSectionProgBits || section->size == 0) return {};
    const auto symbols = symbols_of(source.file, *section);
    if (symbols.empty() || symbols.front()->value != 0) {
        return fail(Status::Malformed,
                    fmt::format("{}: no symbol names the definition at offset 0", elf::describe(*section)));
    }
    EBPF_TRY(const auto relocations, source.file.relocations_of(*section));
    if (!relocations.empty()) {
        return fail(Status::NotSupported,
                    fmt::format("{}: relocation at offset {}: addresses in map definitions are not "
                                "supported",
                                elf::describe(*section), relocations.front().offset));
    }
    for (std::size_t i = 0; i < symbols.size(); ++i) {
        const std::uint64_t end = i + 1 < symbols.size() ? symbols[i + 1]->value : section->size;
        EBPF_TRY(MapSpec map, read_map(*section, *symbols[i], end - symbols[i]->value));
        EBPF_TRY_VOID(add_map(source, std::move(map),
                              {.section = section->index,
                               .offset = symbols[i]->value,
                               .size = end - symbols[i]->value,
                               .map = 0}));
    }
    return {};
}

}  // namespace ebpf::object
