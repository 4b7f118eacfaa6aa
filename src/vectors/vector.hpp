// SPDX-License-Identifier: MIT
// Test vectors as data (.bpft, and the .data files of bpf_conformance): what one says, and how a file is
// read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "spec/instructions.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::vectors {

/// "-- error NAME [@slot] [field]": the way to an image ends here. Field: as DecodeError names it.
struct ExpectedError {
    std::string status;  ///< name in errors.def
    std::optional<std::uint32_t> slot;
    std::string field;  ///< empty: any
};

/// "-- verify accept" or "-- verify reject [RULE] [@slot]".
struct ExpectedVerdict {
    bool is_accepted = false;
    std::string rule;  ///< empty: any
    std::optional<std::uint32_t> slot;
};

struct MapElement {
    std::vector<std::byte> key;
    std::vector<std::byte> value;
    friend bool operator==(const MapElement&, const MapElement&) = default;
};
/// What a map holds, ascending by key.
using MapContents = std::vector<MapElement>;

/// "-- map-data MAP" and "-- output-map MAP": contents before and after a run.
struct MapData {
    std::uint32_t map = 0;
    MapContents elements;
};

/// "-- target MAP INDEX": a program of the same type, in an element of a prog array.
struct TailProgram {
    std::uint32_t map = 0;
    std::uint32_t index = 0;
    std::string assembly;
};

/// One vector. It states at least one of result, error and verdict.
struct Vector {
    std::string file;
    std::string name;      ///< of "-- case NAME"; empty for the first one of a file without that
    std::size_t line = 1;  ///< where it starts
    std::optional<std::string> assembly;
    std::optional<std::vector<std::byte>> raw;  ///< with assembly: what that must assemble to
    std::vector<std::byte> memory;              ///< at r1; the packet of a program type that has one
    bool is_gpl = true;
    std::optional<std::uint64_t> result;
    std::optional<std::vector<std::byte>> output_memory;
    std::optional<ExpectedError> error;
    std::optional<ExpectedVerdict> verdict;
    spec::ProgramType type = spec::ProgramType::Memory;
    std::uint32_t attach_type = 0;
    std::vector<spec::MapShape> maps;  ///< MapIndex refers to them in this order
    std::vector<MapData> map_data;
    std::vector<MapData> output_maps;
    std::vector<TailProgram> targets;
    spec::GroupSet groups = spec::kAllGroups;
    std::vector<std::string> excluded_engines;
};

/// Returns whether `vector` is not for `engine`: an engine is excluded with its variants ("jit": "jit-plain"
/// too).
bool excludes(const Vector& vector, std::string_view engine);

/// Reads all vectors of a file. `file` is its name, for messages.
/// A section is a line "-- NAME [ARGUMENTS]" with the lines up to the next one. Sections: asm, raw, mem,
/// result, error, no register offset (nothing to us), c (a comment); and ours: case NAME, type NAME, attach
/// NAME, maps, groups NAME..., verify, output-mem, map-data MAP, output-map MAP, target MAP INDEX, engines
/// -NAME..., licence NAME. A section's content may follow on the "--" line. "-- maps": a line per map, "TYPE
/// KEY_SIZE VALUE_SIZE MAX_ENTRIES [FLAGS]". "-- map-data", "-- output-map": a line per element, "KEY VALUE"
/// in hexadecimal without spaces. "-- target": assembly. "-- groups": those named and base32. Errors:
/// Malformed
/// - with the line; NotSupported - an unknown section, type, group or map type.
Result<std::vector<Vector>> parse_vectors(std::string_view text, std::string_view file);

}  // namespace ebpf::vectors
