// SPDX-License-Identifier: MIT
// What each opcode becomes on arm64. Division by zero gives 0, shift counts are taken modulo the width and
// the least value divided by -1 is itself, all as the processor does it and RFC 9669 demands.
// Source: Arm Architecture Reference Manual, C6.2 (UDIV, SDIV, LSLV).
#include <bit>

#include "jit/arm64/emitter.hpp"

namespace ebpf::jit::arm64 {

using ir::Node;
using ir::Opcode;
using spec::JumpOp;
using spec::Width;

namespace {

a64::Condition condition_of(JumpOp op) {
    switch (op) {
        case JumpOp::Eq:
            return a64::eq;
        case JumpOp::Gt:
            return a64::hi;
        case JumpOp::Ge:
            return a64::hs;
        case JumpOp::Set:
        case JumpOp::Ne:
            return a64::ne;
        case JumpOp::SGt:
            return a64::gt;
        case JumpOp::SGe:
            return a64::ge;
        case JumpOp::Lt:
            return a64::lo;
        case JumpOp::Le:
            return a64::ls;
        case JumpOp::SLt:
            return a64::lt;
        case JumpOp::SLe:
            return a64::le;
    }
    return a64::al;
}

a64::Shift shift_of(ShiftKind kind) {
    switch (kind) {
        case ShiftKind::Left:
            return a64::LSL;
        case ShiftKind::Right:
            return a64::LSR;
        case ShiftKind::Arithmetic:
            return a64::ASR;
    }
    return a64::LSL;
}

}  // namespace

/// The last input of a two-input instruction, from operand `operand` on.
a64::Operand Emitter::rhs(const Node& node, std::uint32_t operand) const {
    const Form& form = selected_->forms[instruction_];
    switch (form.rhs) {
        case Rhs::Immediate:
            return a64::Operand(form.imm);
        case Rhs::Shifted:
            return a64::Operand(reg(operand, node.width), shift_of(form.shift_kind), form.shift);
        case Rhs::Extended:
            return a64::Operand(reg(operand, Width::W32), form.is_signed_extension ? a64::SXTW : a64::UXTW);
        case Rhs::Register:
        case Rhs::Product:
            break;
    }
    return a64::Operand(reg(operand, node.width));
}

void Emitter::emit_sum(const Node& node) {
    const a64::Register target = reg(0, node.width);
    const a64::Register a = reg(1, node.width);
    const bool is_add = node.opcode == Opcode::Add;
    if (selected_->forms[instruction_].rhs == Rhs::Product) {
        const a64::Register b = reg(2, node.width);
        const a64::Register c = reg(3, node.width);
        is_add ? masm_.Madd(target, b, c, a) : masm_.Msub(target, b, c, a);
        return;
    }
    is_add ? masm_.Add(target, a, rhs(node, 2)) : masm_.Sub(target, a, rhs(node, 2));
}

void Emitter::emit_logical(const Node& node) {
    const a64::Register target = reg(0, node.width);
    const a64::Register a = reg(1, node.width);
    const a64::Operand b = rhs(node, 2);
    if (node.opcode == Opcode::And) {
        masm_.And(target, a, b);
    } else if (node.opcode == Opcode::Or) {
        masm_.Orr(target, a, b);
    } else {
        masm_.Eor(target, a, b);
    }
}

void Emitter::emit_shift(const Node& node) {
    const a64::Register target = reg(0, node.width);
    const a64::Register a = reg(1, node.width);
    const Form& form = selected_->forms[instruction_];
    if (form.rhs == Rhs::Immediate) {
        const auto count = static_cast<unsigned>(form.imm) & (node.width == Width::W64 ? 63U : 31U);
        if (node.opcode == Opcode::Shl) {
            masm_.Lsl(target, a, count);
        } else if (node.opcode == Opcode::Shr) {
            masm_.Lsr(target, a, count);
        } else {
            masm_.Asr(target, a, count);
        }
        return;
    }
    const a64::Register b = reg(2, node.width);
    if (node.opcode == Opcode::Shl) {
        masm_.Lsl(target, a, b);
    } else if (node.opcode == Opcode::Shr) {
        masm_.Lsr(target, a, b);
    } else {
        masm_.Asr(target, a, b);
    }
}

// a - a / b * b, which is a for b == 0 and 0 for the least value and -1.
void Emitter::emit_remainder(const Node& node) {
    const a64::Register a = reg(1, node.width);
    const a64::Register b = reg(2, node.width);
    const bool is_wide = node.width == Width::W64;
    const a64::Register quotient = is_wide ? a64::Register(a64::x16) : a64::Register(a64::w16);
    if (node.opcode == Opcode::UMod) {
        masm_.Udiv(quotient, a, b);
    } else {
        masm_.Sdiv(quotient, a, b);
    }
    masm_.Msub(reg(0, node.width), quotient, b, a);
}

void Emitter::emit_extension(const Node& node) {
    const a64::Register a = reg(1, Width::W32);
    if (node.opcode == Opcode::ZeroExtend) {
        const a64::Register target = reg(0, Width::W32);
        switch (node.size) {
            case 1:
                return masm_.Uxtb(target, a);
            case 2:
                return masm_.Uxth(target, a);
            case 4:
                return masm_.Mov(target, a, a64::kDontDiscardForSameWReg);
            default:
                return masm_.Mov(x(0), x(1));
        }
    }
    const a64::Register target = reg(0, node.width);
    switch (node.size) {
        case 1:
            return masm_.Sxtb(target, a);
        case 2:
            return masm_.Sxth(target, a);
        case 4:
            if (node.width == Width::W64) return masm_.Sxtw(target, a);
            return masm_.Mov(target, a, a64::kDontDiscardForSameWReg);
        default:
            return masm_.Mov(target, reg(1, node.width), a64::kDontDiscardForSameWReg);
    }
}

void Emitter::emit_byte_swap(const Node& node) {
    const a64::Register target = reg(0, Width::W32);
    switch (node.size) {
        case 2:
            masm_.Rev(target, reg(1, Width::W32));
            return masm_.Lsr(target, target, 16);
        case 4:
            return masm_.Rev(target, reg(1, Width::W32));
        default:
            return masm_.Rev(x(0), x(1));
    }
}

/// Sets the flags for the node's condition over the operands from `first_operand` on.
a64::Condition Emitter::compare(const Node& node, std::uint32_t first_operand) {
    const a64::Register a = reg(first_operand, node.width);
    const a64::Operand b = rhs(node, first_operand + 1);
    if (node.condition == JumpOp::Set) {
        masm_.Tst(a, b);
    } else {
        masm_.Cmp(a, b);
    }
    return condition_of(node.condition);
}

void Emitter::emit_select(const Node& node) {
    const Form& form = selected_->forms[instruction_];
    const a64::Condition condition = compare(node, 1);
    if (node.opcode == Opcode::Compare) return masm_.Cset(x(0), condition);
    std::uint32_t next = form.rhs == Rhs::Register ? 3 : 2;
    const a64::Register c = form.is_c_zero ? a64::Register(a64::xzr) : x(next++);
    const a64::Register d = form.is_d_zero ? a64::Register(a64::xzr) : x(next);
    masm_.Csel(x(0), c, d, condition);
}

void Emitter::jump_to(ir::BlockId block) {
    const ir::BlockId target = layout_.target[block];
    if (target != layout_.next(place_)) masm_.B(&(*blocks_)[target]);
}

/// Compare and branch in one instruction: with 0, a single bit, or the sign. False where there is none.
bool Emitter::emit_short_branch(const Node& node, a64::Label* target, bool is_inverted) {
    const Form& form = selected_->forms[instruction_];
    if (form.rhs != Rhs::Immediate) return false;
    const a64::Register a = reg(0, node.width);
    const unsigned sign = node.width == Width::W64 ? 63 : 31;
    const auto bits = static_cast<std::uint64_t>(form.imm) &
                      (node.width == Width::W64 ? ~std::uint64_t{0} : std::uint64_t{0xffffffff});
    bool is_set = !is_inverted;  // branch if the tested bits are not zero
    if (node.condition == JumpOp::Set && std::has_single_bit(bits)) {
        const auto bit = static_cast<unsigned>(std::countr_zero(bits));
        is_set ? masm_.Tbnz(a, bit, target) : masm_.Tbz(a, bit, target);
        return true;
    }
    if (form.imm != 0) return false;
    if (node.condition == JumpOp::SLt || node.condition == JumpOp::SGe) {
        if (node.condition == JumpOp::SGe) is_set = !is_set;
        is_set ? masm_.Tbnz(a, sign, target) : masm_.Tbz(a, sign, target);
        return true;
    }
    if (node.condition != JumpOp::Eq && node.condition != JumpOp::Ne) return false;
    if (node.condition == JumpOp::Eq) is_set = !is_set;
    is_set ? masm_.Cbnz(a, target) : masm_.Cbz(a, target);
    return true;
}

void Emitter::emit_branch(const Node& node) {
    const Ways ways = ways_of(layout_, *function_, place_);
    a64::Label* label = &(*blocks_)[ways.jump];
    if (!emit_short_branch(node, label, ways.is_inverted)) {
        const a64::Condition condition = compare(node, 0);
        masm_.B(label, ways.is_inverted ? a64::InvertCondition(condition) : condition);
    }
    jump_to(ways.rest);
}

/// The memory that the node's access goes to; `operand` moves behind the operands of the address.
a64::MemOperand Emitter::memory(std::uint32_t& operand) {
    const Form& form = selected_->forms[instruction_];
    switch (form.base) {
        case Base::Frame:
            return a64::MemOperand(a64::sp, frame_offset(form.imm));
        case Base::Indexed: {
            const a64::Register base = x(operand);
            const a64::Register index = x(operand + 1);
            operand += 2;
            return a64::MemOperand(base, index, a64::LSL, form.shift);
        }
        case Base::Register:
            break;
    }
    const a64::Register base = x(operand++);
    if (!must_hide(form.imm)) return a64::MemOperand(base, form.imm);
    load_constant(a64::x16, static_cast<std::uint64_t>(form.imm));
    return a64::MemOperand(base, a64::x16);
}

/// The same in one register, for instructions that know no other address; x16 unless it is one as it is.
a64::Register Emitter::whole_address(std::uint32_t& operand) {
    const Form& form = selected_->forms[instruction_];
    if (form.base == Base::Frame) {
        masm_.Add(a64::x16, a64::sp, frame_offset(form.imm));
        return a64::x16;
    }
    const a64::Register base = x(operand++);
    if (form.imm == 0) return base;
    if (must_hide(form.imm)) {
        load_constant(a64::x16, static_cast<std::uint64_t>(form.imm));
        masm_.Add(a64::x16, base, a64::x16);
    } else {
        masm_.Add(a64::x16, base, form.imm);
    }
    return a64::x16;
}

void Emitter::emit_load(const Node& node) {
    std::uint32_t operand = 1;
    const a64::MemOperand cell = memory(operand);
    const a64::Register wide = x(0);
    const a64::Register narrow = reg(0, Width::W32);
    switch (node.size) {
        case 1:
            return node.is_signed ? masm_.Ldrsb(wide, cell) : masm_.Ldrb(narrow, cell);
        case 2:
            return node.is_signed ? masm_.Ldrsh(wide, cell) : masm_.Ldrh(narrow, cell);
        case 4:
            return node.is_signed ? masm_.Ldrsw(wide, cell) : masm_.Ldr(narrow, cell);
        default:
            return masm_.Ldr(wide, cell);
    }
}

void Emitter::emit_store(const Node& node) {
    std::uint32_t operand = 0;
    const a64::MemOperand cell = memory(operand);
    const bool is_zero = selected_->forms[instruction_].stores_zero;
    const a64::Register wide = is_zero ? a64::Register(a64::xzr) : x(operand);
    const a64::Register narrow = is_zero ? a64::Register(a64::wzr) : reg(operand, Width::W32);
    switch (node.size) {
        case 1:
            return masm_.Strb(narrow, cell);
        case 2:
            return masm_.Strh(narrow, cell);
        case 4:
            return masm_.Str(narrow, cell);
        default:
            return masm_.Str(wide, cell);
    }
}

void Emitter::emit_ordered(const Node& node) {
    const bool is_load = node.opcode == Opcode::LoadAcquire;
    std::uint32_t operand = is_load ? 1 : 0;
    const a64::MemOperand cell(whole_address(operand));
    const bool is_zero = selected_->forms[instruction_].stores_zero;
    const std::uint32_t value = is_load ? 0 : operand;
    const a64::Register wide = is_zero ? a64::Register(a64::xzr) : x(value);
    const a64::Register narrow = is_zero ? a64::Register(a64::wzr) : reg(value, Width::W32);
    switch (node.size) {
        case 1:
            return is_load ? masm_.Ldarb(narrow, cell) : masm_.Stlrb(narrow, cell);
        case 2:
            return is_load ? masm_.Ldarh(narrow, cell) : masm_.Stlrh(narrow, cell);
        case 4:
            return is_load ? masm_.Ldar(narrow, cell) : masm_.Stlr(narrow, cell);
        default:
            return is_load ? masm_.Ldar(wide, cell) : masm_.Stlr(wide, cell);
    }
}

void Emitter::emit_node(const Node& node) {
    switch (node.opcode) {
        case Opcode::Add:
        case Opcode::Sub:
            return emit_sum(node);
        case Opcode::Mul:
            return masm_.Mul(reg(0, node.width), reg(1, node.width), reg(2, node.width));
        case Opcode::UDiv:
            return masm_.Udiv(reg(0, node.width), reg(1, node.width), reg(2, node.width));
        case Opcode::SDiv:
            return masm_.Sdiv(reg(0, node.width), reg(1, node.width), reg(2, node.width));
        case Opcode::UMod:
        case Opcode::SMod:
            return emit_remainder(node);
        case Opcode::And:
        case Opcode::Or:
        case Opcode::Xor:
            return emit_logical(node);
        case Opcode::Shl:
        case Opcode::Shr:
        case Opcode::Sar:
            return emit_shift(node);
        case Opcode::Negate:
            return masm_.Neg(reg(0, node.width), reg(1, node.width));
        case Opcode::SignExtend:
        case Opcode::ZeroExtend:
            return emit_extension(node);
        case Opcode::ByteSwap:
            return emit_byte_swap(node);
        case Opcode::Compare:
        case Opcode::Select:
            return emit_select(node);
        case Opcode::Load:
            return emit_load(node);
        case Opcode::Store:
            return emit_store(node);
        case Opcode::LoadAcquire:
        case Opcode::StoreRelease:
            return emit_ordered(node);
        case Opcode::Atomic:
            return emit_atomic(node);
        case Opcode::CallHelper:
        case Opcode::TailCall:
        case Opcode::CallLocal:
            return emit_call(node);
        case Opcode::MapLookup:
            return emit_map_lookup(node);
        case Opcode::PacketLoad:
            return emit_packet_load(node);
        case Opcode::Jump:
            return jump_to(function_->blocks[layout_.order[place_]].successors[0]);
        case Opcode::Branch:
            return emit_branch(node);
        case Opcode::Return:
            if (place_ + 1 != layout_.order.size()) masm_.B(exit_);
            return;
        case Opcode::Constant:  // made where it is needed
        case Opcode::MapHandle:
        case Opcode::MapValue:
        case Opcode::FrameAddress:
        case Opcode::CodeAddress:
        case Opcode::Parameter:  // of the entry
        case Opcode::Phi:        // moves
            return;
    }
}

}  // namespace ebpf::jit::arm64
