// SPDX-License-Identifier: MIT
// .BTF.ext: line and function records of compilers, and wrong tables.
#include "btf/ext.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "btf_builder.hpp"
#include "elf/file.hpp"
#include "load.hpp"

namespace ebpf::btf {
namespace {

using ::ebpf::testing::append;
using ::ebpf::testing::BtfBuilder;
using ::ebpf::testing::Bytes;
using ::testing::HasSubstr;

/// The words of a table: record size, then blocks.
using Table = std::vector<std::uint32_t>;

Bytes ext_of(const Table& functions, const Table& lines, const Table& relocations) {
    constexpr std::uint32_t kHeaderBytes = 32;
    const auto bytes_in = [](const Table& table) { return static_cast<std::uint32_t>(table.size() * 4); };
    Bytes bytes;
    append(bytes, std::uint32_t{0x0001eb9f});
    for (const std::uint32_t word :
         {kHeaderBytes, 0U, bytes_in(functions), bytes_in(functions), bytes_in(lines),
          bytes_in(functions) + bytes_in(lines), bytes_in(relocations)}) {
        append(bytes, word);
    }
    for (const Table& table : {functions, lines, relocations}) {
        for (const std::uint32_t word : table) append(bytes, word);
    }
    return bytes;
}

class BtfExt : public ::testing::Test {
  protected:
    void SetUp() override {
        number_ = builder_.add_int(4);
        function_ =
            builder_.add(Kind::Function, "prog", 0, builder_.add(Kind::FunctionPrototype, "", 0, number_));
        xdp_ = builder_.add_string("xdp");
        file_ = builder_.add_string("prog.c");
        text_ = builder_.add_string("  return 0;");
        bytes_ = builder_.build();
        auto types = Types::parse(bytes_);
        ASSERT_TRUE(types) << types.error().message();
        types_ = *types;
    }

    void expect_refused(const Bytes& bytes, Status status, std::string_view message) {
        const auto ext = parse_ext(bytes, types_);
        ASSERT_FALSE(ext) << message;
        EXPECT_EQ(ext.error().status(), status) << ext.error().message();
        EXPECT_THAT(ext.error().message(), HasSubstr(message));
    }

