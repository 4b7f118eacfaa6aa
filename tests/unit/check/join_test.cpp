// SPDX-License-Identifier: MIT
#include "states.hpp"

namespace ebpf::check {
namespace {

State joined(const State& a, const State& b) {
    State out;
    EXPECT_EQ(join(a, b, out), Status::Ok);
    EXPECT_TRUE(entails(a, out));
    EXPECT_TRUE(entails(b, out));
    EXPECT_TRUE(out.normalise());
    EXPECT_TRUE(entails(a, out));
    EXPECT_TRUE(entails(b, out));
    return out;
}

TEST(Join, NumbersWiden) {
    const State out = joined(make_state({number(1), number(5)}), make_state({number(3), number(5)}));
    EXPECT_EQ(out.registers[0].number.umin(), 1U);
    EXPECT_EQ(out.registers[0].number.umax(), 3U);
    EXPECT_TRUE(is_exactly(out.registers[1].number, 5));
}

TEST(Join, EqualityOfBothSidesSurvives) {
    const State out =
        joined(make_state({number(1), number(1), number(7)}), make_state({number(3), number(3), number(8)}));
    EXPECT_NE(out.registers[0].id, 0U);
    EXPECT_EQ(out.registers[0].id, out.registers[1].id);
    EXPECT_NE(out.registers[0].id, out.registers[2].id);
    const State lost = joined(make_state({number(1), number(1)}), make_state({number(3), number(4)}));
    EXPECT_EQ(lost.registers[0].id, 0U);
}

TEST(Join, NullAndAddressMakeMaybeNull) {
    const State out = joined(make_state({map_value(1), map_value(1)}), make_state({number(0), number(0)}));
    EXPECT_EQ(out.registers[0].kind, Kind::MapValueOrNull);
    EXPECT_EQ(out.registers[0].id, out.registers[1].id);
    const State apart = joined(make_state({map_value(1), number(0)}), make_state({number(0), map_value(1)}));
    EXPECT_EQ(apart.registers[0].kind, Kind::MapValueOrNull);
    EXPECT_NE(apart.registers[0].id, apart.registers[1].id);
    EXPECT_EQ(joined(make_state({map_value(1)}), make_state({number(3)})).registers[0].kind, Kind::Unusable);
    EXPECT_EQ(joined(make_state({maybe_null(1, 2)}), make_state({map_value(2)})).registers[0].kind,
              Kind::Unusable);
}

TEST(Join, DifferentKindsBecomeUnusable) {
    const State out =
        joined(make_state({packet(0), number(1)}), make_state({make_pointer(Kind::Context), number(1)}));
    EXPECT_EQ(out.registers[0].kind, Kind::Unusable);
    EXPECT_EQ(out.registers[1].kind, Kind::Scalar);
}

TEST(Join, PacketProofsShrinkToWhatBothKnow) {
    State a = make_state({packet(14)});
    State b = make_state({packet(18)});
    ASSERT_TRUE(a.prove_bytes(Kind::Packet, 0, 34));
    ASSERT_TRUE(b.prove_bytes(Kind::Packet, 0, 42));
    const State out = joined(a, b);
    EXPECT_EQ(out.facts[0].id, 0U);
    EXPECT_EQ(out.facts[0].bytes, 34);
    // a: 34 bytes from its number 0; b: number is 4, 42 from the start are 38 from it.
    ASSERT_EQ(out.facts.size(), 2U);
    EXPECT_EQ(out.facts[1].id, out.registers[0].id);
    EXPECT_EQ(out.facts[1].bytes, 34);
}

TEST(Join, StackKeepsWhatBothWrote) {
    State a = make_state({});
    State b = make_state({});
    put(a, 504, 8, number(1));
    put(b, 504, 8, number(2));
    put(a, 496, 8, make_pointer(Kind::Context));
    put(b, 496, 8, number(2));
    put(a, 488, 8, make_pointer(Kind::Context));
    put(b, 488, 8, make_pointer(Kind::Context));
    put(a, 480, 4, number(2));
    const State out = joined(a, b);
    const Frame& frame = out.active();
    EXPECT_EQ(frame.find(504)->value.number.umax(), 2U);
    EXPECT_FALSE(frame.is_written(496, 1)) << "an address on one side";
    EXPECT_EQ(frame.find(488)->value.kind, Kind::Context);
    EXPECT_FALSE(frame.is_written(480, 1));
    EXPECT_EQ(frame.find(480), nullptr);
}

TEST(Join, DistanceTellsKindsFromNumbers) {
    const State base = make_state({number(1), packet(0)});
    EXPECT_EQ(distance(base, base), 0U);
    EXPECT_LT(distance(base, make_state({number(2), packet(0)})),
              distance(base, make_state({number(1), number(2)})));
}

}  // namespace
}  // namespace ebpf::check
