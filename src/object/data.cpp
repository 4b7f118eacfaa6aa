// SPDX-License-Identifier: MIT
// Global data: each section of variables becomes an array map of one element that holds the whole section.
#include <fmt/format.h>

#include "base/try.hpp"
#include "object/source.hpp"

namespace ebpf::object {
namespace {

bool is_family(std::string_view name, std::string_view family) {
    return name == family || (name.starts_with(family) && name[family.size()] == '.');
}

bool is_data(const elf::Section& section) {
    const bool has_contents = section.type == elf::kSectionProgBits || section.type == elf::kSectionNoBits;
    if (!has_contents || section.size == 0 || (section.flags & elf::kFlagAllocate) == 0) return false;
    return is_family(section.name, ".rodata") || is_family(section.name, ".data") ||
           is_family(section.name, ".bss");
}

}  // namespace

Result<void> read_global_data(Source& source) {
    for (const auto& section : source.file.sections()) {
        if (!is_data(section)) continue;
        if (section.size > spec::kMaxValueBytes) {
            return fail(Status::LimitExceeded,
                        fmt::format("{}: {} bytes of global data are more than {}", elf::describe(section),
                                    section.size, spec::kMaxValueBytes));
        }
        EBPF_TRY(const auto relocations, source.file.relocations_of(section));
        if (!relocations.empty()) {
            const auto& symbol = source.file.symbols()[relocations.front().symbol];
            return fail(
                Status::NotSupported,
                fmt::format(
                    "{}: offset {} holds the address of '{}': addresses in global data are not supported",
                    elf::describe(section), relocations.front().offset, symbol.name));
        }
        MapSpec map;
        map.name = section.name;
        map.section = section.name;
        map.shape.type = spec::MapType::Array;
        map.shape.key_size = sizeof(std::uint32_t);
        map.shape.value_size = static_cast<std::uint32_t>(section.size);
        map.shape.max_entries = 1;
        map.is_global_data = true;
        map.is_frozen = is_family(section.name, ".rodata");
        if (map.is_frozen) map.shape.flags = spec::kMapReadOnlyProgram;
        map.initial.assign(section.bytes.begin(), section.bytes.end());
        map.initial.resize(map.shape.value_size);
        if (source.types) map.btf_value_type = source.types->find_data_section(section.name).id;
        EBPF_TRY_VOID(add_map(source, std::move(map),
                              {.section = section.index, .offset = 0, .size = section.size, .map = 0}));
    }
    return {};
}

}  // namespace ebpf::object
