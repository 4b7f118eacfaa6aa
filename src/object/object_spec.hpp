// SPDX-License-Identifier: MIT
// ObjectSpec: what an ELF object says, as plain values. Made by read_object(), consumed by loaders and tools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::object {

/// A map that the object defines: by BTF (.maps), legacy struct (maps), or as a global-data section.
struct MapSpec {
    std::string name;
    spec::MapShape shape;
    std::string section;             ///< where it was defined
    bool is_global_data = false;     ///< .rodata, .data, .bss: an array of one element
    bool is_frozen = false;          ///< .rodata: contents never change after creation
    bool is_pinned_by_name = false;  ///< LIBBPF_PIN_BY_NAME
    std::vector<std::byte> initial;  ///< first contents of global data: value_size bytes, else empty
    std::uint32_t btf_key_type = 0;  ///< BTF type ids, 0 when unknown
    std::uint32_t btf_value_type = 0;
};

/// Where an instruction came from.
struct LineInfo {
    std::uint32_t slot = 0;  ///< first slot the record covers
    std::string file;
    std::string text;          ///< the source line, trimmed; may be empty
    std::uint32_t line = 0;    ///< from 1
    std::uint32_t column = 0;  ///< from 1, 0 when unknown
};

/// A subprogram: its first slot in the program's bytecode. The first one is the program itself, slot 0.
struct SubprogramInfo {
    std::uint32_t slot = 0;
    std::string name;
};

/// One program, linked: subprograms that it calls follow it, local calls are CallLocal, references to maps
/// are LoadImm64 MapIndex (first imm = index into ObjectSpec::maps) or MapIndexValue (second imm = offset in
/// the value); functions whose address is taken follow too, their addresses are LoadImm64 CodeAddress.
struct ProgramSpec {
    std::string name;
    std::string section;
    spec::ProgramType type = spec::ProgramType::Unspecified;
    std::uint32_t attach_type = 0;
    std::optional<std::uint32_t> run_priority;   ///< of XDP_RUN_CONFIG
    std::optional<std::uint32_t> chain_actions;  ///< of XDP_RUN_CONFIG: bit n for verdict n
    std::vector<std::byte> bytecode;             ///< 8-byte slots, little-endian
    std::vector<LineInfo> lines;                 ///< ascending by slot
    std::vector<SubprogramInfo> subprograms;
};

struct ObjectSpec {
    std::string name;
    std::string licence;               ///< text of the "license" section
    std::uint32_t kernel_version = 0;  ///< number in the "version" section, 0 if none
    std::vector<MapSpec> maps;
    std::vector<ProgramSpec> programs;
    std::vector<std::byte> btf;  ///< the .BTF section's bytes, empty if none
};

/// Reads and links an ELF object as clang emits it for -target bpf. `registered` are section names of program
/// types that are in no table.
/// Errors: Malformed, Truncated, UnresolvedSymbol, NotSupported, LimitExceeded; the message names section,
/// symbol and
///   number. Nothing is returned in part.
/// Threads: any. Cost: linear in the size of the object.
Result<ObjectSpec> read_object(std::span<const std::byte> bytes, std::string_view name,
                               std::span<const spec::SectionSpec> registered = {});

/// True if `licence` counts as compatible with the GPL for helpers that demand it.
/// Source: the kernel's include/linux/license.h (license_is_gpl_compatible).
bool is_gpl_compatible(std::string_view licence);

}  // namespace ebpf::object
