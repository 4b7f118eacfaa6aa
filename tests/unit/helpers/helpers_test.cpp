// SPDX-License-Identifier: MIT
// Helpers by their bindings: maps, tail calls, the host's services, moving the packet's start.
#include "helpers/helpers.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "ebpf/contexts.h"
#include "epoch/epoch.hpp"
#include "helpers/tail_target.hpp"
#include "maps/map.hpp"
#include "spec/helpers.hpp"
#include "spec/instructions.hpp"

namespace ebpf::helpers {
namespace {

std::uint64_t call(spec::HelperId id, engine::Invocation& invocation, std::uint64_t r1 = 0,
                   std::uint64_t r2 = 0, std::uint64_t r3 = 0, std::uint64_t r4 = 0) {
    for (const engine::HelperBinding& binding : bindings()) {
        if (binding.id == static_cast<std::uint32_t>(id))
            return binding.function(r1, r2, r3, r4, 0, invocation);
    }
    ADD_FAILURE() << "no binding for helper " << static_cast<std::uint32_t>(id);
    return 0;
}

std::uint64_t address(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}
std::int64_t as_signed(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

TEST(Bindings, CoverTheTable) {
    std::set<std::uint32_t> bound;
    for (const engine::HelperBinding& binding : bindings()) {
        bound.insert(binding.id);
        const spec::HelperSpec* row = spec::find_helper(binding.id);
        ASSERT_NE(row, nullptr);
        EXPECT_EQ(binding.is_tail_call, row->effects.tail_call) << row->name;
        EXPECT_NE(binding.function, nullptr) << row->name;
    }
    EXPECT_EQ(bound.size(), spec::helpers().size());
}

/// What callbacks were called with; they return 1 once there are `most` of them.
struct Called {
    std::vector<std::array<std::uint64_t, 5>> arguments;
    std::size_t most = 1000;
    static std::uint64_t call_back(engine::Invocation& invocation, std::uint64_t code, std::uint64_t r1,
                                   std::uint64_t r2, std::uint64_t r3, std::uint64_t r4) noexcept {
        auto& self = *static_cast<Called*>(invocation.engine_state);
        self.arguments.push_back({code, r1, r2, r3, r4});
        return self.arguments.size() == self.most ? 1 : 0;
    }
};

TEST(Loop, CallsBackUntilToldToStop) {
    Called called;
    engine::Invocation invocation;
    invocation.call_back = Called::call_back;
    invocation.engine_state = &called;
    EXPECT_EQ(call(spec::HelperId::loop, invocation, 3, 77, 88, 0), 3U);
    const std::vector<std::array<std::uint64_t, 5>> expected{
        {77, 0, 88, 0, 0}, {77, 1, 88, 0, 0}, {77, 2, 88, 0, 0}};
    EXPECT_EQ(called.arguments, expected);
    called = {{}, 2};
    EXPECT_EQ(call(spec::HelperId::loop, invocation, 3, 77, 88, 0), 2U);
    called = {};
    EXPECT_EQ(call(spec::HelperId::loop, invocation, 0x100000000, 77, 88, 0), 0U)
        << "the count is 32 bits wide";
    EXPECT_EQ(as_signed(call(spec::HelperId::loop, invocation, 3, 77, 88, 1)), -22) << "flags";
    EXPECT_EQ(as_signed(call(spec::HelperId::loop, invocation, spec::kMaxLoops + 1, 77, 88, 0)), -7);
    EXPECT_TRUE(called.arguments.empty());
}

TEST(ForEachMapElem, CallsBackWithMapKeyAndValue) {
    epoch::Domain* domain = *epoch::Domain::create(1);
    maps::Map* map = *maps::Map::create(
        {.type = spec::MapType::Array, .key_size = 4, .value_size = 8, .max_entries = 3, .flags = 0},
        *domain);
    {
        const epoch::Guard guard(*domain, 0);
        Called called;
        engine::Invocation invocation;
        invocation.call_back = Called::call_back;
        invocation.engine_state = &called;
        const auto for_each = spec::HelperId::for_each_map_elem;
        EXPECT_EQ(call(for_each, invocation, address(map), 77, 88, 0), 3U);
        ASSERT_EQ(called.arguments.size(), 3U);
        for (std::uint32_t i = 0; i < 3; ++i) {
            EXPECT_EQ(called.arguments[i][0], 77U);
            EXPECT_EQ(called.arguments[i][1], address(map));
            EXPECT_EQ(called.arguments[i][3], address(map->lookup(&i)));
            EXPECT_EQ(called.arguments[i][4], 88U);
        }
        called = {{}, 1};
        EXPECT_EQ(call(for_each, invocation, address(map), 77, 88, 0), 1U);
        EXPECT_EQ(as_signed(call(for_each, invocation, address(map), 77, 88, 4)), -22) << "flags";
        EXPECT_EQ(called.arguments.size(), 1U);
    }
    maps::Map::destroy(map);
    epoch::Domain::destroy(domain);
}

TEST(Bindings, OfMapsLeadToTheirValues) {
    epoch::Domain* domain = *epoch::Domain::create(1);
    for (const spec::MapType type : {spec::MapType::Array, spec::MapType::Hash}) {
        const spec::MapShape shape{
            .type = type, .key_size = 4, .value_size = 12, .max_entries = 4, .flags = 0};
        maps::Map* map = *maps::Map::create(shape, *domain);
        {
            const epoch::Guard guard(*domain, 0);
            const std::uint32_t key = 3;
            const char value[12] = "twelve byte";
            ASSERT_EQ(map->update(&key, value, spec::kUpdateAny), Status::Ok);
            const engine::MapBinding binding = bind_map(*map);
            EXPECT_EQ(binding.handle, address(map));
            EXPECT_EQ(binding.shape, shape);
            const void* found = binding.lookup(binding.handle, &key);
            EXPECT_EQ(found, map->lookup(&key));
            EXPECT_STREQ(static_cast<const char*>(found), value);
            const bool is_array = type == spec::MapType::Array;
            EXPECT_EQ(binding.element_stride, is_array ? 16U : 0U);
            EXPECT_EQ(binding.value_address, is_array ? address(found) - 3U * 16U : 0U);
        }
        maps::Map::destroy(map);
    }
    epoch::Domain::destroy(domain);
}

class MapHelpers : public testing::Test {
  protected:
    MapHelpers() : domain_(*epoch::Domain::create(1)), guard_(*domain_, 0) {}
    ~MapHelpers() override {
        domain_->leave(0);
        domain_->synchronise();  // deleted elements lie in the maps' memory until they are collected
        for (maps::Map* map : made_) maps::Map::destroy(map);
        epoch::Domain::destroy(domain_);
    }

    maps::Map& make(spec::MapType type, std::uint32_t max_entries) {
        spec::MapShape shape;
        shape.type = type;
        shape.key_size = 4;
        shape.value_size = type == spec::MapType::ProgArray ? 4 : 8;
        shape.max_entries = max_entries;
        maps::Map* map = *maps::Map::create(shape, *domain_);
        made_.push_back(map);
        return *map;
    }

    struct Inside {
        Inside(epoch::Domain& domain, epoch::Slot slot) { domain.enter(slot); }
    };

    epoch::Domain* domain_;
    Inside guard_;
    std::vector<maps::Map*> made_;
    engine::Invocation invocation_;
};

TEST_F(MapHelpers, StoreFindAndDelete) {
    maps::Map& map = make(spec::MapType::Hash, 2);
    const std::uint32_t key = 5;
    const std::uint64_t value = 0x1122334455667788;
    using enum spec::HelperId;
    EXPECT_EQ(call(map_lookup_elem, invocation_, address(&map), address(&key)), 0U);
    EXPECT_EQ(as_signed(call(map_update_elem, invocation_, address(&map), address(&key), address(&value), 2)),
              -2);
    EXPECT_EQ(call(map_update_elem, invocation_, address(&map), address(&key), address(&value), 0), 0U);
    EXPECT_EQ(as_signed(call(map_update_elem, invocation_, address(&map), address(&key), address(&value), 1)),
              -17);
    EXPECT_EQ(as_signed(call(map_update_elem, invocation_, address(&map), address(&key), address(&value), 3)),
              -22);
    const std::uint64_t found = call(map_lookup_elem, invocation_, address(&map), address(&key));
    ASSERT_NE(found, 0U);
    EXPECT_EQ(*reinterpret_cast<const std::uint64_t*>(found), value);
    EXPECT_EQ(call(map_delete_elem, invocation_, address(&map), address(&key)), 0U);
    EXPECT_EQ(as_signed(call(map_delete_elem, invocation_, address(&map), address(&key))), -2);
}

TEST_F(MapHelpers, FullHashRefuses) {
    maps::Map& map = make(spec::MapType::Hash, 1);
    const std::uint32_t keys[] = {1, 2};
    const std::uint64_t value = 1;
    using enum spec::HelperId;
    EXPECT_EQ(call(map_update_elem, invocation_, address(&map), address(&keys[0]), address(&value), 0), 0U);
    EXPECT_EQ(
        as_signed(call(map_update_elem, invocation_, address(&map), address(&keys[1]), address(&value), 0)),
        -7);
}

TEST_F(MapHelpers, ArrayElementsCannotBeDeleted) {
    maps::Map& map = make(spec::MapType::Array, 2);
    const std::uint32_t key = 1;
    EXPECT_EQ(as_signed(call(spec::HelperId::map_delete_elem, invocation_, address(&map), address(&key))),
              -22);
}

TEST_F(MapHelpers, TailCallNamesTheImage) {
    maps::Map& map = make(spec::MapType::ProgArray, 2);
    engine::Image image;
    TailTarget target;
    target.image = &image;
    ASSERT_TRUE(maps::exchange_program(map, 1, &target, 77));
    using enum spec::HelperId;

    EXPECT_EQ(call(tail_call, invocation_, 0, address(&map), 1), 0U);
    EXPECT_EQ(invocation_.tail_target, &image);
    // Only 32 bits of the index count.
    EXPECT_EQ(call(tail_call, invocation_, 0, address(&map), 0x1'0000'0001), 0U);
    EXPECT_EQ(invocation_.tail_target, &image);
    EXPECT_EQ(invocation_.tail_calls, 2U);

    for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{0xffffffff}}) {
        EXPECT_EQ(as_signed(call(tail_call, invocation_, 0, address(&map), index)), -22) << index;
        EXPECT_EQ(invocation_.tail_target, nullptr);
        EXPECT_EQ(invocation_.tail_calls, 2U) << "only those that are made count";
    }