    BtfBuilder builder_;
    Bytes bytes_;
    Types types_;
    std::uint32_t number_ = 0;
    std::uint32_t function_ = 0;
    std::uint32_t xdp_ = 0;
    std::uint32_t file_ = 0;
    std::uint32_t text_ = 0;
};

TEST_F(BtfExt, ReadsAllTables) {
    const auto bytes = ext_of({8, xdp_, 1, 16, function_},
                              {16, xdp_, 2, 0, file_, text_, (7U << 10U) | 3U, 8, file_, text_, 8U << 10U},
                              {16, xdp_, 1, 0, number_, 0, 0});
    const auto ext = parse_ext(bytes, types_);
    ASSERT_TRUE(ext) << ext.error().message();
    ASSERT_EQ(ext->functions.size(), 1U);
    EXPECT_EQ(ext->functions[0].section, "xdp");
    EXPECT_EQ(ext->functions[0].offset, 16U);
    EXPECT_EQ(ext->functions[0].type, function_);
    ASSERT_EQ(ext->lines.size(), 1U);
    ASSERT_EQ(ext->lines[0].lines.size(), 2U);
    EXPECT_EQ(ext->lines[0].lines[0].file, "prog.c");
    EXPECT_EQ(ext->lines[0].lines[0].text, "  return 0;");
    EXPECT_EQ(ext->lines[0].lines[0].line, 7U);
    EXPECT_EQ(ext->lines[0].lines[0].column, 3U);
    EXPECT_EQ(ext->lines[0].lines[1].offset, 8U);
    ASSERT_EQ(ext->relocations.size(), 1U);
    EXPECT_EQ(ext->relocations[0].count, 1U);
}

TEST_F(BtfExt, StepsByTheRecordSizeOfTheFile) {
    const auto bytes =
        ext_of({}, {20, xdp_, 2, 0, file_, text_, 1U << 10U, 99, 8, file_, text_, 2U << 10U, 99}, {});
    const auto ext = parse_ext(bytes, types_);
    ASSERT_TRUE(ext) << ext.error().message();
    EXPECT_EQ(ext->lines[0].lines[1].offset, 8U);
    EXPECT_EQ(ext->lines[0].lines[1].line, 2U);
}

TEST_F(BtfExt, RefusesWrongTables) {
    expect_refused(ext_of({4, xdp_, 1, 16, function_}, {}, {}), Status::Malformed,
                   "func_info: record size 4");
    expect_refused(ext_of({}, {0, xdp_, 1}, {}), Status::Malformed, "line_info: record size 0");
    expect_refused(ext_of({}, {260, xdp_, 1}, {}), Status::Malformed, "line_info: record size 260");
    expect_refused(ext_of({8, xdp_, 2, 16, function_}, {}, {}), Status::Truncated,
                   "section 'xdp': 2 records");
    expect_refused(ext_of({8, xdp_, 0xffffffff, 16, function_}, {}, {}), Status::Truncated,
                   "4294967295 records");
    expect_refused(ext_of({8, xdp_, 0}, {}, {}), Status::Malformed, "has no records");
    expect_refused(ext_of({8, xdp_}, {}, {}), Status::Truncated, "block header at offset 4");
    expect_refused(ext_of({8, 5000, 1, 16, function_}, {}, {}), Status::Malformed, "string offset 5000");
    expect_refused(ext_of({8, xdp_, 1, 16, number_}, {}, {}), Status::Malformed, "which is no function");
    expect_refused(ext_of({8, xdp_, 1, 16, 77}, {}, {}), Status::NotFound, "type 77");
    expect_refused(ext_of({}, {16, xdp_, 1, 0, 9999, text_, 0}, {}), Status::Malformed, "string offset 9999");
}

TEST_F(BtfExt, RefusesWrongHeaders) {
    const Bytes good = ext_of({8, xdp_, 1, 16, function_}, {}, {});
    const auto with = [&](std::size_t offset, auto value) {
        Bytes bytes = good;
        ebpf::testing::patch(bytes, offset, value);
        return bytes;
    };
    expect_refused(with(0, std::uint16_t{1}), Status::NotSupported, "magic 0x0001");
    expect_refused(with(2, std::uint8_t{9}), Status::NotSupported, "version 9");
    expect_refused(with(4, std::uint32_t{20}), Status::Malformed, "header size 20");
    expect_refused(with(4, std::uint32_t{9999}), Status::Malformed, "header size 9999");
    expect_refused(with(8, std::uint32_t{0xfffffff0}), Status::Truncated,
                   "func_info: 20 bytes at offset 4294967312");
    expect_refused(with(20, std::uint32_t{0xffffffff}), Status::Truncated, "line_info: 4294967295 bytes");
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(parse_ext(std::span(good).first(size), types_)) << size;
    }
}

TEST_F(BtfExt, ReadsHeadersWithoutRelocations) {
    Bytes bytes;
    append(bytes, std::uint32_t{0x0001eb9f});
    for (const std::uint32_t word : {24U, 0U, 0U, 0U, 0U}) append(bytes, word);
    const auto ext = parse_ext(bytes, types_);
    ASSERT_TRUE(ext) << ext.error().message();
    EXPECT_TRUE(ext->relocations.empty());
}

TEST(BtfExtOfCompilers, HasLinesOfEverySection) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/linked.o");
    const auto file = elf::File::parse(bytes);
    ASSERT_TRUE(file);
    const auto types = Types::parse((*file->find_section(".BTF"))->bytes);
    ASSERT_TRUE(types);
    const auto ext = parse_ext((*file->find_section(".BTF.ext"))->bytes, *types);
    ASSERT_TRUE(ext) << ext.error().message();
    std::vector<std::string_view> sections;
    for (const auto& block : ext->lines) sections.push_back(block.section);
    EXPECT_THAT(sections, ::testing::UnorderedElementsAre(".text", "xdp", "socket"));
    EXPECT_EQ(ext->functions.size(), 6U);
    EXPECT_TRUE(ext->relocations.empty());
}

}  // namespace
}  // namespace ebpf::btf
