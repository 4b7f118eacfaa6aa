// SPDX-License-Identifier: MIT
// Atomic operations on arm64: one instruction where the processor has them (Armv8.1), else a loop of
// exclusive accesses. Those that fetch are followed by a barrier in the loop form, as Linux's fully ordered
// operations are; the instruction forms are acquire and release.
// Source: Linux arch/arm64/include/asm/atomic_ll_sc.h; Arm Architecture Reference Manual, B2.3.
#include "jit/arm64/emitter.hpp"

namespace ebpf::jit::arm64 {

using spec::AtomicOp;

/// Operands: old value, base of the address, b, c (Cmpxchg), the new value.
void Emitter::emit_atomic(const ir::Node& node) {
    const spec::Width width = node.size == 8 ? spec::Width::W64 : spec::Width::W32;
    std::uint32_t operand = 1;
    const a64::MemOperand cell(whole_address(operand));
    const Instruction& instruction = selected_->selection.instructions[instruction_];
    const a64::Register old = reg(0, width);
    const a64::Register fresh = reg(instruction.operand_count - 1U, width);
    if (!options_.features.has_atomics) return emit_atomic_loop(node, old, fresh, cell, operand);

    const a64::Register b = reg(operand, width);
    switch (node.atomic) {
        case AtomicOp::Add:
            return node.fetch ? masm_.Ldaddal(b, old, cell) : masm_.Stadd(b, cell);
        case AtomicOp::Or:
            return node.fetch ? masm_.Ldsetal(b, old, cell) : masm_.Stset(b, cell);
        case AtomicOp::Xor:
            return node.fetch ? masm_.Ldeoral(b, old, cell) : masm_.Steor(b, cell);
        case AtomicOp::And:  // the instruction clears bits
            masm_.Mvn(fresh, b);
            return node.fetch ? masm_.Ldclral(fresh, old, cell) : masm_.Stclr(fresh, cell);
        case AtomicOp::Xchg:
            return masm_.Swpal(b, old, cell);
        case AtomicOp::Cmpxchg:
            masm_.Mov(old, reg(operand + 1, width), a64::kDontDiscardForSameWReg);
            return masm_.Casal(old, b, cell);
    }
}

void Emitter::emit_atomic_loop(const ir::Node& node, const a64::Register& old, const a64::Register& fresh,
                               const a64::MemOperand& cell, std::uint32_t operand) {
    const spec::Width width = node.size == 8 ? spec::Width::W64 : spec::Width::W32;
    const a64::Register b = reg(operand, width);
    a64::UseScratchRegisterScope scratch(&masm_);
    const a64::Register is_lost = scratch.AcquireW();
    a64::Label retry;
    a64::Label done;
    masm_.Bind(&retry);
    masm_.Ldaxr(old, cell);
    switch (node.atomic) {
        case AtomicOp::Add:
            masm_.Add(fresh, old, b);
            break;
        case AtomicOp::Or:
            masm_.Orr(fresh, old, b);
            break;
        case AtomicOp::And:
            masm_.And(fresh, old, b);
            break;
        case AtomicOp::Xor:
            masm_.Eor(fresh, old, b);
            break;
        case AtomicOp::Xchg:
            masm_.Mov(fresh, b);
            break;
        case AtomicOp::Cmpxchg:
            masm_.Cmp(old, reg(operand + 1, width));
            masm_.B(&done, a64::ne);
            masm_.Mov(fresh, b);
            break;
    }
    masm_.Stlxr(is_lost, fresh, cell);
    masm_.Cbnz(is_lost, &retry);
    masm_.Bind(&done);
    if (node.fetch) masm_.Dmb(a64::InnerShareable, a64::BarrierAll);
}

}  // namespace ebpf::jit::arm64
