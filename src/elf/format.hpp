// SPDX-License-Identifier: MIT
// The parts of the ELF64 file format that BPF objects use: record layouts and numbers, as the file has them.
// Source: System V ABI, "Object Files"; BPF relocation types: Linux Documentation/bpf/llvm_reloc.rst.
#pragma once

#include <array>
#include <cstdint>

namespace ebpf::elf {

struct FileHeader {
    std::array<std::uint8_t, 16> ident;
    std::uint16_t type;
    std::uint16_t machine;
    std::uint32_t version;
    std::uint64_t entry;
    std::uint64_t program_offset;
    std::uint64_t section_offset;
    std::uint32_t flags;
    std::uint16_t header_bytes;
    std::uint16_t program_entry_bytes;
    std::uint16_t program_count;
    std::uint16_t section_entry_bytes;
    std::uint16_t section_count;
    std::uint16_t name_section;
};
static_assert(sizeof(FileHeader) == 64);

struct SectionHeader {
    std::uint32_t name;
    std::uint32_t type;
    std::uint64_t flags;
    std::uint64_t address;
    std::uint64_t offset;
    std::uint64_t bytes;
    std::uint32_t link;
    std::uint32_t info;
    std::uint64_t alignment;
    std::uint64_t entry_bytes;
};
static_assert(sizeof(SectionHeader) == 64);

struct SymbolRecord {
    std::uint32_t name;
    std::uint8_t info;
    std::uint8_t other;
    std::uint16_t section;
    std::uint64_t value;
    std::uint64_t bytes;
};
static_assert(sizeof(SymbolRecord) == 24);

struct RelocationRecord {
    std::uint64_t offset;
    std::uint64_t info;
};
static_assert(sizeof(RelocationRecord) == 16);

inline constexpr std::uint8_t kClass64 = 2;
inline constexpr std::uint8_t kLittleEndian = 1;
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::uint16_t kTypeRelocatable = 1;
inline constexpr std::uint16_t kMachineBpf = 247;

inline constexpr std::uint32_t kSectionNull = 0;
inline constexpr std::uint32_t kSectionProgBits = 1;
inline constexpr std::uint32_t kSectionSymbols = 2;
inline constexpr std::uint32_t kSectionStrings = 3;
inline constexpr std::uint32_t kSectionRela = 4;
inline constexpr std::uint32_t kSectionNoBits = 8;
inline constexpr std::uint32_t kSectionRel = 9;

inline constexpr std::uint64_t kFlagWrite = 0x1;
inline constexpr std::uint64_t kFlagAllocate = 0x2;
inline constexpr std::uint64_t kFlagExecute = 0x4;
inline constexpr std::uint64_t kFlagCompressed = 0x800;

inline constexpr std::uint16_t kIndexUndefined = 0;
inline constexpr std::uint16_t kIndexReserved = 0xff00;  ///< first of the reserved section indices
inline constexpr std::uint16_t kIndexAbsolute = 0xfff1;
inline constexpr std::uint16_t kIndexCommon = 0xfff2;
inline constexpr std::uint16_t kIndexExtended = 0xffff;  ///< SHN_XINDEX: the index is in another table

enum class SymbolKind : std::uint8_t { None = 0, Object = 1, Function = 2, Section = 3, File = 4 };
enum class SymbolBinding : std::uint8_t { Local = 0, Global = 1, Weak = 2 };

/// Relocation types of EM_BPF that we apply.
inline constexpr std::uint32_t kRelocation64 = 1;     ///< R_BPF_64_64: the two-slot immediate at offset
inline constexpr std::uint32_t kRelocationCall = 10;  ///< R_BPF_64_32: the call at offset

}  // namespace ebpf::elf
