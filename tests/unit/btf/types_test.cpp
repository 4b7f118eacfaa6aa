// SPDX-License-Identifier: MIT
// BTF types: resolving, sizes, and what is refused.
#include "btf/types.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "btf_builder.hpp"
#include "elf/file.hpp"
#include "load.hpp"

namespace ebpf::btf {
namespace {

using ::ebpf::testing::BtfBuilder;
using ::ebpf::testing::Bytes;
using ::ebpf::testing::patch;
using ::testing::HasSubstr;

// Offsets in the header.
constexpr std::size_t kTypeOffset = 8;
constexpr std::size_t kTypeBytes = 12;
constexpr std::size_t kStringOffset = 16;
constexpr std::size_t kStringBytes = 20;

void expect_refused(const Bytes& bytes, Status status, std::string_view message) {
    const auto types = Types::parse(bytes);
    ASSERT_FALSE(types) << message;
    EXPECT_EQ(types.error().status(), status) << types.error().message();
    EXPECT_THAT(types.error().message(), HasSubstr(message));
}

TEST(BtfTypes, FollowsTypedefsAndQualifiers) {
    BtfBuilder builder;
    const auto number = builder.add_int(4);
    const auto constant = builder.add(Kind::Const, "", 0, number);
    const auto twice = builder.add(Kind::Volatile, "", 0, constant);
    const auto name = builder.add(Kind::Typedef, "name_t", 0, twice);
    const auto bytes = builder.build();
    const auto types = Types::parse(bytes);
    ASSERT_TRUE(types) << types.error().message();
    EXPECT_EQ(types->count(), 5U);
    EXPECT_EQ(types->resolve(name)->id, number);
    EXPECT_EQ(types->name_of(*types->at(name)), "name_t");
    EXPECT_EQ(*types->size_of(name), 4U);
    EXPECT_EQ(types->at(5).error().status(), Status::NotFound);
}

TEST(BtfTypes, ComputesSizes) {
    BtfBuilder builder;
    const auto number = builder.add_int(2);
    const auto row = builder.add_array(number, 3);
    const auto grid = builder.add_array(row, 5);
    const auto record =
        builder.add_struct("record", 24, {{"grid", grid, 0}, {"next", builder.add_pointer(0), 128}});
    const auto bytes = builder.build();
    const auto types = Types::parse(bytes);
    ASSERT_TRUE(types) << types.error().message();
    EXPECT_EQ(*types->size_of(grid), 30U);
    EXPECT_EQ(*types->size_of(record), 24U);
    EXPECT_EQ(types->size_of(0).error().status(), Status::Malformed);
}

TEST(BtfTypes, ReadsMembersAndDataSections) {
    BtfBuilder builder;
    const auto number = builder.add_int(4);
    const auto record = builder.add_struct("record", 8, {{"first", number, 0}, {"second", number, 32}});
    const auto variable = builder.add_variable("flows", record);
    const auto section = builder.add_data_section(".maps", {variable});
    const auto bytes = builder.build();
    const auto types = Types::parse(bytes);
    ASSERT_TRUE(types) << types.error().message();
    const Type type = *types->at(record);
    ASSERT_EQ(type.count, 2U);
    EXPECT_EQ(types->member_of(type, 1).name, "second");
    EXPECT_EQ(types->member_of(type, 1).type, number);
    EXPECT_EQ(types->member_of(type, 1).bit_offset, 32U);
    const Type found = types->find_data_section(".maps");
    EXPECT_EQ(found.id, section);
    EXPECT_EQ(Types::variable_of(found, 0).type, variable);
    EXPECT_EQ(types->find_data_section(".data").kind, Kind::Void);
}

TEST(BtfTypes, AllowsCyclesThroughPointers) {
    BtfBuilder builder;
    const auto pointer = builder.add_pointer(2);
    builder.add_struct("node", 8, {{"next", pointer, 0}});
    EXPECT_TRUE(Types::parse(builder.build()));
}

TEST(BtfTypes, RefusesTypesThatContainThemselves) {
    BtfBuilder typedefs;
    typedefs.add(Kind::Typedef, "a", 0, 2);
    typedefs.add(Kind::Const, "", 0, 1);
    expect_refused(typedefs.build(), Status::Malformed, "contains itself");

    BtfBuilder structs;
    structs.add_struct("outer", 8, {{"inner", 2, 0}});
    structs.add_array(1, 1);
    expect_refused(structs.build(), Status::Malformed, "contains itself");

    BtfBuilder self;
    self.add(Kind::Volatile, "", 0, 1);
    expect_refused(self.build(), Status::Malformed, "type 1 contains itself");
}

TEST(BtfTypes, WalksLongChainsWithoutRecursion) {
    constexpr std::uint32_t kDepth = 200'000;
    BtfBuilder builder;
    for (std::uint32_t id = 1; id < kDepth; ++id) builder.add(Kind::Const, "", 0, id + 1);
    const auto last = builder.add_int(4);
    const auto bytes = builder.build();
    const auto types = Types::parse(bytes);
    ASSERT_TRUE(types) << types.error().message();
    EXPECT_EQ(types->resolve(1).error().status(), Status::LimitExceeded);
    EXPECT_EQ(types->resolve(last - kMaxResolveSteps)->id, last);
}

TEST(BtfTypes, RefusesSizesOfFourGigabytes) {
    BtfBuilder builder;
    const auto number = builder.add_int(4);
    const auto row = builder.add_array(number, 0x10000);
    const auto grid = builder.add_array(row, 0x10000);
    const auto bytes = builder.build();
    const auto types = Types::parse(bytes);
    ASSERT_TRUE(types);
    EXPECT_EQ(*types->size_of(row), 0x40000U);
    const auto size = types->size_of(grid);
    ASSERT_FALSE(size);
    EXPECT_THAT(size.error().message(), HasSubstr("4 GiB or more"));
}

TEST(BtfTypes, RefusesIdsAndNamesOutOfRange) {
    BtfBuilder pointer;
    pointer.add_pointer(9);
    expect_refused(pointer.build(), Status::Malformed, "type 1 refers to type 9 of 2");
    BtfBuilder element;
    element.add_array(7, 1);
    expect_refused(element.build(), Status::Malformed, "type 1 refers to type 7 of 2");
    BtfBuilder member;
    member.add_struct("record", 4, {{"field", 5, 0}});
    expect_refused(member.build(), Status::Malformed, "type 1 refers to type 5 of 2");
    BtfBuilder variable;
    variable.add_data_section(".maps", {3});
    expect_refused(variable.build(), Status::Malformed, "type 1 refers to type 3 of 2");

    BtfBuilder name;
    name.add_int(4);
    auto bytes = name.build();
    patch(bytes, 24, std::uint32_t{1000});
    expect_refused(bytes, Status::Malformed, "type 1 has its name at offset 1000 of 5 bytes");
}

TEST(BtfTypes, RefusesWrongHeaders) {
    BtfBuilder builder;
    builder.add_int(4);
    const Bytes good = builder.build();
    ASSERT_TRUE(Types::parse(good));
    const auto with = [&](std::size_t offset, auto value) {
        Bytes bytes = good;
        patch(bytes, offset, value);
        return bytes;
    };
    expect_refused(with(0, std::uint16_t{0x9feb}), Status::NotSupported, "magic 0x9feb");
    expect_refused(with(2, std::uint8_t{2}), Status::NotSupported, "version 2");
    expect_refused(with(3, std::uint8_t{1}), Status::NotSupported, "flags 0x1");
    expect_refused(with(4, std::uint32_t{8}), Status::Malformed, "header size 8");
    expect_refused(with(4, std::uint32_t{0xffffffff}), Status::Malformed, "header size 4294967295");
    expect_refused(with(kTypeOffset, std::uint32_t{2}), Status::Malformed, "not a multiple of 4");
    expect_refused(with(kTypeOffset, std::uint32_t{0xfffffffc}), Status::Truncated, "types of 16 bytes");
    expect_refused(with(kTypeBytes, std::uint32_t{0xffffffff}), Status::Truncated,
                   "types of 4294967295 bytes");
    expect_refused(with(kTypeBytes, std::uint32_t{13}), Status::Truncated, "needs 4 bytes");
    expect_refused(with(kTypeBytes, std::uint32_t{11}), Status::Truncated, "is cut off");
    expect_refused(with(kStringOffset, std::uint32_t{0xffffff00}), Status::Truncated, "strings of 5 bytes");
    expect_refused(with(kStringBytes, std::uint32_t{0}), Status::Malformed, "strings of 0 bytes");
    expect_refused(with(kStringBytes, std::uint32_t{3}), Status::Malformed, "begin and end with NUL");
    expect_refused(with(28, std::uint32_t{31U << 24U}), Status::NotSupported, "unknown kind 31");
    expect_refused(with(28, std::uint32_t{0}), Status::NotSupported, "unknown kind 0");
}

TEST(BtfTypes, RefusesEveryTruncation) {
    BtfBuilder builder;
    builder.add_struct("record", 8, {{"first", builder.add_int(4), 0}});
    const Bytes bytes = builder.build();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(Types::parse(std::span(bytes).first(size))) << size;
    }
}

TEST(BtfTypes, CutsLongStrings) {
    BtfBuilder builder;
    const auto id = builder.add(Kind::Typedef, std::string(kMaxStringBytes + 100, 'n'), 0, 0);
    const auto bytes = builder.build();
    const auto types = Types::parse(bytes);
    ASSERT_TRUE(types);
    EXPECT_EQ(types->name_of(*types->at(id)).size(), kMaxStringBytes);
}

TEST(BtfTypes, ReadsWhatCompilersEmit) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/linked.o");
    const auto file = elf::File::parse(bytes);
    ASSERT_TRUE(file);
    const auto types = Types::parse((*file->find_section(".BTF"))->bytes);
    ASSERT_TRUE(types) << types.error().message();
    const Type maps = types->find_data_section(".maps");
    EXPECT_EQ(maps.kind, Kind::DataSection);
    EXPECT_EQ(maps.count, 3U);
}

}  // namespace
}  // namespace ebpf::btf
