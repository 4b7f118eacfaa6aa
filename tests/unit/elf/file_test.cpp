// SPDX-License-Identifier: MIT
// The ELF reader on well-formed objects, and on one wrong field at a time.
#include "elf/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>

#include "elf_builder.hpp"
#include "load.hpp"

namespace ebpf::elf {
namespace {

using ::ebpf::testing::append;
using ::ebpf::testing::Bytes;
using ::ebpf::testing::bytes_of;
using ::ebpf::testing::ElfBuilder;
using ::ebpf::testing::kExit;
using ::ebpf::testing::kMovR0;
using ::ebpf::testing::patch;
using ::ebpf::testing::relocation;
using ::testing::HasSubstr;

constexpr std::uint16_t kXdp = 1;
constexpr std::uint16_t kDataSection = 2;
constexpr std::uint16_t kRel = 3;
constexpr std::uint16_t kSymtab = 4;
constexpr std::uint16_t kStrtab = 5;

// Sections: 1 xdp, 2 .data, 3 .relxdp, 4 .symtab, 5 .strtab. Symbols: 1 prog, 2 value.
Bytes small_object() {
    ElfBuilder builder;
    builder.add_code("xdp", {kMovR0, kExit});
    builder.add_section(".data", kSectionProgBits, ebpf::testing::kData, Bytes(12));
    builder.add_function("prog", kXdp, 0, 16);
    builder.add_symbol("value", SymbolKind::Object, SymbolBinding::Global, kDataSection, 4, 8);
    builder.add_relocations(kXdp, {relocation(8, kRelocation64, 2)});
    return builder.build();
}

TEST(ElfFile, ReadsSectionsSymbolsAndRelocations) {
    const auto bytes = small_object();
    const auto file = File::parse(bytes);
    ASSERT_TRUE(file) << file.error().message();
    ASSERT_EQ(file->sections().size(), 6U);
    const Section& code = file->sections()[kXdp];
    EXPECT_EQ(code.name, "xdp");
    EXPECT_EQ(code.bytes.size(), 16U);
    EXPECT_TRUE(code.is_executable());
    EXPECT_FALSE(file->sections()[kDataSection].is_executable());
    ASSERT_EQ(file->symbols().size(), 3U);
    const Symbol& value = file->symbols()[2];
    EXPECT_EQ(value.name, "value");
    EXPECT_EQ(value.kind, SymbolKind::Object);
    EXPECT_EQ(value.binding, SymbolBinding::Global);
    EXPECT_EQ(value.section, kDataSection);
    EXPECT_EQ(value.value, 4U);
    EXPECT_EQ(value.size, 8U);
    const auto relocations = file->relocations_of(code);
    ASSERT_TRUE(relocations);
    ASSERT_EQ(relocations->size(), 1U);
    EXPECT_EQ(relocations->front().offset, 8U);
    EXPECT_EQ(relocations->front().type, kRelocation64);
    EXPECT_EQ(relocations->front().symbol, 2U);
    EXPECT_TRUE(file->relocations_of(file->sections()[kDataSection])->empty());
}

TEST(ElfFile, FindsSectionsByName) {
    const auto bytes = small_object();
    const auto file = File::parse(bytes);
    ASSERT_TRUE(file);
    ASSERT_NE(*file->find_section(".data"), nullptr);
    EXPECT_EQ((*file->find_section(".data"))->index, kDataSection);
    EXPECT_EQ(*file->find_section("absent"), nullptr);
    EXPECT_EQ(describe(file->sections()[kXdp]), "section 1 ('xdp')");
}

TEST(ElfFile, RefusesTwoSectionsOfTheNameLookedFor) {
    ElfBuilder builder;
    builder.add_section("license", kSectionProgBits, 0, bytes_of("GPL"));
    builder.add_section("license", kSectionProgBits, 0, bytes_of("MIT"));
    const auto bytes = builder.build();
    const auto file = File::parse(bytes);
    ASSERT_TRUE(file);
    const auto found = file->find_section("license");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().message(), "sections 1 and 2 are both called 'license'");
}

TEST(ElfFile, ReadsObjectsOfCompilers) {
    for (const char* path :
         {EBPF_OBJECTS "/linked.o", EBPF_OBJECTS "/legacy_maps.o", EBPF_SAMPLES "/droppacket.o"}) {
        EBPF_LOAD_OR_SKIP(bytes, path);
        const auto file = File::parse(bytes);
        ASSERT_TRUE(file) << path << ": " << file.error().message();
        EXPECT_GT(file->symbols().size(), 3U);
        for (const auto& section : file->sections()) {
            const auto relocations = file->relocations_of(section);
            EXPECT_TRUE(relocations) << path << ": " << relocations.error().message();
        }
    }
}

TEST(ElfFile, RefusesEveryTruncation) {
    const auto bytes = small_object();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto file = File::parse(std::span(bytes).first(size));
        ASSERT_FALSE(file) << size;
        EXPECT_FALSE(file.error().message().empty());
    }
    EXPECT_TRUE(File::parse(bytes));
}

