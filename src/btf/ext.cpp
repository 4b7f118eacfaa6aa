// SPDX-License-Identifier: MIT
// parse_ext: three tables of the same outer shape (record size, then blocks of records by section).
#include "btf/ext.hpp"

#include <fmt/format.h>

#include "base/byte_reader.hpp"
#include "base/try.hpp"

namespace ebpf::btf {
namespace {

struct Header {
    std::uint16_t magic;
    std::uint8_t version;
    std::uint8_t flags;
    std::uint32_t header_bytes;
    std::uint32_t function_offset;
    std::uint32_t function_bytes;
    std::uint32_t line_offset;
    std::uint32_t line_bytes;
};
static_assert(sizeof(Header) == 24);

// Present when header_bytes covers it.
struct RelocationHeader {
    std::uint32_t offset;
    std::uint32_t bytes;
};

struct BlockHeader {
    std::uint32_t section_name;
    std::uint32_t count;
};

struct RawFunction {
    std::uint32_t offset;
    std::uint32_t type;
};

struct RawLine {
    std::uint32_t offset;
    std::uint32_t file;
    std::uint32_t text;
    std::uint32_t line_and_column;
};

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint32_t kRelocationRecordBytes = 16;
constexpr std::uint32_t kMaxRecordBytes = 256;

/// One section's records in a table; each is at least as long as the record type that is read from it.
struct Block {
    std::string_view section;
    std::uint32_t count = 0;
    std::uint32_t record_bytes = 0;
    std::span<const std::byte> bytes;

