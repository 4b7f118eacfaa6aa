// SPDX-License-Identifier: MIT
// Moves, arithmetic and immediates.
#include "check/step.hpp"

namespace ebpf::check {
namespace {

using domains::Scalar;
using spec::AluOp;
using spec::Family;
using spec::Rule;
using spec::Width;

Value source_value(const State& state, const isa::Instruction& instruction) {
    if (instruction.spec().source == spec::Source::Reg) return state.registers[instruction.src];
    return make_scalar(Scalar::constant(static_cast<std::uint64_t>(instruction.imm)));
}

std::int64_t map_index(const isa::Instruction& instruction) {
    return instruction.imm & 0xffffffff;
}

std::int64_t map_offset(const isa::Instruction& instruction) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(instruction.imm) >> 32U);
}

bool check_immediate(const Program& program, const isa::Instruction& instruction, Finding& finding) {
    const spec::WideKind kind = instruction.spec().wide;
    if (kind == spec::WideKind::Value || kind == spec::WideKind::CodeAddress) return true;
    if (kind != spec::WideKind::MapIndex && kind != spec::WideKind::MapIndexValue) {
        finding.number = static_cast<std::uint32_t>(kind);
        return finding.fail(Rule::Unsupported, kNoRegister, Value{}, "this kind of 64-bit immediate");
    }
    finding.number = static_cast<std::uint32_t>(map_index(instruction));
    if (finding.number >= program.maps.size()) {
        return finding.fail(Rule::MapReference, kNoRegister, Value{}, "there is no such map");
    }
    if (kind == spec::WideKind::MapIndex) return true;
    const spec::MapShape& shape = program.maps[finding.number].shape;
    finding.low = map_offset(instruction);
    if (shape.type != spec::MapType::Array || shape.max_entries != 1) {
        return finding.fail(Rule::MapReference, kNoRegister, Value{},
                            "only values of arrays with one element have an address known in advance");
    }
    if (finding.low >= std::int64_t{shape.value_size}) {
        return finding.fail(Rule::MapReference, kNoRegister, Value{}, "the offset is outside the value");
    }
    return true;
}

/// Pointers may be moved by numbers (64-bit addition and subtraction), copied whole, and subtracted from
/// pointers into the same packet, memory or frame: the difference says nothing of where that is.
bool check_pointer_operands(const isa::Instruction& instruction, const Value& dst, const Value& src,
                            Finding& finding) {
    const spec::FormSpec& form = instruction.spec();
    const std::uint8_t reg = is_pointer(dst) && form.reads_dst ? instruction.dst : instruction.src;
    const Value& pointer = reg == instruction.dst && form.reads_dst && is_pointer(dst) ? dst : src;
    if (form.width == Width::W32)
        return finding.fail(Rule::PointerArithmetic, reg, pointer, "32-bit operation");
    if (form.alu != AluOp::Add && form.alu != AluOp::Sub) {
        return finding.fail(Rule::PointerArithmetic, reg, pointer, form.symbol);
    }
    if (is_pointer(dst) && is_pointer(src)) {
        const bool same_packet =
            (dst.kind == Kind::Packet || dst.kind == Kind::PacketMeta || dst.kind == Kind::PacketEnd) &&
            (src.kind == Kind::Packet || src.kind == Kind::PacketMeta || src.kind == Kind::PacketEnd);
        const bool same_memory =
            dst.kind == src.kind &&
            (dst.kind == Kind::Memory || (dst.kind == Kind::Stack && dst.frame == src.frame));
        if (form.alu == AluOp::Sub && (same_packet || same_memory)) return true;
        return finding.fail(Rule::PointerArithmetic, reg, pointer, "two pointers");
    }
    if (form.alu == AluOp::Sub && is_pointer(src)) {
        return finding.fail(Rule::PointerArithmetic, reg, pointer, "subtracted from a number");
    }
    if (!is_movable(pointer)) return finding.fail(Rule::PointerArithmetic, reg, pointer, form.symbol);
    return true;
}

/// pointer + number, exact modulo 2^64: constants that fit go to `offset`; anything else makes a new
/// `number`, and for packet pointers a new id, as pointers with one id must share their number.
Value move_pointer(State& state, const Value& pointer, const Scalar& by) {
    Value moved = pointer;
    if (by.is_constant()) {
        const auto constant = static_cast<std::int64_t>(by.value());
        if (constant > -kMaxOffset && constant < kMaxOffset) {
            const std::int64_t offset = pointer.offset + constant;
            if (offset > -kMaxOffset && offset < kMaxOffset) {
                moved.offset = offset;
                return moved;
            }
        }
    }
    moved.number = domains::alu(AluOp::Add, Width::W64, pointer.number, by);
    if (is_packet(pointer)) moved.id = state.make_id();
    return moved;
}

