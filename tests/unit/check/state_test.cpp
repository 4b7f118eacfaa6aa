// SPDX-License-Identifier: MIT
#include "states.hpp"

namespace ebpf::check {
namespace {

TEST(State, NormaliseRenumbersAndDropsWhatTiesNothing) {
    State a = make_state({range(0, 9, 40), range(0, 9, 40), range(0, 9, 50), moved_packet(0, 9, 60)});
    State b = make_state({range(0, 9, 7), range(0, 9, 7), range(0, 9, 8), moved_packet(0, 9, 3)});
    ASSERT_TRUE(a.prove_bytes(Kind::Packet, 60, 5));
    ASSERT_TRUE(a.prove_bytes(Kind::Packet, 61, 5));  // no pointer is left with this id
    ASSERT_TRUE(b.prove_bytes(Kind::Packet, 3, 5));
    ASSERT_TRUE(a.normalise());
    ASSERT_TRUE(b.normalise());
    EXPECT_EQ(a.hash(), b.hash());
    EXPECT_TRUE(entails(a, b));
    EXPECT_TRUE(entails(b, a));
    EXPECT_EQ(a.registers[2].id, 0U);
    EXPECT_NE(a.registers[3].id, 0U);
    EXPECT_EQ(a.facts.size(), 1U);
    EXPECT_EQ(a.registers[0].id, a.registers[1].id);
}

TEST(State, ForgettingPartOfAPointerHidesTheRest) {
    State state = make_state({});
    put(state, 504, 8, make_pointer(Kind::Context));
    state.active().forget(504, 4, true);
    state.active().set_written(504, 4, true);
    EXPECT_TRUE(state.active().is_written(504, 4));
    EXPECT_EQ(state.active().first_unwritten(504, 8), 508U);
    EXPECT_EQ(state.active().find(504), nullptr);
}

TEST(State, AWriteThatMayMissLeavesNoReadableAddress) {
    State state = make_state({});
    put(state, 504, 8, make_pointer(Kind::Context));
    put(state, 496, 8, number(3));
    state.active().forget(496, 16, false);
    EXPECT_FALSE(state.active().is_written(504, 1));
    EXPECT_TRUE(state.active().is_written(496, 8));
    EXPECT_TRUE(state.active().cells.empty());
}

TEST(State, DroppingThePacketReachesEveryPlace) {
    State state = make_state({packet(0), number(1), make_pointer(Kind::PacketEnd)});
    put(state, 504, 8, packet(4));
    state.frames[0].saved[1] = packet(0);
    ASSERT_TRUE(state.prove_bytes(Kind::Packet, 0, 14));
    state.drop_packet();
    EXPECT_EQ(state.registers[0].kind, Kind::Unusable);
    EXPECT_EQ(state.registers[1].kind, Kind::Scalar);
    EXPECT_EQ(state.registers[2].kind, Kind::Unusable);
    EXPECT_EQ(state.frames[0].saved[1].kind, Kind::Unusable);
    EXPECT_FALSE(state.active().is_written(504, 8));
    EXPECT_TRUE(state.facts.empty());
}

TEST(State, OffsetSpanIsBoundedBothWays) {
    Value value = packet(4);
    EXPECT_TRUE(offset_span(value).is_bounded);
    EXPECT_EQ(offset_span(value).low, 4);
    value.number = domains::Scalar::unknown();
    EXPECT_FALSE(offset_span(value).is_bounded);
    value.number = domains::Scalar::unsigned_range(0, std::uint64_t{1} << 29U);
    EXPECT_FALSE(offset_span(value).is_bounded);
    value.number = domains::Scalar::signed_range(-8, 8);
    EXPECT_EQ(offset_span(value).low, -4);
    EXPECT_EQ(offset_span(value).high, 12);
}

}  // namespace
}  // namespace ebpf::check
