// SPDX-License-Identifier: MIT
// Moves between registers and slots, and values that are made on the spot.
#include <bit>

#include "jit/x64/emitter.hpp"

namespace ebpf::jit::x64 {
namespace {

// No calling convention keeps these, and bytecode has no use for them: scratch for moves between slots.
const Xbyak::Xmm scratch(0);
const Xbyak::Xmm scratch2(1);

}  // namespace

Xbyak::RegExp Emitter::frame(std::int64_t offset) const {
    return Xbyak::RegExp(r64(kRsp)) + static_cast<std::size_t>(frame_bias_ + offset);
}

Xbyak::Address Emitter::slot(std::uint32_t number, int bits) const {
    const Xbyak::AddressFrame& sized = bits == 64   ? code_.qword
                                       : bits == 32 ? code_.dword
                                       : bits == 16 ? code_.word
                                                    : code_.byte;
    return sized[frame(slots_at_ + std::int64_t{number} * 8)];
}

// The memory operand of the current instruction.
Xbyak::Address Emitter::memory(int bits) {
    const Xbyak::AddressFrame& sized = bits == 64   ? code_.qword
                                       : bits == 32 ? code_.dword
                                       : bits == 16 ? code_.word
                                                    : code_.byte;
    Xbyak::RegExp address;
    std::int64_t disp = shape_->disp;
    if (shape_->address_temporary >= 0) {
        const Register temporary = reg_at(shape_->address_temporary);
        make_constant(temporary, shape_->wide_disp);
        if (shape_->has_frame_base) {
            code_.lea(r64(temporary), code_.ptr[frame(memory_end_) + r64(temporary)]);
        } else {
            code_.add(r64(temporary), r64(reg_at(shape_->base)));
        }
        address = Xbyak::RegExp(r64(temporary));
    } else if (shape_->has_frame_base) {
        address = frame(memory_end_ + disp);
        disp = 0;
    } else {
        address = Xbyak::RegExp(r64(reg_at(shape_->base)));
    }
    if (shape_->index >= 0) address = address + Xbyak::RegExp(r64(reg_at(shape_->index)), 1 << shape_->scale);
    if (disp != 0) address = address + static_cast<std::size_t>(disp);
    return sized[address];
}

void Emitter::emit_moves(std::uint32_t instruction) {
    for (const Move& move : source_.allocation.moves_before(instruction)) {
        if (move.is_swap) {
            emit_swap(move);
        } else {
            copy(move.to, move.from);
        }
    }
}

// Exchanging with memory would lock the bus: goes through a vector register instead.
void Emitter::emit_swap(const Move& move) {
    if (move.from.is_register() && move.to.is_register()) {
        code_.xchg(r64(move.from.reg()), r64(move.to.reg()));
        return;
    }
    if (move.from.is_slot() && move.to.is_slot()) {
        code_.movq(scratch, slot(move.from.index, 64));
        code_.movq(scratch2, slot(move.to.index, 64));
        code_.movq(slot(move.from.index, 64), scratch2);
        code_.movq(slot(move.to.index, 64), scratch);
        return;
    }
    const Register reg = move.from.is_register() ? move.from.reg() : move.to.reg();
    const std::uint32_t number = move.from.is_slot() ? move.from.index : move.to.index;
    code_.movq(scratch, slot(number, 64));
    code_.mov(slot(number, 64), r64(reg));
    code_.movq(r64(reg), scratch);
}

void Emitter::copy(Location to, Location from) {
    if (to.is_register()) return load(to.reg(), from, spec::Width::W64);
    if (from.is_register()) {
        code_.mov(slot(to.index, 64), r64(from.reg()));
    } else if (from.is_slot()) {
        code_.movq(scratch, slot(from.index, 64));
        code_.movq(slot(to.index, 64), scratch);
    } else {
        code_.movq(scratch, r64(kRax));
        make(kRax, from.index);
        code_.mov(slot(to.index, 64), r64(kRax));
        code_.movq(r64(kRax), scratch);
    }
}

void Emitter::load(Register to, Location from, spec::Width width, bool may_change_flags) {
    const int wide = width == spec::Width::W64 ? 64 : 32;
    if (from.is_remake()) {
        make(to, from.index, may_change_flags);
    } else if (from.is_slot()) {
        code_.mov(gp(to, wide), slot(from.index, wide));
    } else if (from.reg() != to) {
        code_.mov(gp(to, wide), gp(from.reg(), wide));
    }
}

void Emitter::make(Register to, ValueId value, bool may_change_flags) {
    const ir::Node& it = source_.function.nodes[value];
    const auto map = static_cast<std::uint32_t>(it.imm);
    if (it.opcode == ir::Opcode::MapHandle) {
        make_relocated(to, engine::RelocationKind::MapHandle, map);
    } else if (it.opcode == ir::Opcode::MapValue) {
        make_relocated(to, engine::RelocationKind::MapValue, map, static_cast<std::uint64_t>(it.imm) >> 32U);
    } else if (it.opcode == ir::Opcode::CodeAddress) {
        make_relocated(to, engine::RelocationKind::Function, static_cast<std::uint32_t>(it.imm));
    } else if (it.opcode == ir::Opcode::FrameAddress) {
        code_.lea(r64(to), code_.ptr[frame(memory_end_ + it.imm)]);
    } else {
        make_constant(to, it.imm, may_change_flags);
    }
}

void Emitter::make_constant(Register to, std::int64_t value, bool may_change_flags) {
    const bool is_small = value >= -128 && value <= 127;
    if (source_.options.blind_constants && !is_small)
        return make_blinded(to, static_cast<std::uint64_t>(value));
    if (value == 0 && may_change_flags) {
        code_.xor_(r32(to), r32(to));
    } else if (value >= 0 && value <= 0xffffffff) {
        code_.mov(r32(to), static_cast<std::uint32_t>(value));
    } else {
        code_.mov(r64(to), static_cast<std::uint64_t>(value));
    }
}

// The constant comes out of numbers that whoever wrote the program cannot know. Changes flags.
void Emitter::make_blinded(Register to, std::uint64_t value) {
    // A step of SplitMix64 (Steele, Lea, Flood 2014).
    key_state_ += 0x9e3779b97f4a7c15;
    std::uint64_t key = key_state_;
    key = (key ^ key >> 30U) * 0xbf58476d1ce4e5b9;
    key = (key ^ key >> 27U) * 0x94d049bb133111eb;
    key ^= key >> 31U;
    const auto extended = [](std::uint64_t half) {
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(half)));
    };
    // Undo, last step first, what the code does below.
    const std::uint64_t first = extended(key);
    const std::uint64_t second = extended(key >> 32U);
    const std::uint64_t before = std::rotr(value, 32) ^ second;
    const std::uint64_t start = std::rotr(before, 32) ^ first;
    code_.db(to >= 8 ? 0x49 : 0x48);  // mov to, imm64 in its long form whatever the number is
    code_.db(0xb8 | (to & 7));
    code_.dq(start);
    code_.xor_(r64(to), static_cast<std::uint32_t>(first));
    code_.rol(r64(to), 32);
    code_.xor_(r64(to), static_cast<std::uint32_t>(second));
    code_.rol(r64(to), 32);
}

void Emitter::make_relocated(Register to, engine::RelocationKind kind, std::uint32_t index,
                             std::uint64_t addend) {
    code_.db(to >= 8 ? 0x49 : 0x48);
    code_.db(0xb8 | (to & 7));
    emitted_->relocations.push_back({here(), kind, index, addend});
    code_.dq(0);
}

}  // namespace ebpf::jit::x64
