// SPDX-License-Identifier: MIT
// Program types, their contexts, and ELF section names.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ebpf::spec {

enum class ProgramType : std::uint32_t {
    Unspecified = 0,
#define EBPF_PROGRAM_TYPE(name, number, text_name, context, return_min, return_max, default_action) \
    name = number,
#include "spec/program_types.def"
#undef EBPF_PROGRAM_TYPE
};

enum class ContextId : std::uint8_t {
    Memory,  ///< no structure: r1 = memory of known length, r2 = its length
#define EBPF_CONTEXT(name, program_struct, bytes, host_struct) name,
#include "spec/contexts.def"
#undef EBPF_CONTEXT
};

enum class FieldPermission : std::uint8_t { Read, ReadWrite };
enum class FieldMeaning : std::uint8_t { Plain, Whole, PacketStart, PacketEnd, PacketMeta };

/// True for fields that hold numbers, false for addresses.
constexpr bool is_number(FieldMeaning meaning) {
    return meaning == FieldMeaning::Plain || meaning == FieldMeaning::Whole;
}

/// Attach types on which verdicts depend; Linux's numbers.
enum class AttachType : std::uint32_t {
#define EBPF_ATTACH_TYPE(name, number, text_name, program_type, hook, return_min, context) name = number,
#include "spec/attach_types.def"
#undef EBPF_ATTACH_TYPE
};

/// A set of attach types: bit = row of attach_types.def.
using AttachTypeMask = std::uint32_t;
inline constexpr AttachTypeMask kAnyAttach = ~AttachTypeMask{0};

struct AttachTypeSpec {
    AttachType type;
    const char* name;
    ProgramType program;
    const char* hook;         ///< what command lines call it
    std::int64_t return_min;  ///< at least that of the program type
    FieldPermission context;  ///< Read: no field may be written
};

struct ContextField {
    ContextId context;
    const char* name;
    std::uint32_t offset;  ///< in the program's structure, bytes
    std::uint32_t size;
    FieldPermission permission;
    FieldMeaning meaning;
    AttachTypeMask attach;      ///< attach types that have the field
    std::uint32_t host_offset;  ///< in the host's structure (include/ebpf/contexts.h), bytes
    std::uint32_t host_size;    ///< of a number, at most `size`

    /// Whether `bytes` bytes at `at` lie inside it.
    [[nodiscard]] constexpr bool covers(std::int64_t at, std::uint32_t bytes) const noexcept {
        return at >= offset && at + std::int64_t{bytes} <= std::int64_t{offset} + size;
    }
};

struct ContextSpec {
    ContextId id;
    const char* name;     ///< structure name in programs
    std::uint32_t bytes;  ///< size of the program's structure
    std::uint32_t host_bytes;
};

struct ProgramTypeSpec {
    ProgramType type;
    const char* name;
    ContextId context;
    std::int64_t return_min;  ///< of all its attach types
    std::int64_t return_max;  ///< less than return_min: any value may be returned
    std::uint64_t default_action;
};

/// A set of program types: bit = row of program_types.def.
using ProgramTypeMask = std::uint32_t;
inline constexpr ProgramTypeMask kAllPrograms = ~ProgramTypeMask{0};

struct SectionSpec {
    const char* pattern;
    ProgramType type;
    std::uint32_t attach_type;
};

std::span<const ProgramTypeSpec> program_types() noexcept;
const ProgramTypeSpec* find_program_type(std::uint32_t number) noexcept;
const ProgramTypeSpec* find_program_type(std::string_view name) noexcept;
std::span<const AttachTypeSpec> attach_types() noexcept;
const AttachTypeSpec* find_attach_type(std::string_view name) noexcept;
/// Returns what a program of `type` for attach type `number` is verified for: one attach type, kAnyAttach if
/// verdicts do not depend on it, or nothing (0) if the program type has no such attach type.
AttachTypeMask attach_mask(ProgramType type, std::uint32_t number) noexcept;
/// Returns the row of a mask of one attach type; nullptr: `mask` is another one, such as kAnyAttach.
const AttachTypeSpec* find_attach_type(AttachTypeMask mask) noexcept;
const ContextSpec& context_spec(ContextId id) noexcept;
std::span<const ContextField> context_fields() noexcept;
/// Returns the field of `context` that covers [offset, offset+size) wholly, or nullptr.
const ContextField* find_context_field(ContextId context, std::int64_t offset, std::uint32_t size) noexcept;
std::span<const SectionSpec> sections() noexcept;
/// Returns the row that an ELF section name selects, or nullptr.
const SectionSpec* find_section(std::string_view name) noexcept;

/// Bit of `type` in a ProgramTypeMask.
constexpr ProgramTypeMask program_bit(ProgramType type) {
    unsigned row = 0;
#define EBPF_PROGRAM_TYPE(name, number, text_name, context, return_min, return_max, default_action) \
    if (type == ProgramType::name) return ProgramTypeMask{1} << row;                                \
    ++row;
#include "spec/program_types.def"
#undef EBPF_PROGRAM_TYPE
    return 0;
}
constexpr ProgramTypeMask programs(auto... types) {
    return (program_bit(types) | ...);
}

/// Bit of `type` in an AttachTypeMask.
constexpr AttachTypeMask attach_bit(AttachType type) {
    unsigned row = 0;
#define EBPF_ATTACH_TYPE(name, number, text_name, program_type, hook, return_min, context) \
    if (type == AttachType::name) return AttachTypeMask{1} << row;                         \
    ++row;
#include "spec/attach_types.def"
#undef EBPF_ATTACH_TYPE
    return 0;
}

constexpr AttachTypeMask attach_bits(auto... types) {
    return (attach_bit(types) | ...);
}

}  // namespace ebpf::spec
