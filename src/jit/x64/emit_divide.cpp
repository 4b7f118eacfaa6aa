// SPDX-License-Identifier: MIT
// Divisions. Source of the results where the processor would trap: isa/semantics.hpp.
#include <bit>

#include "jit/x64/emitter.hpp"

namespace ebpf::jit::x64 {

void Emitter::emit_divide() {
    const ir::Opcode opcode = node().opcode;
    const bool is_modulo = opcode == ir::Opcode::UMod || opcode == ir::Opcode::SMod;
    if (opcode == ir::Opcode::UDiv || opcode == ir::Opcode::UMod) {
        emit_unsigned_divide(is_modulo, node().divisor_is_safe);
    } else {
        emit_signed_divide(is_modulo, node().divisor_is_safe);
    }
}

// rax by b; quotient in rax, remainder in rdx.
void Emitter::emit_unsigned_divide(bool is_modulo, bool is_safe) {
    const Location b = at(shape_->b);
    std::uint32_t zero_done = 0;
    if (!is_safe) {
        if (b.is_register()) {
            code_.test(gp(b.reg(), bits()), gp(b.reg(), bits()));
        } else {
            code_.cmp(slot(b.index, bits()), 0);
        }
        const std::uint32_t divides = local_jump(Condition::NotEqual);
        if (is_modulo) {
            code_.mov(gp(kRdx, bits()), gp(kRax, bits()));
        } else {
            code_.xor_(r32(kRax), r32(kRax));
        }
        zero_done = local_jump(Condition::Always);
        land(divides);
    }
    if (bits() == 64) {
        // Many processors divide 32 bits several times faster; numbers are small more often than not.
        code_.mov(r64(kRdx), r64(kRax));
        with(b, 64, [&](const Xbyak::Operand& divisor) { code_.or_(r64(kRdx), divisor); });
        code_.shr(r64(kRdx), 32);
        const std::uint32_t is_narrow = local_jump(Condition::Equal);
        code_.xor_(r32(kRdx), r32(kRdx));
        with(b, 64, [&](const Xbyak::Operand& divisor) { code_.div(divisor); });
        const std::uint32_t done = local_jump(Condition::Always);
        land(is_narrow);  // with rdx = 0
        with(b, 32, [&](const Xbyak::Operand& divisor) { code_.div(divisor); });
        land(done);
    } else {
        code_.xor_(r32(kRdx), r32(kRdx));
        with(b, 32, [&](const Xbyak::Operand& divisor) { code_.div(divisor); });
    }
    if (!is_safe) land(zero_done);
}

void Emitter::emit_signed_divide(bool is_modulo, bool is_safe) {
    const Location b = at(shape_->b);
    const Xbyak::Reg32e rax = gp(kRax, bits());
    const Xbyak::Reg32e rdx = gp(kRdx, bits());
    std::uint32_t done = 0;
    if (!is_safe) {
        // For the divisors 0 and -1, quotient = a * b and remainder = a * (b + 1).
        with(b, bits(), [&](const Xbyak::Operand& divisor) { code_.mov(rdx, divisor); });
        code_.add(rdx, 1);
        code_.cmp(rdx, 1);
        const std::uint32_t divides = local_jump(Condition::Above);
        if (is_modulo) {
            code_.imul(rdx, rax);
        } else {
            with(b, bits(), [&](const Xbyak::Operand& divisor) { code_.imul(rax, divisor); });
        }
        done = local_jump(Condition::Always);
        land(divides);
    }
    if (bits() == 64) {
        code_.cqo();
    } else {
        code_.cdq();
    }
    with(b, bits(), [&](const Xbyak::Operand& divisor) { code_.idiv(divisor); });
    if (!is_safe) land(done);
}

// result = high half of a * factor; a is the current instruction's. Changes rdx, without BMI2 rax too.
void Emitter::multiply_high(Register result, std::uint64_t factor, spec::Width width) {
    if (source_.options.features.has_bmi2) {
        load(kRdx, at(shape_->a), width);
        if (width == spec::Width::W32 && at(shape_->a) == Location::in(kRdx)) code_.mov(r32(kRdx), r32(kRdx));
        code_.mov(r64(result), factor);
        code_.mulx(r64(result), r64(result), r64(result));
        return;
    }
    load(result, at(shape_->a), width);
    code_.mov(r64(kRax), factor);
    code_.mul(r64(result));
    code_.mov(r64(result), r64(kRdx));
}

// After Granlund and Montgomery, "Division by invariant integers using multiplication" (1994).
void Emitter::emit_divide_constant() {
    using Wide = unsigned __int128;
    const Register result = reg_at(shape_->result);
    const auto divisor = static_cast<std::uint64_t>(shape_->imm);
    if (bits() == 32) {
        // With 64 bits behind the point the reciprocal is exact enough for every 32-bit dividend.
        multiply_high(result, ~std::uint64_t{0} / divisor + 1, spec::Width::W32);
    } else {
        const int shift = 63 - std::countl_zero(divisor);  // floor of the logarithm
        const Wide power = Wide{1} << (64 + shift);
        const auto factor = static_cast<std::uint64_t>(power / divisor + 1);
        const auto error = static_cast<std::uint64_t>(Wide{factor} * divisor - power);
        if (error <= std::uint64_t{1} << shift) {
            multiply_high(result, factor, spec::Width::W64);
            code_.shr(r64(result), shift);
        } else {
            // The reciprocal takes 65 bits; its lower 64 are used, the top one is added by hand.
            const std::uint64_t above = (std::uint64_t{2} << shift) - divisor;  // 2 << 63 wraps to 0, rightly
            const auto low = static_cast<std::uint64_t>((Wide{above} << 64) / divisor + 1);
            const Register rest = reg_at(shape_->temporary);
            multiply_high(result, low, spec::Width::W64);
            load(rest, at(shape_->a), spec::Width::W64);
            code_.sub(r64(rest), r64(result));
            code_.shr(r64(rest), 1);
            code_.add(r64(result), r64(rest));
            code_.shr(r64(result), shift);
        }
    }
    if (node().opcode == ir::Opcode::UDiv) return;
    const Register rest = reg_at(shape_->temporary);
    if (shape_->imm == static_cast<std::int32_t>(shape_->imm) || bits() == 32) {
        code_.imul(gp(result, bits()), gp(result, bits()), static_cast<std::int32_t>(shape_->imm));
    } else {
        code_.mov(r64(rest), divisor);
        code_.imul(r64(result), r64(rest));
    }
    load(rest, at(shape_->a), shape_->width);
    code_.sub(gp(rest, bits()), gp(result, bits()));
    code_.mov(gp(result, bits()), gp(rest, bits()));
}

}  // namespace ebpf::jit::x64