    invocation_.tail_calls = spec::kMaxTailCalls - 1;
    EXPECT_EQ(call(tail_call, invocation_, 0, address(&map), 1), 0U);
    invocation_.tail_calls = spec::kMaxTailCalls;
    EXPECT_EQ(as_signed(call(tail_call, invocation_, 0, address(&map), 1)), -40);
    EXPECT_EQ(invocation_.tail_target, nullptr);
    ASSERT_TRUE(maps::exchange_program(map, 1, nullptr, 0));
}

TEST(Services, AreAskedWithTheirOwner) {
    engine::Services services;
    int owner = 0;
    services.owner = &owner;
    services.monotonic_ns = [](void* who) noexcept -> std::uint64_t {
        ++*static_cast<int*>(who);
        return 0x1234567890abcdef;
    };
    services.random_u32 = [](void* who, engine::Invocation& invocation) noexcept -> std::uint32_t {
        *static_cast<int*>(who) += 10;
        return 0xfedcba98U + invocation.slot;
    };
    engine::Invocation invocation;
    invocation.services = &services;
    invocation.slot = 5;
    EXPECT_EQ(call(spec::HelperId::ktime_get_ns, invocation), 0x1234567890abcdefU);
    EXPECT_EQ(call(spec::HelperId::get_prandom_u32, invocation), 0xfedcba9dU);
    EXPECT_EQ(call(spec::HelperId::get_smp_processor_id, invocation), 5U);
    EXPECT_EQ(owner, 11);
}

TEST(CurrentTask, IsTheHooksOrTheServices) {
    engine::Services services;
    services.current_task = [](void*, engine::TaskPart part, engine::Task& task) noexcept {
        if (part == engine::TaskPart::Ids) task.pid_tgid = 7;
        if (part == engine::TaskPart::User) task.uid_gid = 8;
        if (part == engine::TaskPart::Name) std::memcpy(task.name, "service", 8);
    };
    engine::Invocation invocation;
    invocation.services = &services;
    std::array<char, 20> name{};
    name.fill('x');
    const auto comm = spec::HelperId::get_current_comm;
    EXPECT_EQ(call(spec::HelperId::get_current_pid_tgid, invocation), 7U);
    EXPECT_EQ(call(spec::HelperId::get_current_uid_gid, invocation), 8U);
    EXPECT_EQ(call(comm, invocation, address(name.data()), name.size()), 0U);
    EXPECT_EQ(std::string(name.data(), name.size()), std::string("service").append(13, '\0'));
    const engine::Task other{.pid_tgid = 1, .uid_gid = 2, .name = "0123456789abcde"};
    invocation.task = &other;
    EXPECT_EQ(call(spec::HelperId::get_current_pid_tgid, invocation), 1U);
    EXPECT_EQ(call(spec::HelperId::get_current_uid_gid, invocation), 2U);
    EXPECT_EQ(call(comm, invocation, address(name.data()), 16), 0U);
    EXPECT_STREQ(name.data(), "0123456789abcde");
    EXPECT_EQ(call(comm, invocation, address(name.data()), 4), 0U);
    EXPECT_EQ(std::string(name.data(), 5), std::string("012\0004", 5))
        << "cut, and nothing behind is touched";
    EXPECT_EQ(call(comm, invocation, address(name.data()), 1), 0U);
    EXPECT_EQ(name[0], '\0');
}

class AdjustHead : public testing::Test {
  protected:
    static constexpr std::size_t kHeadroom = 32;
    static constexpr std::size_t kPacket = 64;