struct WrongField {
    const char* name;
    std::function<void(Bytes&)> change;
    Status status;
    const char* message;
    friend void PrintTo(const WrongField& one, std::ostream* stream) { *stream << one.name; }
};

// Overwrites `field` of the file header.
#define IN_HEADER(field, value) \
    [](Bytes& file) { patch(file, offsetof(FileHeader, field), decltype(FileHeader::field)(value)); }
// Overwrites `field` of a section header.
#define IN_SECTION(index, field, value)                                                      \
    [](Bytes& file) {                                                                        \
        patch(file, ElfBuilder::header_offset(file, index) + offsetof(SectionHeader, field), \
              decltype(SectionHeader::field)(value));                                        \
    }

std::uint64_t contents_offset(const Bytes& file, std::uint16_t section) {
    SectionHeader header{};
    std::memcpy(&header, file.data() + ElfBuilder::header_offset(file, section), sizeof(header));
    return header.offset;
}
// Overwrites `field` of record `index` of type `record` in section `section`.
#define IN_RECORD(section, record, index, field, value)                                                  \
    [](Bytes& file) {                                                                                    \
        patch(file, contents_offset(file, section) + (index) * sizeof(record) + offsetof(record, field), \
              decltype(record::field)(value));                                                           \
    }

std::vector<WrongField> wrong_fields() {
    return {
        {"magic", [](Bytes& file) { file[1] = std::byte{'M'}; }, Status::Malformed, "not an ELF file"},
        {"class", [](Bytes& file) { file[4] = std::byte{1}; }, Status::NotSupported, "ELF class 1"},
        {"byte_order", [](Bytes& file) { file[5] = std::byte{2}; }, Status::NotSupported, "ELF byte order 2"},
        {"ident_version", [](Bytes& file) { file[6] = std::byte{0}; }, Status::NotSupported,
         "ELF version 0/1"},
        {"version", IN_HEADER(version, 9), Status::NotSupported, "ELF version 1/9"},
        {"type", IN_HEADER(type, 3), Status::NotSupported, "ELF type 3"},
        {"machine", IN_HEADER(machine, 62), Status::NotSupported, "ELF machine 62"},
        {"header_size", IN_HEADER(header_bytes, 52), Status::Malformed, "ELF header size 52"},
        {"section_header_size", IN_HEADER(section_entry_bytes, 40), Status::Malformed,
         "section header size 40"},
        {"no_sections", IN_HEADER(section_count, 0), Status::NotSupported, "extended section numbering"},
        {"extended_names", IN_HEADER(name_section, 0xffff), Status::NotSupported,
         "extended section numbering"},
        {"too_many_sections", IN_HEADER(section_count, 9000), Status::LimitExceeded, "9000 sections"},
        {"names_outside", IN_HEADER(name_section, 6), Status::Malformed,
         "section name table 6 is outside the 6"},
        {"names_no_strings", IN_HEADER(name_section, kXdp), Status::Malformed,
         "type 1 is not a string table"},
        {"table_outside", IN_HEADER(section_offset, 1U << 20U), Status::Truncated,
         "section header table at offset 1048576"},
        {"table_offset_wraps", IN_HEADER(section_offset, ~std::uint64_t{0} - 8), Status::Truncated,
         "section header table"},
        {"table_over_header", IN_HEADER(section_offset, 0), Status::Malformed, "section 0 has type"},
        {"section_outside", IN_SECTION(kXdp, offset, 1U << 30U), Status::Truncated,
         "section 1: 16 bytes at offset 1073741824"},
        {"section_size_huge", IN_SECTION(kXdp, bytes, ~std::uint64_t{0}), Status::Truncated,
         "section 1: 18446744073709551615"},
        {"section_offset_wraps", IN_SECTION(kXdp, offset, ~std::uint64_t{0} - 7), Status::Truncated,
         "section 1"},
        {"section_overlaps_header", IN_SECTION(kXdp, offset, 63), Status::Malformed,
         "section 1 at offset 63 overlaps the ELF header"},
        {"sections_overlap", IN_SECTION(kXdp, bytes, 17), Status::Malformed,
         "section 2 at offset 80 overlaps section 1"},
        {"section_name_outside", IN_SECTION(kXdp, name, 4096), Status::Malformed,
         "name offset 4096 is outside"},
        {"section_compressed", IN_SECTION(kXdp, flags, kFlagCompressed), Status::NotSupported, "compressed"},
        {"section_link_outside", IN_SECTION(kXdp, link, 6), Status::Malformed,
         "link 6 is outside the 6 sections"},
        {"two_symbol_tables", IN_SECTION(kDataSection, type, kSectionSymbols), Status::Malformed,
         "a second symbol table"},
        {"symbol_size", IN_SECTION(kSymtab, entry_bytes, 16), Status::Malformed, "in entries of 16"},
        {"symbol_table_size", IN_SECTION(kSymtab, bytes, 71), Status::Malformed, "71 bytes in entries of 24"},
        {"symbol_info", IN_SECTION(kSymtab, info, 4), Status::Malformed,
         "first global symbol 4 is outside the 3"},
        {"symbol_strings", IN_SECTION(kSymtab, link, kXdp), Status::Malformed,
         "symbol names: section 1 ('xdp')"},
        {"symbol_name", IN_RECORD(kSymtab, SymbolRecord, 1, name, 9999), Status::Malformed,
         "name offset 9999"},
        {"symbol_section", IN_RECORD(kSymtab, SymbolRecord, 2, section, 6), Status::Malformed,
         "symbol 2 ('value'): section 6 is outside"},
        {"symbol_extended", IN_RECORD(kSymtab, SymbolRecord, 2, section, 0xffff), Status::NotSupported,
         "SHN_XINDEX"},
        {"symbol_reserved", IN_RECORD(kSymtab, SymbolRecord, 2, section, 0xff05), Status::Malformed,
         "reserved section index 0xff05"},
        {"symbol_value", IN_RECORD(kSymtab, SymbolRecord, 2, value, 13), Status::Malformed,
         "8 bytes at offset 13 are outside section 2"},
        {"symbol_bytes", IN_RECORD(kSymtab, SymbolRecord, 2, bytes, ~std::uint64_t{0}), Status::Malformed,
         "are outside section 2"},
        {"relocated_section", IN_SECTION(kRel, info, 6), Status::Malformed, "relocates section 6 of 6"},
        {"relocated_nothing", IN_SECTION(kRel, info, 0), Status::Malformed, "relocates section 0"},
        {"relocated_itself", IN_SECTION(kRel, info, kRel), Status::Malformed, "relocates section 3"},
        {"strings_not_ended", IN_SECTION(kStrtab, bytes, 3), Status::Malformed,
         "does not begin and end with NUL"},
        {"strings_not_begun", [](Bytes& file) { file[contents_offset(file, kStrtab)] = std::byte{'x'}; },
         Status::Malformed, "does not begin and end with NUL"},
    };
}

