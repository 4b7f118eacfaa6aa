// SPDX-License-Identifier: MIT
#include "states.hpp"

namespace ebpf::check {
namespace {

std::vector<State> samples() {
    std::vector<State> states;
    states.push_back(make_state({}));
    states.push_back(make_state({number(3), range(0, 10), packet(14), make_pointer(Kind::Context)}));
    states.push_back(make_state({range(0, 255, 7), range(0, 255, 7), moved_packet(4, 60, 9)}));
    states.push_back(make_state({maybe_null(1, 3), maybe_null(1, 3), map_value(0, 8)}));
    State spilled = make_state({number(1)});
    put(spilled, 504, 8, make_pointer(Kind::Context));
    put(spilled, 500, 4, range(0, 99));
    EXPECT_TRUE(spilled.prove_bytes(Kind::Packet, 0, 14));
    states.push_back(std::move(spilled));
    return states;
}

TEST(Entail, IsReflexiveAndUnusableIsTop) {
    for (const State& state : samples()) {
        EXPECT_TRUE(entails(state, state));
        State copy;
        ASSERT_TRUE(copy.copy_from(state));
        EXPECT_TRUE(entails(state, copy));
        EXPECT_EQ(state.hash(), copy.hash());
        EXPECT_TRUE(entails(state, make_state({})));
    }
}

TEST(Entail, RangesAreContained) {
    EXPECT_TRUE(entails(make_state({number(3)}), make_state({range(0, 10)})));
    EXPECT_FALSE(entails(make_state({range(0, 10)}), make_state({number(3)})));
    EXPECT_FALSE(entails(make_state({range(0, 11)}), make_state({range(0, 10)})));
    EXPECT_FALSE(entails(make_state({}), make_state({range(0, 10)})));
}

TEST(Entail, EqualityMustHoldInTheSmallerState) {
    const State equal = make_state({range(0, 9, 1), range(0, 9, 1)});
    const State unrelated = make_state({range(0, 9), range(0, 9)});
    EXPECT_TRUE(entails(equal, unrelated));
    EXPECT_FALSE(entails(unrelated, equal));
    EXPECT_TRUE(entails(make_state({number(4), number(4)}), equal));
    EXPECT_FALSE(entails(make_state({number(4), number(5)}), equal));
    EXPECT_FALSE(entails(make_state({range(0, 9, 1), range(0, 9, 2)}), equal));
}

TEST(Entail, NullnessIsSharedByOneId) {
    const State shared = make_state({maybe_null(1, 5), maybe_null(1, 5)});
    EXPECT_TRUE(entails(make_state({maybe_null(1, 8), maybe_null(1, 8)}), shared));
    EXPECT_FALSE(entails(make_state({maybe_null(1, 8), maybe_null(1, 9)}), shared));
    EXPECT_TRUE(entails(make_state({map_value(1), map_value(1)}), shared));
    EXPECT_TRUE(entails(make_state({number(0), number(0)}), shared));
    EXPECT_FALSE(entails(make_state({map_value(1), number(0)}), shared));
    EXPECT_FALSE(entails(make_state({map_value(2), map_value(2)}), shared));
    EXPECT_FALSE(entails(make_state({map_value(1, 4), map_value(1, 4)}), shared));
    EXPECT_FALSE(entails(shared, make_state({map_value(1), map_value(1)})));
}

TEST(Entail, PacketFactsMustBeKnown) {
    State known = make_state({packet(0)});
    State unknown = make_state({packet(0)});
    ASSERT_TRUE(known.prove_bytes(Kind::Packet, 0, 14));
    EXPECT_TRUE(entails(known, unknown));
    EXPECT_FALSE(entails(unknown, known));
    State by_id = make_state({moved_packet(0, 60, 3)});
    State other = make_state({moved_packet(0, 60, 4)});
    ASSERT_TRUE(by_id.prove_bytes(Kind::Packet, 3, 8));
    EXPECT_FALSE(entails(other, by_id));
    ASSERT_TRUE(other.prove_bytes(Kind::Packet, 4, 9));
    EXPECT_TRUE(entails(other, by_id));
    EXPECT_FALSE(entails(by_id, other));
}

TEST(Entail, StackBytesAndCells) {
    State written = make_state({});
    written.active().set_written(504, 8, true);
    State cell = make_state({});
    put(cell, 504, 8, range(0, 9));
    EXPECT_TRUE(entails(written, make_state({})));
    EXPECT_FALSE(entails(make_state({}), written));
    EXPECT_TRUE(entails(cell, written));
    EXPECT_FALSE(entails(written, cell));
    State address = make_state({});
    put(address, 504, 8, make_pointer(Kind::Context));
    EXPECT_TRUE(entails(address, make_state({})));
    EXPECT_FALSE(entails(address, written)) << "the bytes could be read as a number";
}

Value record(std::uint32_t bytes, std::uint32_t id) {
    Value value = make_pointer(Kind::Record);
    value.map = bytes;
    value.id = id;
    return value;
}

State holding(std::initializer_list<Value> values, std::initializer_list<Reference> references) {
    State state = make_state(values);
    for (const Reference& reference : references) EXPECT_TRUE(state.references.push_back(reference));
    return state;
}

TEST(Entail, BothHoldTheSameReferences) {
    const State one = holding({record(8, 5)}, {{5, 10, 0}});
    EXPECT_TRUE(entails(one, holding({record(8, 7)}, {{7, 10, 0}})));
    EXPECT_FALSE(entails(one, holding({record(8, 7)}, {{7, 10, 1}}))) << "held by another frame";
    EXPECT_FALSE(entails(one, holding({record(16, 7)}, {{7, 10, 0}})));
    EXPECT_FALSE(entails(one, make_state({Value{}}))) << "a leak would be forgotten";
    EXPECT_FALSE(entails(make_state({Value{}}), one));
    const State two = holding({record(8, 5), record(8, 6)}, {{5, 10, 0}, {6, 10, 0}});
    EXPECT_TRUE(entails(two, two));
    const State same = holding({record(8, 5), record(8, 5)}, {{5, 10, 0}, {6, 10, 0}});
    EXPECT_FALSE(entails(same, two)) << "two values of one reference are not two references";
    EXPECT_FALSE(entails(two, same));
}

TEST(Entail, ReleasedReferencesLeaveNothing) {
    State state = holding({record(8, 5), record(8, 6), record(8, 5)}, {{5, 10, 0}, {6, 11, 0}});
    put(state, 0, 8, record(8, 5));
    state.release(5, false);
    EXPECT_EQ(state.registers[0].kind, Kind::Unusable);
    EXPECT_EQ(state.registers[1].kind, Kind::Record);
    EXPECT_EQ(state.registers[2].kind, Kind::Unusable);
    EXPECT_TRUE(state.active().cells.empty());
    EXPECT_FALSE(state.active().is_written(0, 1)) << "the address must not be read as a number";
    ASSERT_EQ(state.references.size(), 1U);
    EXPECT_EQ(state.references[0].slot, 11U);
}

TEST(Entail, NormalisedReferencesFollowTheirValues) {
    State a = holding({record(8, 9), record(4, 3)}, {{3, 10, 0}, {9, 11, 0}});
    State b = holding({record(8, 2), record(4, 7)}, {{2, 11, 0}, {7, 10, 0}});
    ASSERT_TRUE(a.normalise());
    ASSERT_TRUE(b.normalise());
    EXPECT_EQ(a.hash(), b.hash());
    EXPECT_EQ(a.references[0], b.references[0]);
    EXPECT_EQ(a.references[1], b.references[1]);
    State lost = holding({Value{}}, {{50, 10, 0}});
    ASSERT_TRUE(lost.normalise());
    EXPECT_EQ(lost.references[0].id, 1U);
    EXPECT_EQ(lost.next_id, 2U);
}

TEST(Join, KeepsReferencesOfBoth) {
    const State a = holding({record(8, 5), record(8, 6)}, {{5, 10, 0}, {6, 11, 0}});
    const State b = holding({record(8, 1), record(8, 1)}, {{1, 10, 0}, {2, 11, 0}});
    ASSERT_TRUE(are_joinable(a, b));
    State out;
    ASSERT_EQ(join(a, b, out), Status::Ok);
    EXPECT_EQ(out.registers[0].kind, Kind::Record);
    EXPECT_EQ(out.registers[0].id, out.references[0].id);
    EXPECT_EQ(out.registers[1].kind, Kind::Unusable) << "it stands for different references";
    EXPECT_NE(out.references[0].id, out.references[1].id);
    EXPECT_TRUE(entails(a, out));
    EXPECT_TRUE(entails(b, out));
    EXPECT_FALSE(are_joinable(a, holding({}, {{5, 10, 0}})));
    EXPECT_FALSE(are_joinable(a, holding({}, {{5, 10, 0}, {6, 12, 0}})));
    EXPECT_FALSE(are_joinable(a, holding({}, {{5, 10, 0}, {6, 11, 1}})));
}

}  // namespace
}  // namespace ebpf::check
