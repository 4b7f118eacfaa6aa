// SPDX-License-Identifier: MIT
// Calls on arm64: helpers, map lookups, packet bytes, subprograms.
#include <cstddef>

#include "jit/arm64/emitter.hpp"

namespace ebpf::jit::arm64 {

void Emitter::call(engine::RelocationKind kind, std::uint32_t index) {
    load_relocated(a64::x16, kind, index, 0);
    masm_.Blr(a64::x16);
}

void Emitter::emit_call(const ir::Node& node) {
    const auto number = static_cast<std::uint32_t>(node.imm);
    if (node.opcode == ir::Opcode::CallLocal) {
        masm_.Bl(&entries_[number]);
        return;
    }
    call(engine::RelocationKind::Helper, number);
    if (node.opcode != ir::Opcode::TailCall) return;
    // Its last operand is the invocation: with a target set there, this program has ended (engine::run()).
    const Instruction& instruction = selected_->selection.instructions[instruction_];
    const Location& invocation = location(instruction.operand_count - 1U);
    if (invocation.is_slot()) masm_.Ldr(a64::x16, slot_operand(invocation.index));
    const a64::XRegister base(invocation.is_slot() ? kScratch : invocation.reg());
    masm_.Ldr(a64::x16, a64::MemOperand(base, offsetof(engine::Invocation, tail_target)));
    masm_.Cbnz(a64::x16, exit_);
}

void Emitter::emit_map_lookup(const ir::Node& node) {
    const auto map = static_cast<std::uint32_t>(node.imm);
    load_relocated(a64::x0, engine::RelocationKind::MapHandle, map, 0);
    call(engine::RelocationKind::MapLookup, map);
}

// packet_bytes(invocation, offset, size) gives the bytes, or nullptr, which is what the function returns
// then.
void Emitter::emit_packet_load(const ir::Node& node) {
    const bool is_indirect = node.input_count != 0;
    const auto imm = static_cast<std::int64_t>(static_cast<std::int32_t>(node.imm));
    if (!is_indirect) {
        load_constant(a64::x1, static_cast<std::uint64_t>(imm));
    } else {
        if (must_hide(imm)) {
            load_constant(a64::x16, static_cast<std::uint64_t>(imm));
            masm_.Add(a64::w1, a64::w1, a64::w16);
        } else {
            masm_.Add(a64::w1, a64::w1, imm);
        }
        masm_.Sxtw(a64::x1, a64::w1);
    }
    masm_.Mov(a64::x2, node.size);
    call(engine::RelocationKind::PacketBytes, 0);
    masm_.Cbz(a64::x0, exit_);
    const a64::MemOperand bytes(a64::x0);
    switch (node.size) {
        case 1:
            masm_.Ldrb(a64::w0, bytes);
            break;
        case 2:
            masm_.Ldrh(a64::w0, bytes);
            masm_.Rev16(a64::w0, a64::w0);
            break;
        case 4:
            masm_.Ldr(a64::w0, bytes);
            masm_.Rev(a64::w0, a64::w0);
            break;
        default:
            masm_.Ldr(a64::x0, bytes);
            masm_.Rev(a64::x0, a64::x0);
            break;
    }
}

}  // namespace ebpf::jit::arm64
