// SPDX-License-Identifier: MIT
// What the steps of read_object() hand to each other. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "btf/ext.hpp"
#include "btf/types.hpp"
#include "elf/file.hpp"
#include "object/object_spec.hpp"

namespace ebpf::object {

inline constexpr std::size_t kMaxPrograms = 4096;
inline constexpr std::size_t kMaxMaps = 1024;
inline constexpr std::size_t kMaxProgramSlots = 1'000'000;  ///< of one linked program, as Linux
inline constexpr std::size_t kMaxObjectSlots = std::size_t{1}
                                               << 22U;  ///< of all programs, copies of subprograms counted
inline constexpr std::size_t kMaxLineTextBytes = std::size_t{64} << 20U;  ///< of all line records

/// Where in the file a map is defined, so that relocations find it.
struct MapPlace {
    std::uint32_t section = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint32_t map = 0;  ///< index into ObjectSpec::maps
};

/// A call inside a function, or an instruction that takes a function's address. Both hold the distance to it
/// in their first immediate, counted from the next slot.
struct Call {
    std::uint32_t slot = 0;    ///< relative to the function's first one
    std::uint32_t callee = 0;  ///< index into Source::functions
};

/// A function of an executable section, with its references to maps resolved.
struct Function {
    std::string_view name;
    std::uint32_t section = 0;
    std::uint64_t offset = 0;  ///< bytes in the section
    std::uint64_t size = 0;    ///< bytes
    bool is_global = false;
    bool is_linked = false;  ///< part of some program
    std::vector<std::byte> bytecode;
    std::vector<Call> calls;
    std::vector<btf::LineRecord> lines;  ///< ascending; offsets from the function's start
};

struct Source {
    elf::File file;
    std::span<const spec::SectionSpec> sections;  ///< beside those of the tables
    std::optional<btf::Types> types;              ///< absent without .BTF
    std::optional<btf::Ext> ext;                  ///< absent without .BTF.ext
    std::vector<MapSpec> maps;
    std::vector<MapPlace> places;
    std::vector<Function> functions;  ///< ascending by section and offset
};

/// True if code in `section` may become a program or a subprogram.
bool is_code(const elf::Section& section);

/// Returns the functions of `section`. Requires: source.functions is ordered.
std::span<Function> functions_of(Source& source, const elf::Section& section);

/// Appends `map`, defined at `place`, whose `map` index is filled in.
/// Errors: Malformed - a map of that name exists; LimitExceeded.
Result<void> add_map(Source& source, MapSpec map, MapPlace place);

/// Reads a number as BTF definitions write it: n is a pointer to an array of n elements. Errors: Malformed;
/// those of btf::Types::resolve().
Result<std::uint32_t> read_number(const btf::Types& types, const btf::Member& member);

/// Appends the maps of section .maps, which BTF describes. Errors: as read_object().
Result<void> read_btf_maps(Source& source);
/// Appends the maps of section maps, an array of struct bpf_map_def. Errors: as read_object().
Result<void> read_legacy_maps(Source& source);
/// Appends a map for every non-empty section of global data. Errors: as read_object().
Result<void> read_global_data(Source& source);
/// Finds the functions of all executable sections and resolves what they refer to. Errors: as read_object().
/// Requires: the maps have been read.
Result<void> read_functions(Source& source);
/// Distributes line records over the functions. Errors: Malformed - a record outside its section.
Result<void> assign_lines(Source& source);
/// Returns the linked programs. Errors: NotSupported - section names no program type; LimitExceeded.
Result<std::vector<ProgramSpec>> link_programs(Source& source);
/// Reads what section .xdp_run_config says of each XDP program.
/// Errors: Malformed; NotSupported - a member that is neither the priority nor an action.
Result<void> read_run_configs(const Source& source, std::vector<ProgramSpec>& programs);

}  // namespace ebpf::object
