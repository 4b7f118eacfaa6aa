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
    EXPECT_EQ(find_section("cgroup/bind4")->type, ProgramType::CgroupSockAddr);
    EXPECT_EQ(find_section("cgroup/bind4/x"), nullptr) << "libbpf matches these names whole";
    EXPECT_EQ(find_section("cgroup/bind"), nullptr);
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

TEST(AttachTypes, SelectWhatAProgramIsVerifiedFor) {
    EXPECT_EQ(attach_mask(ProgramType::Xdp, 37), kAnyAttach);
    EXPECT_EQ(attach_mask(ProgramType::Memory, 0), kAnyAttach);
    EXPECT_EQ(attach_mask(ProgramType::CgroupSockAddr, 0), 0U);
    EXPECT_EQ(attach_mask(ProgramType::CgroupSockAddr, 37), 0U);
    AttachTypeMask all = 0;
    for (const AttachTypeSpec& row : attach_types()) {
        const AttachTypeMask bit = attach_mask(row.program, static_cast<std::uint32_t>(row.type));
        EXPECT_EQ(bit, attach_bit(row.type)) << row.name;
        EXPECT_EQ(all & bit, 0U) << row.name;
        EXPECT_EQ(find_attach_type(row.name), &row);
        EXPECT_EQ(find_attach_type(bit), &row);
        const ProgramTypeSpec& type = *find_program_type(static_cast<std::uint32_t>(row.program));
        EXPECT_GE(row.return_min, type.return_min) << row.name;
        EXPECT_LE(row.return_min, type.return_max) << row.name;
        EXPECT_STRNE(row.hook, "") << row.name;
        all |= bit;
    }
    EXPECT_EQ(find_attach_type(kAnyAttach), nullptr);
    EXPECT_EQ(find_attach_type(AttachTypeMask{0}), nullptr);
    EXPECT_EQ(find_attach_type(all), nullptr);
    EXPECT_EQ(find_attach_type("cgroup"), nullptr);
}

TEST(ContextFields, WordsAreFoundBeforePairs) {
    EXPECT_STREQ(find_context_field(ContextId::SockAddr, 12, 4)->name, "user_ip6_1");
    EXPECT_STREQ(find_context_field(ContextId::SockAddr, 22, 2)->name, "user_ip6_3");
    EXPECT_STREQ(find_context_field(ContextId::SockAddr, 8, 8)->name, "user_ip6_01");
    EXPECT_EQ(find_context_field(ContextId::SockAddr, 12, 8), nullptr);
    EXPECT_EQ(find_context_field(ContextId::SockAddr, 64, 8), nullptr)
        << "no program gets the socket's address";
}

TEST(ContextFields, LieInsideBothStructuresAndDoNotOverlap) {
    for (const ContextField& field : context_fields()) {
        const ContextSpec& context = context_spec(field.context);
        EXPECT_LE(field.offset + field.size, context.bytes) << field.name;
        EXPECT_LE(field.host_offset + field.host_size, context.host_bytes) << field.name;
        if (is_number(field.meaning)) {
            EXPECT_LE(field.host_size, field.size) << field.name;
        } else {
            EXPECT_EQ(field.host_size, 8U) << field.name;
        }
        for (const ContextField& other : context_fields()) {
            if (&field == &other || field.context != other.context) continue;
            // A row for wide accesses covers two others.
            if (field.size == 8 || other.size == 8) continue;
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
