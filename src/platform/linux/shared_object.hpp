// SPDX-License-Identifier: MIT
// Reads what must be known of an ELF shared object in order to map it: of one that needs no other and runs
// nothing when it is loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace ebpf::platform {

/// A part of the file that is mapped. Addresses count from where the object lies.
struct Segment {
    std::uint64_t address = 0;
    std::uint64_t offset = 0;  ///< in the file; as far into a page as `address`
    std::uint64_t file_bytes = 0;
    std::uint64_t memory_bytes = 0;  ///< at least file_bytes; more only where it is written
    bool is_executable = false;      ///< not together with is_written
    bool is_written = false;         ///< by relocations
};

/// A relocation: 8 bytes at `place` become `value`, plus the object's address if `is_relative`. Places lie in
/// segments that are written, relative values in the object.
struct Fixup {
    std::uint64_t place = 0;
    std::uint64_t value = 0;
    bool is_relative = true;
};

struct Export {
    std::string name;
    std::uint64_t address = 0;  ///< in the object
};

struct SharedObject {
    std::vector<Segment> segments;  ///< by address; no page belongs to two
    std::vector<Fixup> fixups;
    std::vector<Export> exports;
    std::uint64_t bytes = 0;      ///< addresses lie below; whole pages
    std::uint64_t alignment = 0;  ///< of the object's address; a power of two, at least a page
};

/// Everything is checked against the file's size and the segments. What an object may need is memcpy,
/// memmove, memset and memcmp, which compilers call where the source does not. Requires: page_bytes is a
/// power of two. Errors: Malformed, Truncated; NotSupported - it needs other functions, has constructors or
/// thread-local
///   variables, or relocations of other kinds; LimitExceeded. The message names the number or the name.
/// Cost: linear in the file.
/// Source: System V ABI, "Object Files" and "Program Loading"; processor supplements for x86-64 and AArch64.
Result<SharedObject> read_shared_object(std::span<const std::byte> file, std::uint64_t page_bytes);

}  // namespace ebpf::platform
