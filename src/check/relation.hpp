// SPDX-License-Identifier: MIT
// What an id stands for in one state, as seen from another one: shared by the order of states and their join.
#pragma once

#include <cstdint>

#include "check/value.hpp"

namespace ebpf::check {

/// What ties a value to others: values with equal tokens hold the relation that ids of their kind state.
struct Token {
    enum class Type : std::uint8_t { None, Id, Number, NotNull, Null };
    Type type = Type::None;
    std::uint64_t value = 0;
    friend bool operator==(const Token&, const Token&) = default;
};

/// The address of a map's value, unmoved: what a lookup that succeeded returns.
inline bool is_map_value_start(const Value& value) {
    return value.kind == Kind::MapValue && value.offset == 0 && is_exactly(value.number, 0);
}

inline bool is_null(const Value& value) {
    return value.kind == Kind::Scalar && is_exactly(value.number, 0);
}

/// The token of a value where it is compared with a Scalar.
inline Token scalar_token(const Value& value) {
    if (value.id != 0) return {Token::Type::Id, value.id};
    if (value.number.is_constant()) return {Token::Type::Number, value.number.value()};
    return {};
}

/// The token of a value where it is compared with a MapValueOrNull of map `map`; None if it cannot be one.
inline Token null_token(const Value& value, std::uint32_t map) {
    if (value.kind == Kind::MapValueOrNull && value.map == map) return {Token::Type::Id, value.id};
    if (is_map_value_start(value) && value.map == map) return {Token::Type::NotNull, 0};
    if (is_null(value)) return {Token::Type::Null, 0};
    return {};
}

}  // namespace ebpf::check
