// SPDX-License-Identifier: MIT
// Builds ELF objects field by field, for tests that need objects no compiler emits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "elf/format.hpp"

namespace ebpf::testing {

using Bytes = std::vector<std::byte>;

template <typename T>
void append(Bytes& bytes, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t offset = bytes.size();
    bytes.resize(offset + sizeof(T));
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

/// Overwrites the T at `offset`. Requires: it lies in `bytes`.
template <typename T>
void patch(Bytes& bytes, std::size_t offset, const T& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

inline Bytes bytes_of(std::string_view text) {
    Bytes bytes;
    for (const char letter : text) bytes.push_back(static_cast<std::byte>(letter));
    return bytes;
}

struct SlotBytes {
    std::uint8_t opcode = 0;
    std::uint8_t registers = 0;
    std::int16_t offset = 0;
    std::int32_t imm = 0;
};

inline Bytes code_of(std::initializer_list<SlotBytes> slots) {
    Bytes bytes;
    for (const auto& slot : slots) append(bytes, slot);
    return bytes;
}

inline constexpr SlotBytes kMovR0{0xb7, 0, 0, 0};
inline constexpr SlotBytes kExit{0x95, 0, 0, 0};
inline constexpr SlotBytes kWide{0x18, 1, 0, 0};
inline constexpr SlotBytes kTail{0, 0, 0, 0};
inline constexpr SlotBytes kCallLocal{0x85, 0x10, 0, -1};

inline constexpr std::uint64_t kCode = elf::kFlagAllocate | elf::kFlagExecute;
inline constexpr std::uint64_t kData = elf::kFlagAllocate | elf::kFlagWrite;

class ElfBuilder {
  public:
    /// Returns the index of the new section.
    std::uint16_t add_section(std::string_view name, std::uint32_t type, std::uint64_t flags, Bytes bytes) {
        sections_.push_back({std::string(name), make_header(type, flags), std::move(bytes)});
        return static_cast<std::uint16_t>(sections_.size());
    }
    std::uint16_t add_code(std::string_view name, std::initializer_list<SlotBytes> slots) {
        return add_section(name, elf::kSectionProgBits, kCode, code_of(slots));
    }

    /// Returns the index of the new symbol. Globals get no special place: the reader does not rely on it.
    std::uint32_t add_symbol(std::string_view name, elf::SymbolKind kind, elf::SymbolBinding binding,
                             std::uint16_t section, std::uint64_t value, std::uint64_t size) {
        elf::SymbolRecord record{};
        record.name = add_name(name);
        record.info =
            static_cast<std::uint8_t>((static_cast<unsigned>(binding) << 4U) | static_cast<unsigned>(kind));
        record.section = section;
        record.value = value;
        record.bytes = size;
        symbols_.push_back(record);
        return static_cast<std::uint32_t>(symbols_.size());
    }
    std::uint32_t add_function(std::string_view name, std::uint16_t section, std::uint64_t value,
                               std::uint64_t size) {
        return add_symbol(name, elf::SymbolKind::Function, elf::SymbolBinding::Global, section, value, size);
    }

    void add_relocations(std::uint16_t target, const std::vector<elf::RelocationRecord>& records) {
        Bytes bytes;
        for (const auto& record : records) append(bytes, record);
        const auto index =
            add_section(".rel" + sections_[target - 1U].name, elf::kSectionRel, 0, std::move(bytes));
        sections_[index - 1U].header.info = target;
        sections_[index - 1U].header.entry_bytes = sizeof(elf::RelocationRecord);
        relocation_sections_.push_back(index);
    }

    [[nodiscard]] elf::SectionHeader& header(std::uint16_t section) { return sections_[section - 1U].header; }
    /// Index that the symbol table will have; the string table follows it.
    [[nodiscard]] std::uint16_t symbol_table() const {
        return static_cast<std::uint16_t>(sections_.size() + 1);
    }

    /// Lays everything out: header, contents, section headers.
    [[nodiscard]] Bytes build() {
        const std::uint16_t symbols = symbol_table();
        for (const auto index : relocation_sections_) header(index).link = symbols;
        Bytes table;
        append(table, elf::SymbolRecord{});
        for (const auto& symbol : symbols_) append(table, symbol);
        std::vector<Entry> entries = sections_;
        entries.push_back({".symtab", make_header(elf::kSectionSymbols, 0), std::move(table)});
        entries.back().header.link = symbols + 1U;
        entries.back().header.info = 1;
        entries.back().header.entry_bytes = sizeof(elf::SymbolRecord);
        entries.push_back({".strtab", make_header(elf::kSectionStrings, 0), {}});
        for (auto& entry : entries) entry.header.name = add_name(entry.name);
        entries.back().bytes = bytes_of(names_);
        return lay_out(entries);
    }

    /// Offset of the header of `section` in what build() returned.
    [[nodiscard]] static std::size_t header_offset(const Bytes& file, std::uint16_t section) {
        elf::FileHeader header{};
        std::memcpy(&header, file.data(), sizeof(header));
        return static_cast<std::size_t>(header.section_offset) + section * sizeof(elf::SectionHeader);
    }

  private:
    struct Entry {
        std::string name;
        elf::SectionHeader header;
        Bytes bytes;
    };

    static elf::SectionHeader make_header(std::uint32_t type, std::uint64_t flags) {
        elf::SectionHeader header{};
        header.type = type;
        header.flags = flags;
        return header;
    }

    std::uint32_t add_name(std::string_view name) {
        const auto offset = static_cast<std::uint32_t>(names_.size());
        names_ += name;
        names_ += '\0';
        return offset;
    }

    static Bytes lay_out(std::vector<Entry>& entries) {
        Bytes file(sizeof(elf::FileHeader));
        for (auto& entry : entries) {
            entry.header.offset = file.size();
            if (entry.header.bytes == 0) entry.header.bytes = entry.bytes.size();
            file.insert(file.end(), entry.bytes.begin(), entry.bytes.end());
        }
        elf::FileHeader header{};
        header.ident = {0x7f, 'E', 'L', 'F', elf::kClass64, elf::kLittleEndian, elf::kVersion};
        header.type = elf::kTypeRelocatable;
        header.machine = elf::kMachineBpf;
        header.version = elf::kVersion;
        header.section_offset = file.size();
        header.header_bytes = sizeof(elf::FileHeader);
        header.section_entry_bytes = sizeof(elf::SectionHeader);
        header.section_count = static_cast<std::uint16_t>(entries.size() + 1);
        header.name_section = static_cast<std::uint16_t>(entries.size());
        patch(file, 0, header);
        append(file, elf::SectionHeader{});
        for (const auto& entry : entries) append(file, entry.header);
        return file;
    }

    std::vector<Entry> sections_;
    std::vector<elf::SymbolRecord> symbols_;
    std::vector<std::uint16_t> relocation_sections_;
    std::string names_ = std::string(1, '\0');
};

/// A relocation record of `type` for `symbol` at `offset`.
inline elf::RelocationRecord relocation(std::uint64_t offset, std::uint32_t type, std::uint32_t symbol) {
    return {offset, (std::uint64_t{symbol} << 32U) | type};
}

}  // namespace ebpf::testing