class RefusedField : public ::testing::TestWithParam<WrongField> {};

TEST_P(RefusedField, IsNamed) {
    auto bytes = small_object();
    GetParam().change(bytes);
    const auto file = File::parse(bytes);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().status(), GetParam().status) << file.error().message();
    EXPECT_THAT(file.error().message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(ElfFile, RefusedField, ::testing::ValuesIn(wrong_fields()),
                         [](const auto& tested) { return std::string(tested.param.name); });

class RefusedRelocation : public ::testing::TestWithParam<WrongField> {};

std::vector<WrongField> wrong_relocations() {
    return {
        {"symbol", IN_RECORD(kRel, RelocationRecord, 0, info, (std::uint64_t{3} << 32U) | 1U),
         Status::Malformed, "relocation 0 names symbol 3 of 3"},
        {"offset", IN_RECORD(kRel, RelocationRecord, 0, offset, 16), Status::Malformed,
         "relocation 0 at offset 16 is outside section 1"},
        {"entry_size", IN_SECTION(kRel, entry_bytes, 24), Status::Malformed, "in entries of 24"},
        {"link", IN_SECTION(kRel, link, kStrtab), Status::Malformed,
         "symbol table 5 is not the file's symbol table 4"},
        {"addends", IN_SECTION(kRel, type, kSectionRela), Status::NotSupported, "RELA"},
    };
}

TEST_P(RefusedRelocation, IsNamed) {
    auto bytes = small_object();
    GetParam().change(bytes);
    const auto file = File::parse(bytes);
    ASSERT_TRUE(file) << file.error().message();
    const auto relocations = file->relocations_of(file->sections()[kXdp]);
    ASSERT_FALSE(relocations);
    EXPECT_EQ(relocations.error().status(), GetParam().status);
    EXPECT_THAT(relocations.error().message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(ElfFile, RefusedRelocation, ::testing::ValuesIn(wrong_relocations()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(ElfFile, RefusesFilesLargerThanTheLimit) {
    const Bytes bytes(kMaxFileBytes + 1);
    const auto file = File::parse(bytes);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().status(), Status::LimitExceeded);
}

TEST(ElfFile, RefusesNamesLongerThanTheLimit) {
    ElfBuilder builder;
    builder.add_section(std::string(kMaxNameBytes + 1, 'n'), kSectionProgBits, 0, Bytes(1));
    const auto file = File::parse(builder.build());
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().status(), Status::LimitExceeded);
    EXPECT_THAT(file.error().message(), HasSubstr("does not end within"));
}

TEST(ElfFile, DoesNotReadContentsOfSectionsWithoutBytes) {
    ElfBuilder builder;
    const auto bss = builder.add_section(".bss", kSectionNoBits, ebpf::testing::kData, {});
    builder.header(bss).bytes = std::uint64_t{1} << 60U;
    const auto bytes = builder.build();
    const auto file = File::parse(bytes);
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_TRUE(file->sections()[bss].bytes.empty());
    EXPECT_EQ(file->sections()[bss].size, std::uint64_t{1} << 60U);
}

}  // namespace
}  // namespace ebpf::elf
