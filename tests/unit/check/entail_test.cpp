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

}  // namespace
}  // namespace ebpf::check