Value subtract_pointers(const Value& a, const Value& b) {
    const bool same_base = a.kind == b.kind && a.kind != Kind::PacketEnd;
    if (!same_base) return make_scalar(Scalar::unknown());
    const auto difference = Scalar::constant(static_cast<std::uint64_t>(a.offset - b.offset));
    if (is_packet(a) && a.id == b.id) return make_scalar(difference);  // one number, which cancels out
    const Scalar numbers = domains::alu(AluOp::Sub, Width::W64, a.number, b.number);
    return make_scalar(domains::alu(AluOp::Add, Width::W64, numbers, difference));
}

void apply_alu(State& state, const isa::Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    Value& dst = state.registers[instruction.dst];
    if (form.alu == AluOp::Mov && form.source == spec::Source::Reg &&
        (form.width == Width::W64 || state.registers[instruction.src].number.umax() >> 32U == 0)) {
        Value& src = state.registers[instruction.src];  // a 32-bit copy of a number that fits is a whole one
        if (src.kind == Kind::Scalar && src.id == 0 && !src.number.is_constant()) src.id = state.make_id();
        dst = src;
        return;
    }
    const Value src = source_value(state, instruction);
    if (form.alu == AluOp::Mov || (!is_pointer(dst) && !is_pointer(src))) {
        dst = make_scalar(domains::alu(form.alu, form.width, dst.number, src.number));
        return;
    }
    if (is_pointer(dst) && is_pointer(src)) {
        dst = subtract_pointers(dst, src);
    } else if (form.alu == AluOp::Sub) {
        dst = move_pointer(state, dst, domains::negate(Width::W64, src.number));
    } else {
        dst = is_pointer(dst) ? move_pointer(state, dst, src.number) : move_pointer(state, src, dst.number);
    }
}

void load_immediate(State& state, const isa::Instruction& instruction) {
    Value& dst = state.registers[instruction.dst];
    if (instruction.spec().wide == spec::WideKind::Value) {
        dst = make_scalar(Scalar::constant(static_cast<std::uint64_t>(instruction.imm)));
        return;
    }
    const bool is_value = instruction.spec().wide == spec::WideKind::MapIndexValue;
    dst = is_value ? make_pointer(Kind::MapValue, map_offset(instruction)) : make_pointer(Kind::Map);
    dst.map = static_cast<std::uint32_t>(map_index(instruction));
}

}  // namespace

bool check_arithmetic(const Program& program, const State& state, const isa::Instruction& instruction,
                      Finding& finding) noexcept {
    const spec::FormSpec& form = instruction.spec();
    if (form.family == Family::LoadImm64) return check_immediate(program, instruction, finding);
    const Value& dst = state.registers[instruction.dst];
    if (form.reads_dst && dst.kind == Kind::Unusable)
        return finding.fail(Rule::Uninitialised, instruction.dst, dst);
    const Value& source = state.registers[instruction.src];
    if (form.reads_src && source.kind == Kind::Unusable) {
        return finding.fail(Rule::Uninitialised, instruction.src, source);
    }
    const bool dst_is_pointer = form.reads_dst && is_pointer(dst);
    const bool src_is_pointer = form.reads_src && is_pointer(source);
    if (!dst_is_pointer && !src_is_pointer) return true;
    if (form.family != Family::Alu) {
        const std::uint8_t reg = src_is_pointer ? instruction.src : instruction.dst;
        return finding.fail(Rule::PointerArithmetic, reg, state.registers[reg], form.symbol);
    }
    if (form.alu == AluOp::Mov) {
        if (form.width == Width::W64) return true;
        return finding.fail(Rule::PointerArithmetic, instruction.src, source, "32-bit copy");
    }
    return check_pointer_operands(instruction, dst, source_value(state, instruction), finding);
}

void apply_arithmetic(State& state, const isa::Instruction& instruction) noexcept {
    const spec::FormSpec& form = instruction.spec();
    if (form.family == Family::LoadImm64) return load_immediate(state, instruction);
    if (form.family == Family::Alu) return apply_alu(state, instruction);
    const Scalar operand = form.family == Family::MoveSx ? state.registers[instruction.src].number
                                                         : state.registers[instruction.dst].number;
    Scalar result;
    if (form.family == Family::Negate) {
        result = domains::negate(form.width, operand);
    } else if (form.family == Family::MoveSx) {
        result = domains::move_sx(form.width, form.size, operand);
    } else {
        result = domains::byte_order(form.byte_order, form.size, operand);
    }
    state.registers[instruction.dst] = make_scalar(result);
}

}  // namespace ebpf::check
