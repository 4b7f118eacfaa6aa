// SPDX-License-Identifier: MIT
#include "vector_text.hpp"

#include <fmt/format.h>

#include "isa/text/disassemble.hpp"

namespace ebpf::oracle {
namespace {

std::string hex(const Bytes& bytes, const char* separator) {
    std::string text;
    for (const std::byte byte : bytes)
        text += fmt::format("{}{:02x}", text.empty() ? "" : separator, static_cast<unsigned>(byte));
    return text;
}

std::string contents(const char* section, std::size_t map, const MapContents& elements) {
    std::string text = fmt::format("-- {} {}\n", section, map);
    for (const auto& element : elements)
        text += fmt::format("{} {}\n", hex(element.key, ""), hex(element.value, ""));
    return text;
}

std::string maps(const Generated& program) {
    if (program.maps.empty()) return {};
    std::string text = "-- maps\n";
    for (const MapSetup& map : program.maps) {
        const auto* type = spec::find_map_type(static_cast<std::uint32_t>(map.shape.type));
        text += fmt::format("{} {} {} {} {}\n", type->name, map.shape.key_size, map.shape.value_size,
                            map.shape.max_entries, map.shape.flags);
    }
    for (std::size_t i = 0; i < program.maps.size(); ++i) {
        if (!program.maps[i].contents.empty()) text += contents("map-data", i, program.maps[i].contents);
    }
    return text;
}

}  // namespace

std::string vector_text(const Generated& program, const Effects& effects, const std::string& name,
                        const std::string& reason) {
    std::string text = fmt::format("# {}\n-- case {}\n", reason, name);
    const auto* type = spec::find_program_type(static_cast<std::uint32_t>(program.type));
    text += fmt::format("-- type {}\n-- verify accept\n", type->name);
    text += maps(program);
    if (!program.memory.empty()) text += fmt::format("-- mem\n{}\n", hex(program.memory, " "));
    for (const Target& target : program.targets) {
        text +=
            fmt::format("-- target {} {}\n{}", target.map, target.index, isa::disassemble(target.body.code));
    }
    text += "-- asm\n" + isa::disassemble(program.code);
    text += fmt::format("-- result {:#x}\n", effects.result);
    if (!effects.memory.empty()) text += fmt::format("-- output-mem\n{}\n", hex(effects.memory, " "));
    for (std::size_t i = 0; i < effects.maps.size(); ++i) {
        if (program.maps[i].shape.type != spec::MapType::ProgArray)
            text += contents("output-map", i, effects.maps[i]);
    }
    return text;
}

}  // namespace ebpf::oracle
