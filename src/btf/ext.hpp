// SPDX-License-Identifier: MIT
// Reader of .BTF.ext: which function and source line each instruction belongs to, and whether CO-RE
// relocations exist.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "btf/types.hpp"

namespace ebpf::btf {

struct FunctionRecord {
    std::string_view section;
    std::uint32_t offset = 0;  ///< bytes in the section
    std::uint32_t type = 0;    ///< id of a Function type
};

struct LineRecord {
    std::uint32_t offset = 0;  ///< bytes in the section
    std::string_view file;
    std::string_view text;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

struct SectionLines {
    std::string_view section;
    std::vector<LineRecord> lines;  ///< in the order of the file
};

/// CO-RE relocations that one section's code needs before it may run.
struct SectionRelocations {
    std::string_view section;
    std::uint32_t count = 0;
};

/// Contents of .BTF.ext. Lifetime: views the bytes of .BTF and .BTF.ext.
struct Ext {
    std::vector<FunctionRecord> functions;
    std::vector<SectionLines> lines;
    std::vector<SectionRelocations> relocations;
};

/// Reads .BTF.ext; strings and type ids are those of `types`.
/// Errors: Truncated, Malformed, NotSupported (magic, version), LimitExceeded; the message names table,
/// offset and number. Threads: any. Cost: linear. Source: Linux Documentation/bpf/btf.rst section 4.
Result<Ext> parse_ext(std::span<const std::byte> bytes, const Types& types);

}  // namespace ebpf::btf
