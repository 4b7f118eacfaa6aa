// SPDX-License-Identifier: MIT
// Value: what is known of one register or of one piece of the stack. Plain data, no memory of its own.
#pragma once

#include <cstdint>
#include <type_traits>

#include "domains/scalar.hpp"

namespace ebpf::check {

/// What a value is. Every concrete value is an Unusable one: it is the top of the order, and may not be read.
enum class Kind : std::uint8_t {
    Unusable,        ///< not initialised, or no longer valid
    Scalar,          ///< the number in `number`
    Context,         ///< the program's context
    Stack,           ///< the stack of frame `frame`; offset 0 is just above it, so that offsets are negative
    Packet,          ///< the packet; offset 0 is its start
    PacketMeta,      ///< the metadata in front of the packet; offset 0 is its start
    PacketEnd,       ///< just behind the packet
    Map,             ///< map number `map` itself
    MapValue,        ///< a value of map number `map`
    MapValueOrNull,  ///< such an address, or 0
    Memory,          ///< the region given to a program of type `memory`
    MapKey,          ///< a key of map number `map`, read-only, until the callback in frame `frame` returns
    Code,            ///< the function whose first slot is `map`: only copied and called
    Record,          ///< a reserved record of `map` bytes, held by the reference `id`
    RecordOrNull,    ///< such an address, or 0, and then the reference `id` is not held
};

/// Pointer offsets are kept within (-kMaxOffset, kMaxOffset); what may lie outside cannot be dereferenced or
/// compared.
inline constexpr std::int64_t kMaxOffset = std::int64_t{1} << 29U;

/// A register's content: a number, or a pointer at base + offset + number (modulo 2^64, so always true).
/// `id` is 0 or ties values together; what it says depends on the kind:
///   Scalar: values with one id are equal; Packet, PacketMeta: pointers with one id have one and the same
///   `number`, and id 0 means that `number` is 0; MapValueOrNull: all values with one id are null, or none
///   is; Record, RecordOrNull: the number of a reference, see State::references.
struct Value {
    Kind kind = Kind::Unusable;
    std::uint8_t frame = 0;
    std::uint32_t map = 0;  ///< number of the map; Code: first slot of the function; Record: its bytes
    std::uint32_t id = 0;
    std::int64_t offset = 0;
    domains::Scalar number = domains::Scalar::constant(0);
};

static_assert(std::is_trivially_copyable_v<Value>);

inline bool is_pointer(const Value& value) {
    return value.kind != Kind::Unusable && value.kind != Kind::Scalar;
}

/// True for pointers that numbers may be added to.
inline bool is_movable(const Value& value) {
    switch (value.kind) {
        case Kind::Context:
        case Kind::Stack:
        case Kind::Packet:
        case Kind::PacketMeta:
        case Kind::MapValue:
        case Kind::Memory:
        case Kind::MapKey:
        case Kind::Record:
            return true;
        case Kind::Unusable:
        case Kind::Scalar:
        case Kind::PacketEnd:
        case Kind::Map:
        case Kind::MapValueOrNull:
        case Kind::Code:
        case Kind::RecordOrNull:
            return false;
    }
    return false;
}

/// True if the value's id is that of a reference.
inline bool holds_reference(const Value& value) {
    return value.kind == Kind::Record || value.kind == Kind::RecordOrNull;
}

/// True if `number` is known to be `value`.
inline bool is_exactly(const domains::Scalar& number, std::uint64_t value) {
    return number.is_constant() && number.value() == value;
}

inline bool is_packet(const Value& value) {
    return value.kind == Kind::Packet || value.kind == Kind::PacketMeta;
}

inline Value make_scalar(const domains::Scalar& number) {
    Value value;
    value.kind = Kind::Scalar;
    value.number = number;
    return value;
}

inline Value make_pointer(Kind kind, std::int64_t offset = 0) {
    Value value;
    value.kind = kind;
    value.offset = offset;
    return value;
}

/// The lowest and highest offset a pointer may have from its base.
struct OffsetSpan {
    std::int64_t low = 0;
    std::int64_t high = 0;
    bool is_bounded =
        false;  ///< false: the offset may lie outside (-kMaxOffset, kMaxOffset); low and high mean nothing
};

OffsetSpan offset_span(const Value& pointer);

}  // namespace ebpf::check