    template <typename Record>
    [[nodiscard]] Result<Record> record(std::uint32_t index) const {
        const auto value = ByteReader(bytes).read<Record>(std::uint64_t{index} * record_bytes);
        if (!value)
            return fail(Status::Truncated,
                        fmt::format("record {} of section '{}' is cut off", index, section));
        return *value;
    }
};

Result<std::vector<Block>> read_blocks(std::span<const std::byte> table, std::uint32_t least_record_bytes,
                                       const Types& types) {
    std::vector<Block> blocks;
    if (table.empty()) return blocks;
    const ByteReader reader(table);
    const auto record_bytes = reader.read<std::uint32_t>(0);
    if (!record_bytes)
        return fail(Status::Truncated, fmt::format("{} bytes are shorter than a record size", table.size()));
    if (*record_bytes < least_record_bytes || *record_bytes > kMaxRecordBytes || *record_bytes % 4 != 0) {
        return fail(Status::Malformed, fmt::format("record size {} is not a multiple of 4 between {} and {}",
                                                   *record_bytes, least_record_bytes, kMaxRecordBytes));
    }
    std::uint64_t offset = sizeof(std::uint32_t);
    while (offset < table.size()) {
        const auto header = reader.read<BlockHeader>(offset);
        if (!header)
            return fail(Status::Truncated, fmt::format("block header at offset {} is cut off", offset));
        offset += sizeof(BlockHeader);
        Block block;
        EBPF_TRY(block.section, types.string(header->section_name));
        block.count = header->count;
        block.record_bytes = *record_bytes;
        const std::uint64_t bytes = std::uint64_t{header->count} * *record_bytes;
        const auto records = reader.slice(offset, bytes);
        if (!records) {
            return fail(Status::Truncated,
                        fmt::format("section '{}': {} records at offset {} are outside the table of {} bytes",
                                    block.section, header->count, offset, table.size()));
        }
        if (header->count == 0) {
            return fail(Status::Malformed, fmt::format("section '{}': block at offset {} has no records",
                                                       block.section, offset));
        }
        block.bytes = *records;
        offset += bytes;
        blocks.push_back(block);
    }
    return blocks;
}

Result<void> read_functions(std::span<const std::byte> table, const Types& types, Ext& ext) {
    EBPF_TRY(const auto blocks, read_blocks(table, sizeof(RawFunction), types));
    for (const auto& block : blocks) {
        for (std::uint32_t i = 0; i < block.count; ++i) {
            EBPF_TRY(const auto raw, block.record<RawFunction>(i));
            EBPF_TRY(const Type type, types.at(raw.type));
            if (type.kind != Kind::Function) {
                return fail(Status::Malformed,
                            fmt::format("section '{}': record {} names type {}, which is no function",
                                        block.section, i, raw.type));
            }
            ext.functions.push_back({block.section, raw.offset, raw.type});
        }
    }
    return {};
}

Result<void> read_lines(std::span<const std::byte> table, const Types& types, Ext& ext) {
    EBPF_TRY(const auto blocks, read_blocks(table, sizeof(RawLine), types));
    for (const auto& block : blocks) {
        SectionLines lines;
        lines.section = block.section;
        lines.lines.reserve(block.count);
        for (std::uint32_t i = 0; i < block.count; ++i) {
            EBPF_TRY(const auto raw, block.record<RawLine>(i));
            LineRecord line;
            line.offset = raw.offset;
            EBPF_TRY(line.file, types.string(raw.file));
            EBPF_TRY(line.text, types.string(raw.text));
            line.line = raw.line_and_column >> 10U;
            line.column = raw.line_and_column & 0x3ffU;
            lines.lines.push_back(line);
        }
        ext.lines.push_back(std::move(lines));
    }
    return {};
}

Result<void> read_relocations(std::span<const std::byte> table, const Types& types, Ext& ext) {
    EBPF_TRY(const auto blocks, read_blocks(table, kRelocationRecordBytes, types));
    for (const auto& block : blocks) ext.relocations.push_back({block.section, block.count});
    return {};
}

}  // namespace

Result<Ext> parse_ext(std::span<const std::byte> bytes, const Types& types) {
    if (bytes.size() > kMaxBtfBytes) {
        return fail(Status::LimitExceeded,
                    fmt::format("{} bytes are more than {}", bytes.size(), kMaxBtfBytes));
    }
    const ByteReader reader(bytes);
    const auto header = reader.read<Header>(0);
    if (!header)
        return fail(Status::Truncated, fmt::format("{} bytes are shorter than the header", bytes.size()));
    if (header->magic != kMagic || header->version != 1 || header->flags != 0) {
        return fail(Status::NotSupported,
                    fmt::format("magic {:#06x}, version {}, flags {:#x} are not supported", header->magic,
                                header->version, header->flags));
    }
    if (header->header_bytes < sizeof(Header) || header->header_bytes > bytes.size()) {
        return fail(Status::Malformed, fmt::format("header size {} in a section of {} bytes",
                                                   header->header_bytes, bytes.size()));
    }
    RelocationHeader relocations{0, 0};
    if (header->header_bytes >= sizeof(Header) + sizeof(RelocationHeader)) {
        relocations = reader.read<RelocationHeader>(sizeof(Header)).value_or(relocations);
    }
    struct Table {
        const char* name;
        std::uint32_t offset;
        std::uint32_t bytes;
        Result<void> (*read)(std::span<const std::byte>, const Types&, Ext&);
    };
    Ext ext;
    for (const Table& table :
         {Table{"func_info", header->function_offset, header->function_bytes, read_functions},
          Table{"line_info", header->line_offset, header->line_bytes, read_lines},
          Table{"core_relo", relocations.offset, relocations.bytes, read_relocations}}) {
        const auto part = reader.slice(std::uint64_t{header->header_bytes} + table.offset, table.bytes);
        if (!part) {
            return fail(
                Status::Truncated,
                fmt::format("{}: {} bytes at offset {} are outside the section of {} bytes", table.name,
                            table.bytes, std::uint64_t{header->header_bytes} + table.offset, bytes.size()));
        }
        if (auto read = table.read(*part, types, ext); !read)
            return std::unexpected(std::move(read).error().in(table.name));
    }
    return ext;
}

}  // namespace ebpf::btf
