// SPDX-License-Identifier: MIT
// Source: System V ABI, "Object Files" and "Program Loading"; Microsoft PE Format.
#include "native/library_format.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>

#include "base/byte_reader.hpp"
#include "elf/format.hpp"
#include "platform/library.hpp"

namespace ebpf::native {
namespace {

constexpr std::array<std::uint8_t, 4> kElfMagic{0x7f, 'E', 'L', 'F'};
constexpr std::uint16_t kElfDynamic = 3;        // ET_DYN
constexpr std::uint32_t kElfLoad = 1;           // PT_LOAD
constexpr std::uint32_t kElfDynamicPart = 2;    // PT_DYNAMIC
constexpr std::uint16_t kPeMagic = 0x5a4d;      // "MZ"
constexpr std::uint32_t kPeSignature = 0x4550;  // "PE", 0, 0
constexpr std::uint64_t kPeSignaturePlace = 0x3c;
constexpr std::uint16_t kPeLibrary = 0x2000;  // IMAGE_FILE_DLL
#if defined(__aarch64__)
constexpr std::uint16_t kElfMachine = 183;    // EM_AARCH64
constexpr std::uint16_t kPeMachine = 0xaa64;  // IMAGE_FILE_MACHINE_ARM64
#else
constexpr std::uint16_t kElfMachine = 62;     // EM_X86_64
constexpr std::uint16_t kPeMachine = 0x8664;  // IMAGE_FILE_MACHINE_AMD64
#endif

struct ElfProgramHeader {
    std::uint32_t type;
    std::uint32_t flags;
    std::uint64_t offset;
    std::uint64_t address;
    std::uint64_t physical;
    std::uint64_t file_bytes;
    std::uint64_t memory_bytes;
    std::uint64_t alignment;
};
static_assert(sizeof(ElfProgramHeader) == 56);

struct PeFileHeader {
    std::uint16_t machine;
    std::uint16_t section_count;
    std::uint32_t time;
    std::uint32_t symbols_offset;
    std::uint32_t symbol_count;
    std::uint16_t optional_bytes;
    std::uint16_t characteristics;
};
static_assert(sizeof(PeFileHeader) == 20);

struct PeSection {
    std::array<char, 8> name;
    std::uint32_t memory_bytes;
    std::uint32_t address;
    std::uint32_t file_bytes;
    std::uint32_t offset;
    std::array<std::uint32_t, 4> rest;
};
static_assert(sizeof(PeSection) == 40);

std::unexpected<Error> malformed(std::string text) {
    return fail(Status::Malformed, std::move(text));
}

std::unexpected<Error> truncated(std::string_view what, std::size_t size) {
    return fail(Status::Truncated, fmt::format("truncated: {} lies behind the end at {} bytes", what, size));
}

}  // namespace

Result<void> check_elf_library(std::span<const std::byte> bytes) {
    const ByteReader reader(bytes);
    const auto magic = reader.read<std::array<std::uint8_t, 4>>(0);
    if (!magic || *magic != kElfMagic) return malformed("not an ELF file");
    const auto header = reader.read<elf::FileHeader>(0);
    if (!header) return truncated("the ELF header", bytes.size());
    const bool is_known = header->ident[4] == elf::kClass64 && header->ident[5] == elf::kLittleEndian;
    if (!is_known || header->machine != kElfMachine)
        return malformed(
            fmt::format("an ELF file for machine {}, this host is {}", header->machine, kElfMachine));
    if (header->type != kElfDynamic)
        return malformed(fmt::format("an ELF file of type {}, not a shared library", header->type));
    if (header->program_entry_bytes != sizeof(ElfProgramHeader) || header->program_count == 0)
        return malformed("an ELF file without program headers");
    bool has_dynamic_part = false;
    for (std::uint64_t i = 0; i < header->program_count; ++i) {
        const auto part =
            reader.read<ElfProgramHeader>(header->program_offset + i * sizeof(ElfProgramHeader));
        if (!part) return truncated("a program header", bytes.size());
        if (part->type == kElfDynamicPart) has_dynamic_part = true;
        if (part->type != kElfLoad && part->type != kElfDynamicPart) continue;
        if (!reader.slice(part->offset, part->file_bytes))
            return truncated(fmt::format("the segment of {} bytes at {}", part->file_bytes, part->offset),
                             bytes.size());
    }
    if (!has_dynamic_part) return malformed("an ELF file without a dynamic segment");
    return {};
}

Result<void> check_pe_library(std::span<const std::byte> bytes) {
    const ByteReader reader(bytes);
    const auto magic = reader.read<std::uint16_t>(0);
    if (!magic || *magic != kPeMagic) return malformed("not a Windows library");
    const auto place = reader.read<std::uint32_t>(kPeSignaturePlace);
    if (!place) return truncated("the place of the PE header", bytes.size());
    const std::uint64_t at = *place;
    const auto signature = reader.read<std::uint32_t>(at);
    const auto header = reader.read<PeFileHeader>(at + sizeof(kPeSignature));
    if (!signature || !header) return truncated("the PE header", bytes.size());
    if (*signature != kPeSignature) return malformed("not a Windows library: it has no PE header");
    if (header->machine != kPeMachine)
        return malformed(fmt::format("a Windows library for machine {:#x}, this host is {:#x}",
                                     header->machine, kPeMachine));
    if ((header->characteristics & kPeLibrary) == 0) return malformed("a Windows program, not a library");
    const std::uint64_t sections = at + sizeof(kPeSignature) + sizeof(PeFileHeader) + header->optional_bytes;
    for (std::uint64_t i = 0; i < header->section_count; ++i) {
        const auto section = reader.read<PeSection>(sections + i * sizeof(PeSection));
        if (!section) return truncated("a section header", bytes.size());
        if (!reader.slice(section->offset, section->file_bytes))
            return truncated(
                fmt::format("the section of {} bytes at {}", section->file_bytes, section->offset),
                bytes.size());
    }
    return {};
}

Result<void> check_library(std::span<const std::byte> bytes) {
    return platform::library_format() == platform::LibraryFormat::Pe ? check_pe_library(bytes)
                                                                     : check_elf_library(bytes);
}

}  // namespace ebpf::native
