// SPDX-License-Identifier: MIT
// Comparisons: what each side of a branch knows.
#include <optional>

#include "check/step.hpp"
#include "isa/semantics.hpp"

namespace ebpf::check {
namespace {

using domains::Scalar;
using spec::JumpOp;
using spec::Rule;
using spec::Width;

bool is_order(JumpOp op) {
    return op == JumpOp::Gt || op == JumpOp::Ge || op == JumpOp::Lt || op == JumpOp::Le;
}
bool is_equality(JumpOp op) {
    return op == JumpOp::Eq || op == JumpOp::Ne;
}

Value right_operand(const State& state, const isa::Instruction& instruction) {
    if (instruction.spec().source == spec::Source::Reg) return state.registers[instruction.src];
    return make_scalar(Scalar::constant(static_cast<std::uint64_t>(instruction.imm)));
}

/// True if `limit` is where what `pointer` points into ends.
bool is_limit(const Value& pointer, const Value& limit) {
    if (pointer.kind == Kind::Packet) return limit.kind == Kind::PacketEnd;
    return pointer.kind == Kind::PacketMeta && limit.kind == Kind::Packet && limit.id == 0 &&
           limit.offset == 0;
}

/// Replaces the number of register `reg` and of all scalars known to be equal to it.
void set_number(State& state, std::uint8_t reg, const Scalar& number) {
    const std::uint32_t id = state.registers[reg].id;
    state.registers[reg].number = number;
    if (id == 0) return;
    state.for_each([&](Value& value) {
        if (value.kind == Kind::Scalar && value.id == id) value.number = number;
    });
}

/// Narrows both operands to the pairs for which the branch is (not) taken; false: there are none.
bool refine_numbers(State& state, const isa::Instruction& instruction, bool is_taken) {
    const spec::FormSpec& form = instruction.spec();
    Scalar left = state.registers[instruction.dst].number;
    const Value right_value = right_operand(state, instruction);
    const bool is_register = form.source == spec::Source::Reg;
    const bool is_same =
        is_register && (instruction.dst == instruction.src ||
                        (right_value.id != 0 && right_value.id == state.registers[instruction.dst].id));
    if (is_same) {
        if (!domains::refine_self(form.jump, form.width, is_taken, left)) return false;
        set_number(state, instruction.dst, left);
        return true;
    }
    Scalar right = right_value.number;
    if (!domains::refine(form.jump, form.width, is_taken, left, right)) return false;
    set_number(state, instruction.dst, left);
    if (is_register) set_number(state, instruction.src, right);
    return true;
}

bool may_be_null(Kind kind) {
    return kind == Kind::MapValueOrNull || kind == Kind::RecordOrNull;
}

/// A pointer that may be null, compared with 0: all values with its id turn into addresses or into 0. Where
/// there is no record, nothing is held.
void settle_null(State& state, Kind kind, std::uint32_t id, bool is_null) {
    state.for_each([&](Value& value) {
        if (value.kind != kind || value.id != id) return;
        if (is_null) {
            value = make_scalar(Scalar::constant(0));
        } else if (kind == Kind::RecordOrNull) {
            value.kind = Kind::Record;
        } else {
            value.kind = Kind::MapValue;
            value.id = 0;
        }
    });
    if (is_null && kind == Kind::RecordOrNull) state.release(id, true);
}

/// True if the pointer cannot be 0: it points into its region, or just behind what is known of it.
bool is_certainly_not_null(const Program& program, const State& state, const Value& pointer) {
    if (pointer.kind == Kind::PacketEnd || pointer.kind == Kind::Map || pointer.kind == Kind::Code)
        return true;
    const OffsetSpan span = offset_span(pointer);
    if (!span.is_bounded) return false;
    switch (pointer.kind) {
        case Kind::Context:
            return span.low == 0 && span.high == 0;
        case Kind::Stack:
            return span.low >= -std::int64_t{spec::kStackBytes} && span.high <= 0;
        case Kind::Packet:
        case Kind::PacketMeta:
            return span.low >= 0 && span.high <= state.proven_bytes(pointer.kind);
        case Kind::MapValue:
            return span.low >= 0 && span.high < std::int64_t{program.maps[pointer.map].shape.value_size};
        case Kind::MapKey:
            return span.low >= 0 && span.high < std::int64_t{program.maps[pointer.map].shape.key_size};
        case Kind::Memory:
            return span.low >= 0 && span.high < static_cast<std::int64_t>(program.memory_length);
        case Kind::Record:  // there is a header in front of it
            return span.low >= 0 && span.high <= std::int64_t{pointer.map};
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

/// What `pointer op limit`, being `holds`, says: base + number + bytes <= limit; or nothing.
/// From p <= limit follows base + number + offset <= limit: addresses do not wrap within 2^30 of a region.
std::optional<std::int64_t> bytes_before_limit(JumpOp op, bool holds, std::int64_t offset) {
    const bool at_most = (op == JumpOp::Le && holds) || (op == JumpOp::Gt && !holds) ||
                         (op == JumpOp::Eq && holds) || (op == JumpOp::Ne && !holds);
    const bool less = (op == JumpOp::Lt && holds) || (op == JumpOp::Ge && !holds);
    if (at_most) return offset;
    if (less) return offset + 1;
    return std::nullopt;
}

/// True if what is proven rules out that `pointer op limit` is `holds`. `low` is the pointer's lowest offset:
/// one below its base might be an address that wrapped, if the base is a small one.
bool contradicts(const State& state, const Value& pointer, std::int64_t low, JumpOp op, bool holds) {
    if (low < 0) return false;
    const std::optional<std::int64_t> proven = state.proven_bytes(pointer.kind, pointer.id);
    if (!proven) return false;
    const bool greater = (op == JumpOp::Gt && holds) || (op == JumpOp::Le && !holds);
    const bool at_least = (op == JumpOp::Ge && holds) || (op == JumpOp::Lt && !holds);
    // p <= limit is known if offset <= proven, p < limit if offset < proven.
    return (greater && pointer.offset <= *proven) || (at_least && pointer.offset < *proven);
}

bool refine_packet(State& state, const Value& pointer, JumpOp op, bool holds, Status& status) {
    const OffsetSpan span = offset_span(pointer);
    if (!span.is_bounded) return true;
    if (contradicts(state, pointer, span.low, op, holds)) return false;
    const std::optional<std::int64_t> bytes = bytes_before_limit(op, holds, pointer.offset);
    const std::optional<std::int64_t> from_base = bytes_before_limit(op, holds, span.low);
    if (!bytes || !from_base) return true;
    if (!state.prove_bytes(pointer.kind, pointer.id, *bytes)) status = Status::OutOfMemory;
    if (pointer.id != 0 && !state.prove_bytes(pointer.kind, 0, *from_base)) status = Status::OutOfMemory;
    return true;
}

/// Narrows `state` to where the branch is (not) taken. Returns false if that cannot be.
bool refine(const Program& program, State& state, const isa::Instruction& instruction, bool is_taken,
            Status& status) {
    const JumpOp op = instruction.spec().jump;
    const Value left = state.registers[instruction.dst];
    const Value right = right_operand(state, instruction);
    if (left.kind == Kind::Scalar && right.kind == Kind::Scalar)
        return refine_numbers(state, instruction, is_taken);
    if (is_limit(left, right)) return refine_packet(state, left, op, is_taken, status);
    if (is_limit(right, left)) return refine_packet(state, right, isa::exchanged(op), is_taken, status);
    const bool left_is_number = left.kind == Kind::Scalar;
    if (!left_is_number && right.kind != Kind::Scalar) return true;  // two pointers: nothing is learnt
    const Value& pointer = left_is_number ? right : left;
    const bool is_null = (op == JumpOp::Eq) == is_taken;
    if (may_be_null(pointer.kind)) {
        settle_null(state, pointer.kind, pointer.id, is_null);
        return true;
    }
    return !(is_null && is_certainly_not_null(program, state, pointer));
}

bool check_pointers(const isa::Instruction& instruction, const Value& left, const Value& right,
                    Finding& finding) {
    const spec::FormSpec& form = instruction.spec();
    const std::uint8_t reg = is_pointer(left) ? instruction.dst : instruction.src;
    const Value& pointer = is_pointer(left) ? left : right;
    if (form.width == Width::W32)
        return finding.fail(Rule::PointerComparison, reg, pointer, "32-bit comparison");
    if (!is_pointer(left) || !is_pointer(right)) {
        const Value& number = is_pointer(left) ? right : left;
        if (is_equality(form.jump) && is_exactly(number.number, 0)) return true;
        return finding.fail(Rule::PointerComparison, reg, pointer, "with a number other than 0");
    }
    if (!is_order(form.jump) && !is_equality(form.jump)) {
        return finding.fail(Rule::PointerComparison, reg, pointer, form.symbol);
    }
    const auto is_of_packet = [](const Value& value) {
        return is_packet(value) || value.kind == Kind::PacketEnd;
    };
    if (is_of_packet(left) && is_of_packet(right)) return true;
    const bool is_same_record = left.kind != Kind::Record || left.id == right.id;
    if (left.kind == right.kind && left.map == right.map && left.frame == right.frame && is_same_record &&
        is_movable(left))
        return true;
    return finding.fail(Rule::PointerComparison, reg, pointer, "with a pointer of another kind");
}

}  // namespace

bool check_branch(const State& state, const isa::Instruction& instruction, Finding& finding) noexcept {
    const Value& left = state.registers[instruction.dst];
    const Value right = right_operand(state, instruction);
    if (left.kind == Kind::Unusable) return finding.fail(Rule::Uninitialised, instruction.dst, left);
    if (right.kind == Kind::Unusable) return finding.fail(Rule::Uninitialised, instruction.src, right);
    if (!is_pointer(left) && !is_pointer(right)) return true;
    return check_pointers(instruction, left, right, finding);
}

Status apply_branch(const Program& program, State& state, State& taken, const isa::Instruction& instruction,
                    Outcome& outcome) noexcept {
    if (!taken.copy_from(state)) return Status::OutOfMemory;
    Status status = Status::Ok;
    outcome.jumps = refine(program, taken, instruction, true, status);
    outcome.goes_on = refine(program, state, instruction, false, status);
    return status;
}

}  // namespace ebpf::check
