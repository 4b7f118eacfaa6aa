// SPDX-License-Identifier: MIT
// Bytes to instructions, with every field validated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "base/status.hpp"
#include "isa/instruction.hpp"

namespace ebpf::isa {

/// Why and where a decode failed. For text see isa/text/decode_text.hpp.
struct DecodeError {
    Status status = Status::Ok;
    std::uint32_t slot = 0;  ///< slot that holds the field
    const char* field = "";  ///< "opcode", "dst", "src", "offset", "imm"; "" if the fault is not in a field
    std::int64_t value = 0;  ///< what the field holds; without a field: the size in question
    spec::Group group{};     ///< GroupNotSupported: the group that is needed
};

/// Decodes `bytes` (little-endian slots) and validates every field and jump target.
/// Errors: Truncated - size is 0 or not a multiple of 8; UnknownInstruction; GroupNotSupported - the form
///   exists but not in `groups`; ReservedFieldSet; FieldOutOfRange; TruncatedImmediate; JumpOutOfRange;
///   JumpIntoImmediate; OutOfMemory.
/// Cost: two passes, one allocation. Threads: any.
/// Source: RFC 9669 sections 3 to 5.
std::expected<Code, DecodeError> decode(std::span<const std::byte> bytes, spec::GroupSet groups) noexcept;

}  // namespace ebpf::isa
