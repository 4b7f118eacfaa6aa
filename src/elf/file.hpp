// SPDX-License-Identifier: MIT
// Reader of ELF64 little-endian relocatable objects for BPF. Bytes in, validated records out; no meaning of
// names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "elf/format.hpp"

namespace ebpf::elf {

inline constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;
inline constexpr std::size_t kMaxSections = 8192;
inline constexpr std::size_t kMaxSymbols = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxNameBytes = 4096;

struct Section {
    std::uint32_t index = 0;
    std::string_view name;
    std::uint32_t type = kSectionNull;
    std::uint64_t flags = 0;
    std::uint64_t offset = 0;  ///< in the file
    std::uint64_t size = 0;    ///< bytes; for NOBITS more than `bytes` holds, and not limited
    std::uint32_t link = 0;
    std::uint32_t info = 0;
    std::uint64_t entry_bytes = 0;
    std::span<const std::byte> bytes;  ///< contents; empty for NOBITS

    [[nodiscard]] bool is_executable() const {
        return type == kSectionProgBits && (flags & kFlagExecute) != 0 && (flags & kFlagAllocate) != 0;
    }
};

struct Symbol {
    std::uint32_t index = 0;
    std::string_view name;
    SymbolKind kind = SymbolKind::None;
    SymbolBinding binding = SymbolBinding::Local;
    std::uint16_t section = 0;  ///< of an ordinary section, or kIndexUndefined, kIndexAbsolute, kIndexCommon
    std::uint64_t value = 0;    ///< offset in the section
    std::uint64_t size = 0;
};

struct Relocation {
    std::uint64_t offset = 0;  ///< in the section that is changed
    std::uint32_t type = 0;
    std::uint32_t symbol = 0;  ///< index into symbols(), in range
};

/// A parsed object. Everything it holds has been checked against the file's size and the other tables:
/// contents and names lie in the file, sections do not overlap, a symbol of an ordinary section lies in it
/// (value and size). Threads: any. Lifetime: views the bytes given to parse().
class File {
  public:
    /// Reads headers, sections and symbols.
    /// Errors: Truncated, Malformed, NotSupported (class, byte order, machine, extended indices),
    /// LimitExceeded; the
    ///   message names section index and name, offset and number.
    /// Cost: linear in the size of the file, plus sorting its sections.
    static Result<File> parse(std::span<const std::byte> bytes);

    [[nodiscard]] const std::vector<Section>& sections() const { return sections_; }
    [[nodiscard]] const std::vector<Symbol>& symbols() const { return symbols_; }

    /// Returns the only section called `name`, nullptr if there is none. Errors: Malformed - there are two.
    [[nodiscard]] Result<const Section*> find_section(std::string_view name) const;

    /// Returns the records of all REL sections that change `target`.
    /// Errors: Malformed - entry size, link, or symbol index; NotSupported - records with addends (RELA).
    [[nodiscard]] Result<std::vector<Relocation>> relocations_of(const Section& target) const;

  private:
    explicit File(std::span<const std::byte> bytes) : bytes_(bytes) {}
    Result<void> read_sections();
    Result<void> read_section(const SectionHeader& header, std::uint32_t index);
    Result<void> check_layout(const FileHeader& header) const;
    Result<void> read_names(std::span<const SectionHeader> headers, std::uint16_t name_section);
    Result<void> check_references(const Section& section) const;
    Result<void> read_symbols();
    Result<Symbol> read_symbol(const Section& strings, std::uint32_t index, const SymbolRecord& record) const;
    Result<void> append_relocations(const Section& table, const Section& target,
                                    std::vector<Relocation>& out) const;

    std::span<const std::byte> bytes_;
    std::vector<Section> sections_;
    std::vector<Symbol> symbols_;
    std::uint32_t symbol_table_ = 0;  ///< section index, 0 if the file has none
};

/// Returns "section 3 ('xdp')", as messages name sections.
std::string describe(const Section& section);

}  // namespace ebpf::elf
