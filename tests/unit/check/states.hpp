// SPDX-License-Identifier: MIT
// States and values to compare, for the tests of check/.
#pragma once

#include <gtest/gtest.h>

#include "check/entail.hpp"
#include "check/state.hpp"

namespace ebpf::check {

inline Value number(std::uint64_t value) {
    return make_scalar(domains::Scalar::constant(value));
}
inline Value range(std::uint64_t low, std::uint64_t high, std::uint32_t id = 0) {
    Value value = make_scalar(domains::Scalar::unsigned_range(low, high));
    value.id = id;
    return value;
}
inline Value packet(std::int64_t offset) {
    return make_pointer(Kind::Packet, offset);
}
inline Value moved_packet(std::int64_t offset, std::uint64_t most, std::uint32_t id) {
    Value value = packet(offset);
    value.number = domains::Scalar::unsigned_range(0, most);
    value.id = id;
    return value;
}
inline Value map_value(std::uint32_t map, std::int64_t offset = 0) {
    Value value = make_pointer(Kind::MapValue, offset);
    value.map = map;
    return value;
}
inline Value maybe_null(std::uint32_t map, std::uint32_t id) {
    Value value = make_pointer(Kind::MapValueOrNull);
    value.map = map;
    value.id = id;
    return value;
}

/// A state with one frame and r0.. set to `values`.
inline State make_state(std::initializer_list<Value> values) {
    State state;
    EXPECT_TRUE(state.frames.push_back(Frame{}));
    std::size_t reg = 0;
    for (const Value& value : values) state.registers[reg++] = value;
    state.next_id = 100;
    return state;
}

inline void put(State& state, std::uint16_t first, std::uint8_t size, const Value& value) {
    state.active().set_written(first, size, true);
    EXPECT_TRUE(state.active().insert({first, size, value}));
}

}  // namespace ebpf::check