    AdjustHead() {
        for (std::size_t i = 0; i < buffer_.size(); ++i) buffer_[i] = static_cast<std::uint8_t>(i);
        context_.data_hard_start = buffer_.data();
        context_.data = context_.data_meta = buffer_.data() + kHeadroom;
        context_.data_end = context_.data + kPacket;
        context_.frame_end = context_.data_end;
    }

    std::int64_t adjust(std::uint64_t delta) {
        return as_signed(call(spec::HelperId::xdp_adjust_head, invocation_, address(&context_), delta));
    }
    std::ptrdiff_t start() const { return context_.data - buffer_.data(); }

    std::array<std::uint8_t, kHeadroom + kPacket> buffer_{};
    ebpf_xdp_context context_{};
    engine::Invocation invocation_;
};

TEST_F(AdjustHead, MovesWithinItsBounds) {
    EXPECT_EQ(adjust(static_cast<std::uint64_t>(-32)), 0);
    EXPECT_EQ(start(), 0);
    EXPECT_EQ(adjust(32 + kPacket - 14), 0);
    EXPECT_EQ(context_.data_end - context_.data, 14);
    EXPECT_EQ(context_.data_meta, context_.data);
}

TEST_F(AdjustHead, RefusesWhatLeavesThem) {
    const ebpf_xdp_context before = context_;
    for (const std::int64_t delta :
         {std::int64_t{-33}, std::int64_t{kPacket} - 13, std::int64_t{INT32_MAX}, std::int64_t{INT32_MIN}}) {
        EXPECT_EQ(adjust(static_cast<std::uint64_t>(delta)), -22) << delta;
        EXPECT_EQ(std::memcmp(&before, &context_, sizeof before), 0) << delta;
    }
}

TEST_F(AdjustHead, TakesDeltaAs32BitNumber) {
    EXPECT_EQ(adjust(0xffff'ffff), 0);  // -1
    EXPECT_EQ(start(), 31);
    EXPECT_EQ(adjust(0x7'0000'0001), 0);  // 1
    EXPECT_EQ(start(), 32);
}

TEST_F(AdjustHead, ShortPacketCannotShrink) {
    context_.data_end = context_.data + 10;
    EXPECT_EQ(adjust(0), -22);
    EXPECT_EQ(adjust(1), -22);
    EXPECT_EQ(adjust(static_cast<std::uint64_t>(-4)), 0);
}

TEST_F(AdjustHead, MovesMetadataAlong) {
    context_.data_meta -= 4;  // bytes 28..31
    EXPECT_EQ(adjust(static_cast<std::uint64_t>(-29)), -22) << "the metadata must fit too";
    EXPECT_EQ(adjust(static_cast<std::uint64_t>(-28)), 0);
    EXPECT_EQ(context_.data_meta, buffer_.data());
    EXPECT_EQ(context_.data - context_.data_meta, 4);
    EXPECT_EQ(buffer_[0], 28);
    EXPECT_EQ(buffer_[3], 31);
    EXPECT_EQ(adjust(2), 0);  // overlapping
    EXPECT_EQ(buffer_[2], 28);
    EXPECT_EQ(buffer_[5], 31);
}

}  // namespace
}  // namespace ebpf::helpers
