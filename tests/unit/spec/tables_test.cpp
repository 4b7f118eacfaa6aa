// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "spec/groups.hpp"
#include "spec/helpers.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::spec {
namespace {

TEST(Sections, ExactNameAndDottedOrSlashedSuffix) {
    ASSERT_NE(find_section("xdp"), nullptr);
    EXPECT_EQ(find_section("xdp")->type, ProgramType::Xdp);
    EXPECT_EQ(find_section("xdp/drop")->type, ProgramType::Xdp);
    EXPECT_EQ(find_section("xdp.frags")->type, ProgramType::Xdp);
    EXPECT_EQ(find_section("socket")->type, ProgramType::SocketFilter);
    EXPECT_EQ(find_section("socket1"), nullptr);
    EXPECT_EQ(find_section("xdpfoo"), nullptr);
    EXPECT_EQ(find_section(""), nullptr);
    EXPECT_EQ(find_section("kprobe/foo"), nullptr);
}

TEST(Groups, AreFoundByNameBothWays) {
    GroupSet all;
    for (const GroupSpec& row : groups()) {
        EXPECT_EQ(find_group(row.name), &row);
        EXPECT_STREQ(group_name(row.group), row.name);
        EXPECT_FALSE(all.has(row.group)) << row.name << " is listed twice";
        all = all.with(row.group);
    }
    EXPECT_EQ(all.bits, kAllGroups.bits);
    EXPECT_EQ(find_group("base33"), nullptr);
    EXPECT_EQ(find_group("base3"), nullptr);
    EXPECT_EQ(find_group(""), nullptr);
    EXPECT_STREQ(group_name(Group{}), "");
}

TEST(ContextFields, FoundOnlyWhenWhollyCovered) {
    const ContextField* start = find_context_field(ContextId::XdpMd, 0, 4);
    ASSERT_NE(start, nullptr);
    EXPECT_EQ(start->meaning, FieldMeaning::PacketStart);
    EXPECT_EQ(find_context_field(ContextId::XdpMd, 0, 8), nullptr);
    EXPECT_EQ(find_context_field(ContextId::XdpMd, 2, 4), nullptr);
    EXPECT_EQ(find_context_field(ContextId::XdpMd, -4, 4), nullptr);
    EXPECT_EQ(find_context_field(ContextId::XdpMd, 20, 4), nullptr);
    EXPECT_STREQ(find_context_field(ContextId::XdpMd, 13, 1)->name, "ingress_ifindex");
    EXPECT_EQ(find_context_field(ContextId::Memory, 0, 1), nullptr);
}

TEST(ContextFields, LieInsideBothStructuresAndDoNotOverlap) {
    for (const ContextField& field : context_fields()) {
        const ContextSpec& context = context_spec(field.context);
        EXPECT_LE(field.offset + field.size, context.bytes) << field.name;
        EXPECT_LE(field.host_offset + field.host_size, context.host_bytes) << field.name;
        EXPECT_EQ(field.host_size, field.meaning == FieldMeaning::Plain ? field.size : 8U) << field.name;
        for (const ContextField& other : context_fields()) {
            if (&field == &other || field.context != other.context) continue;
            EXPECT_TRUE(field.offset + field.size <= other.offset ||
                        other.offset + other.size <= field.offset)
                << field.name << " and " << other.name;
        }
    }
}

TEST(ProgramTypes, FoundByNumberAndName) {
    EXPECT_EQ(find_program_type(6)->type, ProgramType::Xdp);
    EXPECT_EQ(find_program_type("socket_filter")->type, ProgramType::SocketFilter);
    EXPECT_EQ(find_program_type(0), nullptr);
    EXPECT_EQ(find_program_type("nothing"), nullptr);
    EXPECT_EQ(program_bit(ProgramType::Unspecified), 0U);
    EXPECT_NE(program_bit(ProgramType::Xdp), program_bit(ProgramType::SocketFilter));
}

TEST(Helpers, MemoryArgumentsAreFollowedByTheirSize) {
    for (const HelperSpec& helper : helpers()) {
        EXPECT_EQ(find_helper(helper.id), &helper);
        bool is_map_seen = false;
        for (std::size_t i = 0; i < helper.arguments.size(); ++i) {
            const ArgKind kind = helper.arguments[i];
            const bool is_memory = kind == ArgKind::ReadMemory || kind == ArgKind::WriteMemory;
            const ArgKind next = i + 1 < helper.arguments.size() ? helper.arguments[i + 1] : ArgKind::None;
            EXPECT_EQ(is_memory, next == ArgKind::Size || next == ArgKind::SizeNonZero) << helper.name;
            is_map_seen = is_map_seen || kind == ArgKind::Map;
            if (kind == ArgKind::MapKey || kind == ArgKind::MapValue) {
                EXPECT_TRUE(is_map_seen) << helper.name;
            }
        }
        EXPECT_EQ(is_map_seen, helper.maps != kNoMaps) << helper.name;
        EXPECT_NE(helper.programs, 0U) << helper.name;
    }
    EXPECT_EQ(find_helper(0), nullptr);
}

TEST(MapTypes, FoundByNumber) {
    EXPECT_STREQ(find_map_type(2)->name, "array");
    EXPECT_EQ(find_map_type(0), nullptr);
}

}  // namespace
}  // namespace ebpf::spec
