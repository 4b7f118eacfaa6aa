// SPDX-License-Identifier: MIT
// Functions: frame, moves, constants, and the walk over the instructions.
#include <fmt/format.h>

#include <cstddef>
#include <utility>

#include "base/try.hpp"
#include "jit/arm64/arm64.hpp"
#include "jit/arm64/emitter.hpp"

namespace ebpf::jit::arm64 {
namespace {

constexpr std::size_t kFirstBufferBytes = 4096;
constexpr std::int64_t kStackAlignment = 16;
constexpr std::int64_t kMostFrameBytes = 1 << 20;

/// A step of splitmix64: keys that tell nothing about each other.
std::uint64_t next_key(std::uint64_t& state) {
    std::uint64_t mixed = (state += 0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31U);
}

}  // namespace

Emitter::Emitter(const ir::Module& module, const Options& options)
    : module_(module),
      options_(options),
      masm_(kFirstBufferBytes),
      entries_(module.functions.size()),
      next_key_(options.seed),
      saved_(a64::CPURegister::kRegister, a64::kXRegSize, 0) {
    // x16 is ours; the macros keep x17.
    masm_.GetScratchRegisterList()->Remove(a64::x16);
    if (options.features.has_atomics) masm_.GetCPUFeatures()->Combine(vixl::CPUFeatures::kAtomics);
}

a64::Register Emitter::x(std::uint32_t i) const {
    return a64::XRegister(location(i).reg());
}

a64::Register Emitter::reg(std::uint32_t i, spec::Width width) const {
    if (width == spec::Width::W64) return x(i);
    return a64::WRegister(location(i).reg());
}

const Location& Emitter::location(std::uint32_t i) const {
    return allocation_->locations[selected_->selection.instructions[instruction_].first_operand + i];
}

bool Emitter::must_hide(std::int64_t value) const {
    return options_.blind_constants && (value < -128 || value > 255);
}

a64::MemOperand Emitter::slot_operand(std::uint32_t slot) const {
    return a64::MemOperand(a64::sp, std::int64_t{slot} * 8);
}

std::int64_t Emitter::frame_offset(std::int64_t from_end) const {
    return std::int64_t{allocation_->slot_count} * 8 + function_->frame_bytes + from_end;
}

void Emitter::load_constant(const a64::Register& target, std::uint64_t value) {
    if (!must_hide(static_cast<std::int64_t>(value))) {
        masm_.Mov(target, value);
        return;
    }
    const std::uint64_t key = next_key(next_key_);
    a64::UseScratchRegisterScope scratch(&masm_);
    const a64::Register second = scratch.AcquireX();
    masm_.Mov(target, value ^ key);
    masm_.Mov(second, key);
    masm_.Eor(target, target, second);
}

void Emitter::load_relocated(const a64::Register& target, engine::RelocationKind kind, std::uint32_t index,
                             std::uint64_t addend) {
    Pending& pending = pending_.emplace_back(
        Pending{{0, kind, index, addend}, a64::Literal<std::uint64_t>(0, masm_.GetLiteralPool())});
    masm_.Ldr(target, &pending.field);
}

// Values that have no register of their own until one is needed.
void Emitter::make(const a64::Register& target, ValueId value) {
    const ir::Node& node = function_->nodes[value];
    const auto bits = static_cast<std::uint64_t>(node.imm);
    if (node.opcode == ir::Opcode::Constant) {
        load_constant(target, bits);
    } else if (node.opcode == ir::Opcode::MapHandle) {
        load_relocated(target, engine::RelocationKind::MapHandle, static_cast<std::uint32_t>(bits), 0);
    } else if (node.opcode == ir::Opcode::MapValue) {
        load_relocated(target, engine::RelocationKind::MapValue,
                       static_cast<std::uint32_t>(bits & 0xffffffffU), bits >> 32U);
    } else if (node.opcode == ir::Opcode::CodeAddress) {
        load_relocated(target, engine::RelocationKind::Function, static_cast<std::uint32_t>(bits), 0);
    } else {  // FrameAddress: select.cpp marks no other
        masm_.Add(target, a64::sp, frame_offset(node.imm));
    }
}

void Emitter::emit_swap(const Move& move) {
    const Location& a = move.from;
    const Location& b = move.to;
    if (a.is_register() && b.is_register()) {
        masm_.Mov(a64::x16, a64::XRegister(a.reg()));
        masm_.Mov(a64::XRegister(a.reg()), a64::XRegister(b.reg()));
        masm_.Mov(a64::XRegister(b.reg()), a64::x16);
        return;
    }
    if (a.is_register() != b.is_register()) {
        const a64::XRegister held(a.is_register() ? a.reg() : b.reg());
        const a64::MemOperand slot = slot_operand(a.is_register() ? b.index : a.index);
        masm_.Ldr(a64::x16, slot);
        masm_.Str(held, slot);
        masm_.Mov(held, a64::x16);
        return;
    }
    a64::UseScratchRegisterScope scratch(&masm_);
    const a64::Register second = scratch.AcquireX();
    masm_.Ldr(a64::x16, slot_operand(a.index));
    masm_.Ldr(second, slot_operand(b.index));
    masm_.Str(a64::x16, slot_operand(b.index));
    masm_.Str(second, slot_operand(a.index));
}

void Emitter::emit_move(const Move& move) {
    if (move.is_swap) return emit_swap(move);
    const bool is_to_register = move.to.is_register();
    if (move.from.is_register()) {
        const a64::XRegister from(move.from.reg());
        if (is_to_register) {
            masm_.Mov(a64::XRegister(move.to.reg()), from);
        } else {
            masm_.Str(from, slot_operand(move.to.index));
        }
        return;
    }
    const a64::XRegister target(is_to_register ? move.to.reg() : kScratch);
    if (move.from.is_slot()) {
        masm_.Ldr(target, slot_operand(move.from.index));
    } else {
        make(target, move.from.index);
    }
    if (!is_to_register) masm_.Str(target, slot_operand(move.to.index));
}

void Emitter::emit_moves(std::span<const Move> moves) {
    for (const Move& move : moves) emit_move(move);
}

// Saved registers lie above the frame; a function that calls none saves no return address.
void Emitter::emit_prologue() {
    RegisterSet saved = allocation_->used & register_file().callee_saved;
    if (selected_->has_calls) saved.add(kReturnAddress);
    if (saved.size() % 2 != 0) saved.add(kFramePointer);  // pairs keep the stack aligned
    saved_ = a64::CPURegList(a64::CPURegister::kRegister, a64::kXRegSize, saved.bits);
    if (!saved.is_empty()) masm_.PushCPURegList(saved_);
    if (frame_bytes_ != 0) masm_.Sub(a64::sp, a64::sp, frame_bytes_);
}

void Emitter::emit_epilogue() {
    if (frame_bytes_ != 0) masm_.Add(a64::sp, a64::sp, frame_bytes_);
    if (!saved_.IsEmpty()) masm_.PopCPURegList(saved_);
    masm_.Ret();
}

// Operand 0 is the invocation; a program's parameters come out of it, a subprogram's are where they belong.
void Emitter::emit_entry() {
    if (!is_program_) return;
    const Instruction& entry = selected_->selection.instructions[instruction_];
    for (std::uint32_t i = 1; i < entry.operand_count; ++i) {
        const ValueId value = selected_->selection.operands[entry.first_operand + i].value;
        const bool is_first = function_->nodes[value].imm == 0;
        const std::size_t offset =
            is_first ? offsetof(engine::Invocation, context) : offsetof(engine::Invocation, r2);
        masm_.Ldr(x(i), a64::MemOperand(x(0), static_cast<std::int64_t>(offset)));
    }
}

Result<void> Emitter::emit_instruction(std::uint32_t at) {
    instruction_ = at;
    emit_moves(allocation_->moves_before(at));
    const ir::NodeId id = selected_->selection.instructions[at].node;
    if (id == ir::kNone) {
        emit_entry();
        return {};
    }
    const ir::Node& node = function_->nodes[id];
    if (node.opcode == ir::Opcode::TailCall && !is_program_) {
        return fail(Status::NotSupported,
                    fmt::format("instruction {}: a tail call out of a subprogram", node.slot));
    }
    const auto offset = static_cast<std::uint32_t>(masm_.GetCursorOffset());
    if (translation_.slots.empty() || translation_.slots.back().slot != node.slot) {
        translation_.slots.push_back({offset, node.slot});
    }
    emit_node(node);
    return {};
}

Result<void> Emitter::emit(std::uint32_t index, const Selected& selected, const Allocation& allocation) {
    function_ = &module_.functions[index];
    selected_ = &selected;
    allocation_ = &allocation;
    is_program_ = index == 0;
    const std::int64_t used = std::int64_t{allocation.slot_count} * 8 + function_->frame_bytes;
    frame_bytes_ = (used + kStackAlignment - 1) / kStackAlignment * kStackAlignment;
    if (frame_bytes_ > kMostFrameBytes) {
        return fail(Status::LimitExceeded, fmt::format("function {}: a frame of {} bytes, at most {}", index,
                                                       frame_bytes_, kMostFrameBytes));
    }
    std::vector<a64::Label> blocks(function_->blocks.size());
    a64::Label exit;
    blocks_ = &blocks;
    exit_ = &exit;
    masm_.Bind(&entries_[index]);
    translation_.functions.push_back(static_cast<std::uint32_t>(masm_.GetCursorOffset()));
    emit_prologue();
    layout_ = plan_layout(*function_, selected.selection, allocation);
    for (place_ = 0; place_ < layout_.order.size(); ++place_) {
        const ir::BlockId block = layout_.order[place_];
        masm_.Bind(&blocks[block]);
        const auto& begin = selected.selection.block_begin;
        for (std::uint32_t at = begin[block]; at < begin[block + 1]; ++at) {
            EBPF_TRY_VOID(emit_instruction(at));
        }
    }
    masm_.Bind(&exit);
    emit_epilogue();
    return {};
}

Translation Emitter::finish() {
    masm_.FinalizeCode();
    const auto* bytes = masm_.GetBuffer()->GetStartAddress<const std::byte*>();
    translation_.code.assign(bytes, bytes + masm_.GetSizeOfCodeGenerated());
    for (const Pending& pending : pending_) {
        engine::Relocation relocation = pending.relocation;
        relocation.offset = static_cast<std::uint32_t>(pending.field.GetOffset());
        // Subprograms are called as C functions are, so that helpers can call them as they are.
        if (relocation.kind == engine::RelocationKind::Function)
            relocation.addend = translation_.functions[relocation.index];
        translation_.relocations.push_back(relocation);
    }
    return std::move(translation_);
}

Features detect_features() {
    Features features;
    features.has_atomics = vixl::CPUFeatures::InferFromOS().Has(vixl::CPUFeatures::kAtomics);
    return features;
}

Result<Translation> generate(const ir::Module& module, const Options& options) {
    return generate(module, options, register_file());
}

Result<Translation> generate(const ir::Module& module, const Options& options, const RegisterFile& file) {
    Emitter emitter(module, options);
    Allocator allocator;
    Selected selected;
    Allocation allocation;
    for (std::uint32_t i = 0; i < module.functions.size(); ++i) {
        select(module.functions[i], i == 0, options, selected);
        allocator.allocate(module.functions[i], selected.selection, file, allocation);
        EBPF_TRY_VOID(emitter.emit(i, selected, allocation));
    }
    return emitter.finish();
}

}  // namespace ebpf::jit::arm64
