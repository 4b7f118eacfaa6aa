// SPDX-License-Identifier: MIT
// File::parse and its checks. Every number from the file is checked before it is used.
#include "elf/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/byte_reader.hpp"
#include "base/try.hpp"

namespace ebpf::elf {
namespace {

Result<std::string_view> name_at(const Section& table, std::uint32_t offset) {
    if (offset >= table.bytes.size()) {
        return fail(Status::Malformed, fmt::format("{}: name offset {} is outside the table of {} bytes",
                                                   describe(table), offset, table.bytes.size()));
    }
    const auto rest = table.bytes.subspan(offset);
    const std::size_t limit = std::min(rest.size(), kMaxNameBytes + 1);
    const auto* begin = reinterpret_cast<const char*>(rest.data());
    const void* end = std::memchr(begin, 0, limit);
    if (end == nullptr) {
        return fail(rest.size() > kMaxNameBytes ? Status::LimitExceeded : Status::Malformed,
                    fmt::format("{}: name at offset {} does not end within {} bytes", describe(table), offset,
                                limit));
    }
    return std::string_view(begin, static_cast<std::size_t>(static_cast<const char*>(end) - begin));
}

Result<void> check_strings(const Section& table) {
    if (table.type != kSectionStrings) {
        return fail(Status::Malformed,
                    fmt::format("{}: type {} is not a string table", describe(table), table.type));
    }
    if (table.bytes.empty() || table.bytes.front() != std::byte{0} || table.bytes.back() != std::byte{0}) {
        return fail(Status::Malformed,
                    fmt::format("{}: string table of {} bytes does not begin and end with NUL",
                                describe(table), table.bytes.size()));
    }
    return {};
}

Result<void> check_header(const FileHeader& header) {
    static constexpr std::array<std::uint8_t, 4> kMagic = {0x7f, 'E', 'L', 'F'};
    if (!std::equal(kMagic.begin(), kMagic.end(), header.ident.begin())) {
        return fail(Status::Malformed, "not an ELF file: the first 4 bytes are not 7f 45 4c 46");
    }
    if (header.ident[4] != kClass64) {
        return fail(Status::NotSupported, fmt::format("ELF class {} is not 2 (64-bit)", header.ident[4]));
    }
    if (header.ident[5] != kLittleEndian) {
        return fail(Status::NotSupported,
                    fmt::format("ELF byte order {} is not 1 (little-endian)", header.ident[5]));
    }
    if (header.ident[6] != kVersion || header.version != kVersion) {
        return fail(Status::NotSupported,
                    fmt::format("ELF version {}/{} is not 1", header.ident[6], header.version));
    }
    if (header.machine != kMachineBpf) {
        return fail(Status::NotSupported, fmt::format("ELF machine {} is not 247 (BPF)", header.machine));
    }
    if (header.type != kTypeRelocatable) {
        return fail(Status::NotSupported, fmt::format("ELF type {} is not 1 (relocatable)", header.type));
    }
    if (header.header_bytes != sizeof(FileHeader)) {
        return fail(Status::Malformed,
                    fmt::format("ELF header size {} is not {}", header.header_bytes, sizeof(FileHeader)));
    }
    if (header.section_entry_bytes != sizeof(SectionHeader)) {
        return fail(Status::Malformed, fmt::format("section header size {} is not {}",
                                                   header.section_entry_bytes, sizeof(SectionHeader)));
    }
    if (header.section_count == 0 || header.name_section >= kIndexReserved ||
        header.section_count >= kIndexReserved) {
        return fail(
            Status::NotSupported,
            fmt::format("section count {} with name table {}: extended section numbering is not supported",
                        header.section_count, header.name_section));
    }
    if (header.section_count > kMaxSections) {
        return fail(Status::LimitExceeded,
                    fmt::format("{} sections are more than {}", header.section_count, kMaxSections));
    }
    if (header.name_section >= header.section_count) {
        return fail(Status::Malformed, fmt::format("section name table {} is outside the {} sections",
                                                   header.name_section, header.section_count));
    }
    return {};
}

}  // namespace

std::string describe(const Section& section) {
    return section.name.empty() ? fmt::format("section {}", section.index)
                                : fmt::format("section {} ('{}')", section.index, section.name);
}

Result<File> File::parse(std::span<const std::byte> bytes) {
    if (bytes.size() > kMaxFileBytes) {
        return fail(Status::LimitExceeded,
                    fmt::format("file of {} bytes is larger than {}", bytes.size(), kMaxFileBytes));
    }
    File file(bytes);
    EBPF_TRY_VOID(file.read_sections());
    EBPF_TRY_VOID(file.read_symbols());
    return file;
}

Result<void> File::read_sections() {
    const ByteReader reader(bytes_);
    const auto header = reader.read<FileHeader>(0);
    if (!header) {
        return fail(Status::Truncated, fmt::format("file of {} bytes is shorter than an ELF header of {}",
                                                   bytes_.size(), sizeof(FileHeader)));
    }
    EBPF_TRY_VOID(check_header(*header));
    const std::uint64_t table_bytes = std::uint64_t{header->section_count} * sizeof(SectionHeader);
    const auto table = reader.slice(header->section_offset, table_bytes);
    if (!table) {
        return fail(
            Status::Truncated,
            fmt::format("section header table at offset {} with {} bytes is outside the file of {} bytes",
                        header->section_offset, table_bytes, bytes_.size()));
    }
    std::vector<SectionHeader> headers(header->section_count);
    std::memcpy(headers.data(), table->data(), table->size());
    sections_.reserve(headers.size());
    for (std::uint32_t index = 0; index < headers.size(); ++index) {
        EBPF_TRY_VOID(read_section(headers[index], index));
    }
    EBPF_TRY_VOID(check_layout(*header));
    return read_names(headers, header->name_section);
}

Result<void> File::read_section(const SectionHeader& header, std::uint32_t index) {
    Section section;
    section.index = index;
    section.type = header.type;
    section.flags = header.flags;
    section.offset = header.offset;
    section.size = header.bytes;
    section.link = header.link;
    section.info = header.info;
    section.entry_bytes = header.entry_bytes;
    if (index == 0 && header.type != kSectionNull) {
        return fail(Status::Malformed, fmt::format("section 0 has type {}, not 0 (unused)", header.type));
    }
    if (header.type != kSectionNull && header.type != kSectionNoBits) {
        const auto bytes = ByteReader(bytes_).slice(header.offset, header.bytes);
        if (!bytes) {
            return fail(Status::Truncated,
                        fmt::format("section {}: {} bytes at offset {} are outside the file of {} bytes",
                                    index, header.bytes, header.offset, bytes_.size()));
        }
        section.bytes = *bytes;
    }
    sections_.push_back(section);
    return {};
}

// Sections that share bytes would let a small file describe a large amount of work; no compiler emits them.
Result<void> File::check_layout(const FileHeader& header) const {
    struct Extent {
        std::uint64_t begin;
        std::uint64_t end;
        std::string what;
    };
    std::vector<Extent> extents;
    extents.reserve(sections_.size() + 2);
    extents.push_back({0, sizeof(FileHeader), "the ELF header"});
    extents.push_back({header.section_offset,
                       header.section_offset + std::uint64_t{header.section_count} * sizeof(SectionHeader),
                       "the section header table"});
    for (const auto& section : sections_) {
        if (section.bytes.empty()) continue;
        extents.push_back(
            {section.offset, section.offset + section.size, fmt::format("section {}", section.index)});
    }
    std::ranges::sort(extents, {}, &Extent::begin);
    for (std::size_t i = 1; i < extents.size(); ++i) {
        if (extents[i].begin < extents[i - 1].end) {
            return fail(Status::Malformed,
                        fmt::format("{} at offset {} overlaps {}, which ends at offset {}", extents[i].what,
                                    extents[i].begin, extents[i - 1].what, extents[i - 1].end));
        }
    }
    return {};
}

Result<void> File::read_names(std::span<const SectionHeader> headers, std::uint16_t name_section) {
    const Section& names = sections_[name_section];
    if (auto checked = check_strings(names); !checked)
        return std::unexpected(std::move(checked).error().in("section names"));
    for (auto& section : sections_) {
        EBPF_TRY(section.name, name_at(names, headers[section.index].name));
    }
    for (const auto& section : sections_) EBPF_TRY_VOID(check_references(section));
    return {};
}

Result<void> File::check_references(const Section& section) const {
    if (section.type == kSectionNull) return {};
    if ((section.flags & kFlagCompressed) != 0) {
        return fail(Status::NotSupported,
                    fmt::format("{}: compressed sections are not supported", describe(section)));
    }
    if (section.link >= sections_.size()) {
        return fail(Status::Malformed, fmt::format("{}: link {} is outside the {} sections",
                                                   describe(section), section.link, sections_.size()));
    }
    const bool relocates = section.type == kSectionRel || section.type == kSectionRela;
    if (relocates &&
        (section.info == 0 || section.info >= sections_.size() || section.info == section.index)) {
        return fail(Status::Malformed, fmt::format("{}: relocates section {} of {}", describe(section),
                                                   section.info, sections_.size()));
    }
    return {};
}

Result<void> File::read_symbols() {
    for (const auto& section : sections_) {
        if (section.type != kSectionSymbols) continue;
        if (symbol_table_ != 0) {
            return fail(Status::Malformed, fmt::format("{}: a second symbol table besides section {}",
                                                       describe(section), symbol_table_));
        }
        symbol_table_ = section.index;
    }
    if (symbol_table_ == 0) return {};
    const Section& table = sections_[symbol_table_];
    if (table.entry_bytes != sizeof(SymbolRecord) || table.size % sizeof(SymbolRecord) != 0) {
        return fail(Status::Malformed,
                    fmt::format("{}: {} bytes in entries of {} is not a table of {}-byte symbols",
                                describe(table), table.size, table.entry_bytes, sizeof(SymbolRecord)));
    }
    const std::size_t count = table.bytes.size() / sizeof(SymbolRecord);
    if (count > kMaxSymbols) {
        return fail(Status::LimitExceeded,
                    fmt::format("{}: {} symbols are more than {}", describe(table), count, kMaxSymbols));
    }
    if (table.info > count) {
        return fail(Status::Malformed, fmt::format("{}: first global symbol {} is outside the {} symbols",
                                                   describe(table), table.info, count));
    }
    const Section& strings = sections_[table.link];
    if (auto checked = check_strings(strings); !checked)
        return std::unexpected(std::move(checked).error().in("symbol names"));
    const ByteReader reader(table.bytes);
    symbols_.reserve(count);
    for (std::uint32_t index = 0; index < count; ++index) {
        const auto record = reader.read<SymbolRecord>(std::uint64_t{index} * sizeof(SymbolRecord));
        if (!record)
            return fail(Status::Truncated, fmt::format("{}: symbol {} is cut off", describe(table), index));
        EBPF_TRY(Symbol symbol, read_symbol(strings, index, *record));
        symbols_.push_back(symbol);
    }
    return {};
}

Result<Symbol> File::read_symbol(const Section& strings, std::uint32_t index,
                                 const SymbolRecord& record) const {
    Symbol symbol;
    symbol.index = index;
    EBPF_TRY(symbol.name, name_at(strings, record.name));
    const auto context = [&] { return fmt::format("symbol {} ('{}')", index, symbol.name); };
    symbol.kind = static_cast<SymbolKind>(record.info & 0xfU);
    symbol.binding = static_cast<SymbolBinding>(record.info >> 4U);
    symbol.section = record.section;
    symbol.value = record.value;
    symbol.size = record.bytes;
    if (record.section == kIndexExtended) {
        return fail(Status::NotSupported,
                    fmt::format("{}: extended section index (SHN_XINDEX) is not supported", context()));
    }
    if (record.section >= kIndexReserved) {
        if (record.section != kIndexAbsolute && record.section != kIndexCommon) {
            return fail(Status::Malformed,
                        fmt::format("{}: reserved section index {:#x}", context(), record.section));
        }
        return symbol;
    }
    if (record.section >= sections_.size()) {
        return fail(Status::Malformed, fmt::format("{}: section {} is outside the {} sections", context(),
                                                   record.section, sections_.size()));
    }
    if (record.section == kIndexUndefined) return symbol;
    const Section& home = sections_[record.section];
    if (record.value > home.size || record.bytes > home.size - record.value) {
        return fail(Status::Malformed,
                    fmt::format("{}: {} bytes at offset {} are outside {} of {} bytes", context(),
                                record.bytes, record.value, describe(home), home.size));
    }
    return symbol;
}

Result<const Section*> File::find_section(std::string_view name) const {
    const Section* found = nullptr;
    for (const auto& section : sections_) {
        if (section.type == kSectionNull || section.name != name) continue;
        if (found != nullptr) {
            return fail(Status::Malformed, fmt::format("sections {} and {} are both called '{}'",
                                                       found->index, section.index, name));
        }
        found = &section;
    }
    return found;
}

Result<std::vector<Relocation>> File::relocations_of(const Section& target) const {
    std::vector<Relocation> out;
    for (const auto& section : sections_) {
        if ((section.type != kSectionRel && section.type != kSectionRela) || section.info != target.index)
            continue;
        if (section.type == kSectionRela) {
            return fail(Status::NotSupported,
                        fmt::format("{}: relocations with addends (RELA) of {} are not supported",
                                    describe(section), describe(target)));
        }
        EBPF_TRY_VOID(append_relocations(section, target, out));
    }
    return out;
}

Result<void> File::append_relocations(const Section& table, const Section& target,
                                      std::vector<Relocation>& out) const {
    if (table.entry_bytes != sizeof(RelocationRecord) || table.size % sizeof(RelocationRecord) != 0) {
        return fail(Status::Malformed,
                    fmt::format("{}: {} bytes in entries of {} is not a table of {}-byte relocations",
                                describe(table), table.size, table.entry_bytes, sizeof(RelocationRecord)));
    }
    if (symbol_table_ == 0 || table.link != symbol_table_) {
        return fail(Status::Malformed, fmt::format("{}: symbol table {} is not the file's symbol table {}",
                                                   describe(table), table.link, symbol_table_));
    }
    const ByteReader reader(table.bytes);
    const std::size_t count = table.bytes.size() / sizeof(RelocationRecord);
    out.reserve(out.size() + count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto record = reader.read<RelocationRecord>(i * sizeof(RelocationRecord));
        if (!record)
            return fail(Status::Truncated, fmt::format("{}: relocation {} is cut off", describe(table), i));
        Relocation relocation;
        relocation.offset = record->offset;
        relocation.type = static_cast<std::uint32_t>(record->info);
        relocation.symbol = static_cast<std::uint32_t>(record->info >> 32U);
        if (relocation.symbol >= symbols_.size()) {
            return fail(Status::Malformed,
                        fmt::format("{}: relocation {} names symbol {} of {}", describe(table), i,
                                    relocation.symbol, symbols_.size()));
        }
        if (relocation.offset >= target.size) {
            return fail(Status::Malformed,
                        fmt::format("{}: relocation {} at offset {} is outside {} of {} bytes",
                                    describe(table), i, relocation.offset, describe(target), target.size));
        }
        out.push_back(relocation);
    }
    return {};
}

}  // namespace ebpf::elf
