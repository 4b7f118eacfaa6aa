// SPDX-License-Identifier: MIT
// Memory accesses, atomics and calls.
#include <cstddef>

#include "jit/x64/emitter.hpp"

namespace ebpf::jit::x64 {

void Emitter::emit_load() {
    const Register result = reg_at(shape_->result);
    const int size = shape_->memory_bytes * 8;
    const Xbyak::Address from = memory(size);
    const bool is_signed = node().opcode == ir::Opcode::Load && node().is_signed;
    if (size == 64 || (size == 32 && !is_signed)) return code_.mov(gp(result, size), from);
    if (size == 32) return code_.movsxd(r64(result), from);
    if (is_signed) return code_.movsx(r64(result), from);
    code_.movzx(r32(result), from);
}

// Stores are releases on this processor, loads acquires.
void Emitter::emit_store() {
    const int size = shape_->memory_bytes * 8;
    const Xbyak::Address to = memory(size);
    if (shape_->has_imm) {
        const std::uint64_t mask = size == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << size) - 1;
        const auto imm = static_cast<std::uint64_t>(shape_->imm) & mask;
        return code_.mov(to,
                         size == 64 ? static_cast<std::size_t>(shape_->imm) : static_cast<std::size_t>(imm));
    }
    const Register value = reg_at(shape_->b);
    if (shape_->form == Form::SwapStore) {
        if (size == 16) return code_.movbe(to, r16(value));
        return code_.movbe(to, gp(value, size));
    }
    if (size == 8) return code_.mov(to, r8(value));
    if (size == 16) return code_.mov(to, r16(value));
    code_.mov(to, gp(value, size));
}

void Emitter::emit_update() {
    const int size = shape_->memory_bytes * 8;
    const Xbyak::Address cell = memory(size);
    if (shape_->has_imm) {
        const std::uint32_t mask = size == 8 ? 0xff : 0xffffffff;
        return alu_imm(shape_->operation, cell, static_cast<std::uint32_t>(shape_->imm) & mask);
    }
    const Register value = reg_at(shape_->b);
    if (size == 8) return alu(shape_->operation, cell, r8(value));
    if (size == 16) return alu(shape_->operation, cell, r16(value));
    alu(shape_->operation, cell, gp(value, size));
}

void Emitter::emit_atomic_update() {
    const Xbyak::Address to = memory(bits());
    code_.lock();
    if (shape_->has_imm) {
        const auto imm = static_cast<std::uint32_t>(shape_->imm);
        switch (node().atomic) {
            case spec::AtomicOp::Or:
                return code_.or_(to, imm);
            case spec::AtomicOp::And:
                return code_.and_(to, imm);
            case spec::AtomicOp::Xor:
                return code_.xor_(to, imm);
            case spec::AtomicOp::Add:
            case spec::AtomicOp::Xchg:
            case spec::AtomicOp::Cmpxchg:
                return code_.add(to, imm);
        }
    }
    const Xbyak::Reg32e from = gp(reg_at(shape_->b), bits());
    switch (node().atomic) {
        case spec::AtomicOp::Or:
            return code_.or_(to, from);
        case spec::AtomicOp::And:
            return code_.and_(to, from);
        case spec::AtomicOp::Xor:
            return code_.xor_(to, from);
        case spec::AtomicOp::Add:
        case spec::AtomicOp::Xchg:
        case spec::AtomicOp::Cmpxchg:
            return code_.add(to, from);
    }
}

void Emitter::emit_atomic_exchange() {
    const Register value = reg_at(node().fetch ? shape_->result : shape_->temporary);
    load(value, at(shape_->b), shape_->width);
    if (node().atomic == spec::AtomicOp::Xchg) return code_.xchg(gp(value, bits()), memory(bits()));
    const Xbyak::Address to = memory(bits());
    code_.lock();
    code_.xadd(to, gp(value, bits()));
}

// Tries until nobody was faster. The old value ends in rax.
void Emitter::emit_atomic_loop() {
    const Xbyak::Reg32e rax = gp(kRax, bits());
    const Xbyak::Reg32e wanted = gp(reg_at(shape_->temporary), bits());
    const Xbyak::Reg32e operand = gp(reg_at(shape_->b), bits());
    const Xbyak::Address cell = memory(bits());
    code_.mov(rax, cell);
    const std::uint32_t again = here();
    code_.mov(wanted, rax);
    if (node().atomic == spec::AtomicOp::Or) {
        code_.or_(wanted, operand);
    } else if (node().atomic == spec::AtomicOp::And) {
        code_.and_(wanted, operand);
    } else {
        code_.xor_(wanted, operand);
    }
    code_.lock();
    code_.cmpxchg(cell, wanted);
    code_.db(0x70 | static_cast<std::uint8_t>(Condition::NotEqual));
    code_.db(static_cast<int>(again - (here() + 1)) & 0xff);
}

void Emitter::emit_compare_exchange() {
    const Xbyak::Address cell = memory(bits());
    code_.lock();
    code_.cmpxchg(cell, gp(reg_at(shape_->b), bits()));
    // On success a 32-bit comparison leaves all of rax as it was.
    if (bits() == 32) code_.mov(r32(kRax), r32(kRax));
}

