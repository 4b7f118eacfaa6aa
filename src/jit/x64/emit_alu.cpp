// SPDX-License-Identifier: MIT
// Arithmetic and comparisons.
#include "jit/x64/emitter.hpp"

namespace ebpf::jit::x64 {

void Emitter::alu(ir::Opcode opcode, const Xbyak::Operand& to, const Xbyak::Operand& from) {
    if (opcode == ir::Opcode::Add) return code_.add(to, from);
    if (opcode == ir::Opcode::Sub) return code_.sub(to, from);
    if (opcode == ir::Opcode::And) return code_.and_(to, from);
    if (opcode == ir::Opcode::Or) return code_.or_(to, from);
    if (opcode == ir::Opcode::Xor) return code_.xor_(to, from);
    code_.imul(to.getReg(), from);
}

void Emitter::alu_imm(ir::Opcode opcode, const Xbyak::Operand& to, std::uint32_t value) {
    if (opcode == ir::Opcode::Add) return code_.add(to, value);
    if (opcode == ir::Opcode::Sub) return code_.sub(to, value);
    if (opcode == ir::Opcode::And) return code_.and_(to, value);
    if (opcode == ir::Opcode::Or) return code_.or_(to, value);
    code_.xor_(to, value);
}

// Additions whose result goes elsewhere.
bool Emitter::emit_short_add(Register result) {
    const Location a = at(shape_->a);
    if (!a.is_register() || a.reg() == result || shape_->has_memory) return false;
    const ir::Opcode opcode = node().opcode;
    if (opcode == ir::Opcode::Add && !shape_->has_imm) {
        const Location b = at(shape_->b);
        if (!b.is_register() || b.reg() == result) return false;
        code_.lea(gp(result, bits()), code_.ptr[r64(a.reg()) + r64(b.reg())]);
        return true;
    }
    const bool is_sum = opcode == ir::Opcode::Add || opcode == ir::Opcode::Sub;
    if (!is_sum || !shape_->has_imm) return false;
    const std::int64_t sum = opcode == ir::Opcode::Add ? shape_->imm : -shape_->imm;
    if (sum != static_cast<std::int32_t>(sum)) return false;
    code_.lea(gp(result, bits()), code_.ptr[r64(a.reg()) + static_cast<std::size_t>(sum)]);
    return true;
}

// Products with a constant.
bool Emitter::emit_short_multiply(Register result) {
    if (node().opcode != ir::Opcode::Mul || !shape_->has_imm) return false;
    const Location a = at(shape_->a);
    const std::int64_t factor = shape_->imm;
    if (a.is_register() && (factor == 3 || factor == 5 || factor == 9)) {
        code_.lea(gp(result, bits()), code_.ptr[r64(a.reg()) + r64(a.reg()) * static_cast<int>(factor - 1)]);
        return true;
    }
    if (a.is_remake()) {
        load(result, a, shape_->width);
        code_.imul(gp(result, bits()), gp(result, bits()), static_cast<int>(factor));
    } else {
        with(a, bits(), [&](const Xbyak::Operand& from) {
            code_.imul(gp(result, bits()), from, static_cast<int>(factor));
        });
    }
    return true;
}

void Emitter::emit_alu() {
    const Register result = reg_at(shape_->result);
    const Xbyak::Reg32e to = gp(result, bits());
    if (emit_short_add(result) || emit_short_multiply(result)) return;
    Location a = at(shape_->a);
    if (shape_->has_imm) {
        load(result, a, shape_->width);
        alu_imm(node().opcode, to, static_cast<std::uint32_t>(shape_->imm));
        return note_flags();
    }
    if (shape_->has_memory) {
        load(result, a, shape_->width);
        alu(node().opcode, to, memory(bits()));
        return note_flags();
    }
    Location b = at(shape_->b);
    // The result may be where b was; only commutative operations allow that.
    if (b == Location::in(result)) std::swap(a, b);
    load(result, a, shape_->width);
    with(b, bits(), [&](const Xbyak::Operand& from) { alu(node().opcode, to, from); });
    note_flags();
}

// The flags tell whether the result is zero, until the next instruction; a product's do not.
void Emitter::note_flags() {
    if (node().opcode == ir::Opcode::Mul) return;
    flags_at_ = here();
    flags_of_ = reg_at(shape_->result);
    flags_bits_ = bits();
}

bool Emitter::is_in_flags(Register r, int size) const {
    const bool is_zero_test = shape_->condition == spec::JumpOp::Eq || shape_->condition == spec::JumpOp::Ne;
    return is_zero_test && flags_at_ == here() && flags_of_ == r && flags_bits_ == size;
}

void Emitter::emit_add_scaled() {
    code_.lea(gp(reg_at(shape_->result), bits()),
              code_.ptr[r64(reg_at(shape_->a)) + r64(reg_at(shape_->b)) * (1 << shape_->scale)]);
}

void Emitter::emit_and_not() {
    with(at(shape_->b), bits(), [&](const Xbyak::Operand& b) {
        code_.andn(gp(reg_at(shape_->result), bits()), gp(reg_at(shape_->a), bits()), b);
    });
}

void Emitter::emit_shift() {
    const Register result = reg_at(shape_->result);
    const Xbyak::Reg32e to = gp(result, bits());
    const ir::Opcode opcode = node().opcode;
    if (!shape_->has_imm && source_.options.features.has_bmi2) {
        const Xbyak::Reg32e count = gp(reg_at(shape_->b), bits());
        const auto shift = [&](const Xbyak::Operand& from) {
            if (opcode == ir::Opcode::Shl) {
                code_.shlx(to, from, count);
            } else if (opcode == ir::Opcode::Shr) {
                code_.shrx(to, from, count);
            } else {
                code_.sarx(to, from, count);
            }
        };
        if (shape_->has_memory) return shift(memory(bits()));
        return with(at(shape_->a), bits(), shift);
    }
    const Location a = at(shape_->a);
    if (!shape_->has_imm) {
        load(result, a, shape_->width);
        if (opcode == ir::Opcode::Shl) return code_.shl(to, code_.cl);
        if (opcode == ir::Opcode::Shr) return code_.shr(to, code_.cl);
        return code_.sar(to, code_.cl);
    }
    const auto count = static_cast<int>(shape_->imm);
    if (opcode == ir::Opcode::Shl && a.is_register() && a.reg() != result && count >= 1 && count <= 3) {
        if (count == 1) return code_.lea(to, code_.ptr[r64(a.reg()) + r64(a.reg())]);
        return code_.lea(to, code_.ptr[r64(a.reg()) * (1 << count)]);
    }
    // Also without a shift a 32-bit operation clears the upper half.
    load(result, a, shape_->width);
    if (count == 0) {
        if (bits() == 32) code_.mov(to, to);
        return;
    }
    if (opcode == ir::Opcode::Shl) return code_.shl(to, count);
    if (opcode == ir::Opcode::Shr) return code_.shr(to, count);
    code_.sar(to, count);
}

void Emitter::emit_rotate() {
    const Register result = reg_at(shape_->result);
    const Location a = at(shape_->a);
    if (source_.options.features.has_bmi2 && a != Location::in(result)) {
        const auto right = static_cast<std::uint8_t>(bits() - shape_->imm);
        return with(a, bits(),
                    [&](const Xbyak::Operand& from) { code_.rorx(gp(result, bits()), from, right); });
    }
    load(result, a, shape_->width);
    code_.rol(gp(result, bits()), static_cast<int>(shape_->imm));
}

void Emitter::emit_negate() {
    const Register result = reg_at(shape_->result);
    load(result, at(shape_->a), shape_->width);
    code_.neg(gp(result, bits()));
}

void Emitter::emit_extend() {
    const Register result = reg_at(shape_->result);
    const bool is_signed = node().opcode == ir::Opcode::SignExtend;
    const int size = shape_->memory_bytes * 8;
    const auto extend = [&](const Xbyak::Operand& from) {
        if (size == 64 || (size == 32 && (!is_signed || bits() == 32))) {
            code_.mov(gp(result, size), from);
        } else if (size == 32) {
            code_.movsxd(r64(result), from);
        } else if (is_signed) {
            code_.movsx(gp(result, bits()), from);
        } else {
            code_.movzx(r32(result), from);
        }
    };
    if (shape_->has_memory) return extend(memory(size));
    const Location a = at(shape_->a);
    if (a.is_slot()) return extend(slot(a.index, size));
    if (size == 8) return extend(r8(a.reg()));
    if (size == 16) return extend(r16(a.reg()));
    extend(gp(a.reg(), size));
}

void Emitter::emit_swap_bytes() {
    const Register result = reg_at(shape_->result);
    const int size = node().size * 8;
    if (shape_->form == Form::SwapLoad) return code_.movbe(gp(result, size), memory(size));
    load(result, at(shape_->a), size == 64 ? spec::Width::W64 : spec::Width::W32);
    if (size > 16) return code_.bswap(gp(result, size));
    code_.rol(r16(result), 8);
    if (!shape_->is_narrow) code_.movzx(r32(result), r16(result));
}

// Emits what sets the flags; returns under which of them the condition holds.
Emitter::Condition Emitter::emit_condition() {
    const int size = shape_->memory_is_a ? shape_->memory_bytes * 8 : bits();
    const auto imm = static_cast<std::uint32_t>(shape_->imm);
    if (shape_->memory_is_a) {
        const Xbyak::Address a = memory(size);
        if (shape_->has_imm) {
            shape_->is_test ? code_.test(a, imm) : code_.cmp(a, imm);
        } else {
            const Xbyak::Reg32e b = gp(reg_at(shape_->b), size);
            shape_->is_test ? code_.test(a, b) : code_.cmp(a, b);
        }
    } else if (shape_->has_imm) {
        const Location a = at(shape_->a);
        if (!shape_->is_test && shape_->imm == 0 && a.is_register()) {
            if (!is_in_flags(a.reg(), size)) code_.test(gp(a.reg(), size), gp(a.reg(), size));
        } else if (shape_->is_test && a.is_register() && shape_->imm >= 0 && shape_->imm <= 0xff) {
            code_.test(r8(a.reg()), imm);
        } else {
            with(a, size, [&](const Xbyak::Operand& left) {
                shape_->is_test ? code_.test(left, imm) : code_.cmp(left, imm);
            });
        }
    } else {
        const Xbyak::Reg32e a = gp(reg_at(shape_->a), size);
        const auto compare = [&](const Xbyak::Operand& b) {
            shape_->is_test ? code_.test(b, a) : code_.cmp(a, b);
        };
        if (shape_->has_memory) {
            compare(memory(size));
        } else {
            with(at(shape_->b), size, compare);
        }
    }
    switch (shape_->condition) {
        case spec::JumpOp::Eq:
            return Condition::Equal;
        case spec::JumpOp::Ne:
        case spec::JumpOp::Set:
            return Condition::NotEqual;
        case spec::JumpOp::Gt:
            return Condition::Above;
        case spec::JumpOp::Ge:
            return Condition::NotBelow;
        case spec::JumpOp::Lt:
            return Condition::Below;
        case spec::JumpOp::Le:
            return Condition::NotAbove;
        case spec::JumpOp::SGt:
            return Condition::Greater;
        case spec::JumpOp::SGe:
            return Condition::NotLess;
        case spec::JumpOp::SLt:
            return Condition::Less;
        case spec::JumpOp::SLe:
            return Condition::NotGreater;
    }
    return Condition::Equal;
}

namespace {

// 0f 90+cc (setcc) and 0f 40+cc (cmovcc) carry the condition in their second byte, as jumps do.
void set_byte(Xbyak::CodeGenerator& code, std::uint8_t condition, const Xbyak::Reg8& to) {
    switch (condition) {
        case 2:
            return code.setb(to);
        case 3:
            return code.setae(to);
        case 4:
            return code.sete(to);
        case 5:
            return code.setne(to);
        case 6:
            return code.setbe(to);
        case 7:
            return code.seta(to);
        case 12:
            return code.setl(to);
        case 13:
            return code.setge(to);
        case 14:
            return code.setle(to);
        default:
            return code.setg(to);
    }
}

void move_if(Xbyak::CodeGenerator& code, std::uint8_t condition, const Xbyak::Reg& to,
             const Xbyak::Operand& from) {
    switch (condition) {
        case 2:
            return code.cmovb(to, from);
        case 3:
            return code.cmovae(to, from);
        case 4:
            return code.cmove(to, from);
        case 5:
            return code.cmovne(to, from);
        case 6:
            return code.cmovbe(to, from);
        case 7:
            return code.cmova(to, from);
        case 12:
            return code.cmovl(to, from);
        case 13:
            return code.cmovge(to, from);
        case 14:
            return code.cmovle(to, from);
        default:
            return code.cmovg(to, from);
    }
}

}  // namespace

void Emitter::emit_compare() {
    const Register result = reg_at(shape_->result);
    bool is_read = false;
    for (const std::int8_t operand :
         {shape_->a, shape_->b, shape_->base, shape_->index, shape_->address_temporary}) {
        if (operand >= 0 && at(operand) == Location::in(result)) is_read = true;
    }
    // Clearing before is better for the processor than widening after.
    if (!is_read) code_.xor_(r32(result), r32(result));
    const Condition condition = emit_condition();
    set_byte(code_, static_cast<std::uint8_t>(condition), r8(result));
    if (is_read) code_.movzx(r32(result), r8(result));
}

void Emitter::emit_select() {
    const Register result = reg_at(shape_->result);
    auto condition = static_cast<std::uint8_t>(emit_condition());
    Location c = at(shape_->c);
    Location d = at(shape_->d);
    if (c == Location::in(result)) {
        std::swap(c, d);
        condition ^= 1U;
    }
    load(result, d, spec::Width::W64, false);
    if (c == d) return;
    with(c, 64, [&](const Xbyak::Operand& from) { move_if(code_, condition, r64(result), from); });
}

}  // namespace ebpf::jit::x64
