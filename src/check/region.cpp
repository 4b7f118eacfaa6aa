// SPDX-License-Identifier: MIT
// Which bytes of a region a pointer may reach.
#include <optional>

#include "base/assert.hpp"
#include "check/access.hpp"

namespace ebpf::check {
namespace {

constexpr std::int64_t kStack = spec::kStackBytes;

struct Bounds {
    std::int64_t low = 0;  ///< lowest offset of the first byte
    std::int64_t end = 0;  ///< highest offset of the last byte, plus one
};

bool check_packet(const Program& program, const State& state, const Value& pointer, const Request& request,
                  Bounds bounds, Finding& finding) {
    // Two proofs: a comparison of a pointer with this very number, or one of the unmoved packet that leaves
    // room for the highest number. Both need the lowest offset to be at or behind the packet's start.
    const std::optional<std::int64_t> by_id = state.proven_bytes(pointer.kind, pointer.id);
    const std::int64_t end_by_id = pointer.offset + request.offset + request.size;
    const bool is_inside = (by_id && end_by_id <= *by_id) || bounds.end <= state.proven_bytes(pointer.kind);
    finding.available = by_id.value_or(0);
    if (bounds.low < 0 || !is_inside) {
        return finding.fail(spec::Rule::PacketBounds, kNoRegister, pointer);
    }
    if (request.writes && !program.catalogue.may_write_packet(*program.type)) {
        return finding.fail(spec::Rule::ReadOnly, kNoRegister, pointer,
                            "the program type may not write the packet");
    }
    return true;
}

bool check_map_value(const Program& program, const Value& pointer, const Request& request, Bounds bounds,
                     Finding& finding) {
    const MapView& map = program.maps[pointer.map];
    finding.number = pointer.map;
    finding.available = map.shape.value_size;
    if (bounds.low < 0 || bounds.end > std::int64_t{map.shape.value_size}) {
        return finding.fail(spec::Rule::MapValueBounds, kNoRegister, pointer);
    }
    if (request.writes && map.is_frozen) {
        return finding.fail(spec::Rule::ReadOnly, kNoRegister, pointer, "the map is frozen");
    }
    if (request.writes && (map.shape.flags & spec::kMapReadOnlyProgram) != 0) {
        return finding.fail(spec::Rule::ReadOnly, kNoRegister, pointer, "the map is read-only for programs");
    }
    if (request.reads && (map.shape.flags & spec::kMapWriteOnlyProgram) != 0) {
        return finding.fail(spec::Rule::WriteOnly, kNoRegister, pointer);
    }
    return true;
}

bool check_map_key(const Program& program, const Value& pointer, const Request& request, Bounds bounds,
                   Finding& finding) {
    finding.number = pointer.map;
    finding.available = program.maps[pointer.map].shape.key_size;
    if (bounds.low < 0 || bounds.end > finding.available)
        return finding.fail(spec::Rule::MapKeyBounds, kNoRegister, pointer);
    if (!request.writes) return true;
    return finding.fail(spec::Rule::ReadOnly, kNoRegister, pointer, "keys are never written");
}

bool check_stack(const State& state, const Value& pointer, const Request& request, Bounds bounds,
                 Finding& finding) {
    finding.available = kStack;
    if (bounds.low < -kStack || bounds.end > 0)
        return finding.fail(spec::Rule::StackBounds, kNoRegister, pointer);
    if (!request.reads || !request.needs_written) return true;
    EBPF_ASSERT(pointer.frame < state.frames.size());
    const Frame& frame = state.frames[pointer.frame];
    const auto first = static_cast<std::uint32_t>(bounds.low + kStack);
    const auto size = static_cast<std::uint32_t>(bounds.end - bounds.low);
    if (!frame.is_written(first, size)) {
        finding.available = std::int64_t{frame.first_unwritten(first, size)} - kStack;
        return finding.fail(spec::Rule::StackUninitialised, kNoRegister, pointer);
    }
    return true;
}

}  // namespace

bool check_region(const Program& program, const State& state, const Value& pointer, const Request& request,
                  Finding& finding) noexcept {
    finding.is_write = request.writes;
    finding.size = request.size;
    if (pointer.kind == Kind::Unusable) return finding.fail(spec::Rule::Uninitialised, kNoRegister, pointer);
    if (pointer.kind == Kind::MapValueOrNull || pointer.kind == Kind::RecordOrNull)
        return finding.fail(spec::Rule::NullCheck, kNoRegister, pointer);
    if (!is_movable(pointer) || pointer.kind == Kind::Context) {
        return finding.fail(spec::Rule::NotPointer, kNoRegister, pointer);
    }
    const OffsetSpan span = offset_span(pointer);
    // Sizes and instruction offsets are far below 2^30, so that none of the sums below can overflow.
    if (!span.is_bounded || request.size > kMaxOffset) {
        return finding.fail(spec::Rule::OffsetRange, kNoRegister, pointer);
    }
    const Bounds bounds{span.low + request.offset, span.high + request.offset + request.size};
    finding.low = bounds.low;
    finding.high = span.high + request.offset;
    switch (pointer.kind) {
        case Kind::Packet:
        case Kind::PacketMeta:
            return check_packet(program, state, pointer, request, bounds, finding);
        case Kind::MapValue:
            return check_map_value(program, pointer, request, bounds, finding);
        case Kind::MapKey:
            return check_map_key(program, pointer, request, bounds, finding);
        case Kind::Stack:
            return check_stack(state, pointer, request, bounds, finding);
        case Kind::Memory:
            finding.available = static_cast<std::int64_t>(program.memory_length);
            if (bounds.low >= 0 && bounds.end <= finding.available) return true;
            return finding.fail(spec::Rule::MemoryBounds, kNoRegister, pointer);
        case Kind::Record:
            finding.available = std::int64_t{pointer.map};
            if (bounds.low >= 0 && bounds.end <= finding.available) return true;
            return finding.fail(spec::Rule::RecordBounds, kNoRegister, pointer);
        case Kind::Unusable:
        case Kind::Scalar:
        case Kind::Context:
        case Kind::PacketEnd:
        case Kind::Map:
        case Kind::MapValueOrNull:
        case Kind::Code:
        case Kind::RecordOrNull:
            break;
    }
    return finding.fail(spec::Rule::Internal, kNoRegister, pointer);
}

void write_unknown(State& state, const Value& pointer, std::int64_t offset, std::int64_t size,
                   std::int64_t max_size) noexcept {
    if (pointer.kind != Kind::Stack) return;  // other memory is not tracked: any load from it is unknown
    const OffsetSpan span = offset_span(pointer);
    EBPF_ASSERT(span.is_bounded && pointer.frame < state.frames.size());
    const std::int64_t low = span.low + offset;
    const std::int64_t end = span.high + offset + max_size;
    EBPF_ASSERT(low >= -kStack && end <= 0 && size >= 0 && size <= max_size);
    const auto first = static_cast<std::uint32_t>(low + kStack);
    const std::uint32_t certain = span.low == span.high ? static_cast<std::uint32_t>(size) : 0;
    Frame& frame = state.frames[pointer.frame];
    frame.forget(first, certain, true);
    frame.set_written(first, certain, true);
    frame.forget(first + certain, static_cast<std::uint32_t>(end - low) - certain, false);
}

}  // namespace ebpf::check