void Emitter::call_relocated(engine::RelocationKind kind, std::uint32_t index) {
    make_relocated(kRax, kind, index);
    code_.call(r64(kRax));
}

void Emitter::emit_helper_call() {
    const Convention& convention = source_.convention;
    std::uint32_t at_stack = convention.home_bytes;
    for (const std::int8_t operand : {shape_->b, shape_->c}) {
        // The fifth argument has its place even if the helper takes fewer.
        if (convention.argument_registers == 6) break;
        if (operand >= 0) {
            const Location from = at(operand);
            if (from.is_register()) {
                code_.mov(code_.qword[r64(kRsp) + at_stack], r64(from.reg()));
            } else {
                load(kRax, from, spec::Width::W64);
                code_.mov(code_.qword[r64(kRsp) + at_stack], r64(kRax));
            }
        }
        at_stack += 8;
    }
    call_relocated(engine::RelocationKind::Helper, static_cast<std::uint32_t>(node().imm));
}

// The helper has set the target if it succeeded: then the program returns, and whoever runs it goes on
// there. A subprogram's caller waits for a result, so that it goes on by itself.
void Emitter::emit_tail_call_check() {
    const Register scratch = source_.convention.arguments[0];
    Register invocation = scratch;
    if (at(shape_->d).is_register()) {
        invocation = at(shape_->d).reg();
    } else {
        load(scratch, at(shape_->d), spec::Width::W64);
    }
    const auto target = code_.qword[r64(invocation) + offsetof(engine::Invocation, tail_target)];
    const auto exit_block = static_cast<ir::BlockId>(source_.function.blocks.size());
    code_.cmp(target, 0);
    if (source_.is_program) return jump(Condition::NotEqual, exit_block);
    const std::uint32_t failed = local_jump(Condition::Equal);
    emit_tail_call_chain(invocation);
    jump(Condition::Always, exit_block);
    land(failed);
}

// Runs target after target until none is set.
void Emitter::emit_tail_call_chain(Register invocation) {
    const Register image = source_.convention.arguments[0];
    const Register second = source_.convention.arguments[1];
    // The image of the call comes first, so the invocation is moved out of its way, and kept in a slot or
    // saved register by the allocator.
    const std::uint32_t again = here();
    if (invocation == image) load(image, at(shape_->d), spec::Width::W64);
    code_.mov(r64(second), r64(invocation));
    code_.mov(r64(image), code_.qword[r64(second) + offsetof(engine::Invocation, tail_target)]);
    code_.mov(code_.qword[r64(second) + offsetof(engine::Invocation, tail_target)], 0);
    code_.call(code_.qword[r64(image) + offsetof(engine::Image, run)]);
    if (invocation == image) load(image, at(shape_->d), spec::Width::W64);
    code_.cmp(code_.qword[r64(invocation) + offsetof(engine::Invocation, tail_target)], 0);
    code_.db(0x70 | static_cast<std::uint8_t>(Condition::NotEqual));
    code_.db(static_cast<int>(again - (here() + 1)) & 0xff);
}

void Emitter::emit_local_call() {
    code_.db(0xe8);
    emitted_->calls.push_back({here(), static_cast<std::uint32_t>(node().imm)});
    code_.dd(0);
}

void Emitter::emit_map_lookup() {
    const auto map = static_cast<std::uint32_t>(node().imm);
    make_relocated(source_.convention.arguments[0], engine::RelocationKind::MapHandle, map);
    call_relocated(engine::RelocationKind::MapLookup, map);
}

// The address of the bytes, or of nothing: then the function returns 0, which is what rax holds.
void Emitter::emit_packet_load() {
    const Convention& convention = source_.convention;
    const Register offset = convention.arguments[1];
    const int size = node().size * 8;
    if (shape_->a < 0) {
        make_constant(offset, shape_->imm);
    } else if (source_.options.blind_constants) {
        make_constant(kRax, shape_->imm);
        code_.add(r32(offset), r32(kRax));
        code_.movsxd(r64(offset), r32(offset));
    } else {
        code_.add(r32(offset), static_cast<std::uint32_t>(shape_->imm));
        code_.movsxd(r64(offset), r32(offset));
    }
    code_.mov(r32(convention.arguments[2]), static_cast<std::uint32_t>(node().size));
    call_relocated(engine::RelocationKind::PacketBytes, 0);
    code_.test(r64(kRax), r64(kRax));
    jump(Condition::Equal, static_cast<ir::BlockId>(source_.function.blocks.size()));
    if (size == 8) return code_.movzx(r32(kRax), code_.byte[r64(kRax)]);
    if (size == 16) {
        code_.movzx(r32(kRax), code_.word[r64(kRax)]);
        return code_.rol(r16(kRax), 8);
    }
    code_.mov(gp(kRax, size), code_.ptr[r64(kRax)]);
    code_.bswap(gp(kRax, size));
}

}  // namespace ebpf::jit::x64
