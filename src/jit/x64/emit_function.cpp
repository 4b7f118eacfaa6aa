// SPDX-License-Identifier: MIT
// Frame and jumps.
#include <algorithm>

#include "jit/x64/emitter.hpp"

namespace ebpf::jit::x64 {
namespace {

constexpr std::uint32_t kUnknown = ir::kNone;
constexpr std::uint32_t kSlotBytes = 8;
constexpr std::uint32_t kStackAlignment = 16;
constexpr std::size_t kLoopAlignment = 16;

}  // namespace

Emitter::Emitter(const Source& source, std::uint8_t* buffer, std::size_t size)
    : source_(source), code_(size, buffer) {}

// The longest instructions are divisions and tail calls; the longest moves blinded constants into slots.
std::size_t Emitter::bytes_needed(const Selected& selected, const Allocation& allocation) {
    constexpr std::size_t kMostPerInstruction = 128;
    constexpr std::size_t kMostPerMove = 64;
    constexpr std::size_t kPrologueAndEpilogue = 512;
    // A copy of a return in place of a jump repeats its moves.
    return selected.shapes.size() * kMostPerInstruction * 2 + allocation.moves.size() * kMostPerMove * 2 +
           kPrologueAndEpilogue;
}

std::size_t Emitter::run(Emitted& emitted) {
    emitted_ = &emitted;
    plan_frame();
    layout_ = plan_layout(source_.function, source_.selected.selection, source_.allocation);
    estimate_sizes();
    while (!emit_all()) {
    }
    return code_.getSize();
}

void Emitter::plan_frame() {
    const Convention& convention = source_.convention;
    saved_.clear();
    RegisterSet saved = source_.allocation.used & convention.file.callee_saved;
    for (; !saved.is_empty(); saved.remove(saved.first())) saved_.push_back(saved.first());
    std::int64_t bytes = 0;
    if (source_.selected.has_calls) {
        bytes += convention.home_bytes;
        if (source_.selected.has_stack_arguments) bytes += std::int64_t{2} * kSlotBytes;
    }
    slots_at_ = bytes;
    bytes += std::int64_t{source_.allocation.slot_count} * kSlotBytes;
    bytes += source_.function.frame_bytes;
    memory_end_ = bytes;
    if (!source_.selected.has_calls && bytes <= convention.red_zone_bytes) {
        frame_bytes_ = 0;
        frame_bias_ = -bytes;
        return;
    }
    const auto above = static_cast<std::int64_t>(saved_.size() + 1) * kSlotBytes;  // and the return address
    if ((bytes + above) % kStackAlignment != 0) bytes += kSlotBytes;
    frame_bytes_ = bytes;
    frame_bias_ = 0;
}

// Only a guess, for choosing between short and long jumps; a wrong one costs a second emission.
void Emitter::estimate_sizes() {
    constexpr std::uint32_t kPerInstruction = 5;
    constexpr std::uint32_t kPerMove = 4;
    constexpr std::uint32_t kPerJump = 4;
    estimate_.assign(source_.function.blocks.size() + 1, 0);
    std::uint32_t total = 0;
    const auto& begin = source_.selected.selection.block_begin;
    for (const ir::BlockId block : layout_.order) {
        estimate_[block] = total;
        total += (begin[block + 1] - begin[block]) * kPerInstruction + kPerJump;
        total +=
            (source_.allocation.first_move[begin[block + 1]] - source_.allocation.first_move[begin[block]]) *
            kPerMove;
    }
    estimate_.back() = total;
}

bool Emitter::emit_all() {
    code_.setSize(0);
    emitted_->relocations.clear();
    emitted_->slots.clear();
    emitted_->calls.clear();
    fixups_.clear();
    next_ordinal_ = 0;
    key_state_ = source_.options.seed;
    const auto exit_block = static_cast<ir::BlockId>(source_.function.blocks.size());
    block_offset_.assign(exit_block + 1, kUnknown);
    emit_prologue();
    for (std::size_t place = 0; place < layout_.order.size(); ++place) emit_block(place);
    const bool has_exit =
        std::ranges::any_of(fixups_, [&](const Fixup& fixup) { return fixup.target == exit_block; });
    if (has_exit) {
        block_offset_[exit_block] = here();
        emit_epilogue();
    }
    return patch_jumps();
}

void Emitter::emit_prologue() {
    for (const Register r : saved_) code_.push(r64(r));
    if (frame_bytes_ == 0) return;
    // Where the system guards the stack's end by one page, no page may be skipped.
    const auto probe = static_cast<std::int64_t>(source_.convention.probe_bytes);
    if (probe != 0) {
        for (std::int64_t done = probe; done < frame_bytes_; done += probe) {
            code_.or_(code_.dword[r64(kRsp) - static_cast<std::size_t>(done)], 0);
        }
    }
    code_.sub(r64(kRsp), static_cast<std::uint32_t>(frame_bytes_));
}

void Emitter::emit_epilogue() {
    if (frame_bytes_ != 0) code_.add(r64(kRsp), static_cast<std::uint32_t>(frame_bytes_));
    for (auto it = saved_.rbegin(); it != saved_.rend(); ++it) code_.pop(r64(*it));
    code_.ret();
}

void Emitter::emit_block(std::size_t place) {
    const ir::BlockId block = layout_.order[place];
    const ir::BlockId next = layout_.next(place);
    if (layout_.is_loop_top[block] && place > 0) code_.align(kLoopAlignment);
    block_offset_[block] = here();
    estimated_here_ = next != ir::kNone ? estimate_[next] : estimate_.back();
    flags_at_ = kUnknown;
    const auto& begin = source_.selected.selection.block_begin;
    const std::uint32_t last = begin[block + 1] - 1;
    for (std::uint32_t i = begin[block]; i < last; ++i) emit_instruction(i);
    emit_terminator(last, place);
}

void Emitter::note_slot(const Instruction& instruction) {
    if (instruction.node == ir::kNone) return;
    const std::uint32_t slot = source_.function.nodes[instruction.node].slot;
    auto& slots = emitted_->slots;
    if (slots.empty() || slots.back().slot != slot) slots.push_back({here(), slot});
}

void Emitter::emit_instruction(std::uint32_t index) {
    instruction_ = &source_.selected.selection.instructions[index];
    shape_ = &source_.selected.shapes[index];
    note_slot(*instruction_);
    emit_moves(index);
    switch (shape_->form) {
        case Form::Entry:
            return;
        case Form::Alu:
            return emit_alu();
        case Form::AddScaled:
            return emit_add_scaled();
        case Form::AndNot:
            return emit_and_not();
        case Form::Shift:
            return emit_shift();
        case Form::Rotate:
            return emit_rotate();
        case Form::Negate:
            return emit_negate();
        case Form::Extend:
            return emit_extend();
        case Form::Swap:
        case Form::SwapLoad:
            return emit_swap_bytes();
        case Form::Divide:
            return emit_divide();
        case Form::DivideConstant:
            return emit_divide_constant();
        case Form::Compare:
            return emit_compare();
        case Form::Select:
            return emit_select();
        case Form::Load:
            return emit_load();
        case Form::Store:
        case Form::SwapStore:
            return emit_store();
        case Form::Update:
            return emit_update();
        case Form::AtomicUpdate:
            return emit_atomic_update();
        case Form::AtomicExchange:
            return emit_atomic_exchange();
        case Form::AtomicLoop:
            return emit_atomic_loop();
        case Form::CompareExchange:
            return emit_compare_exchange();
        case Form::CallHelper:
            return emit_helper_call();
        case Form::TailCall:
            emit_helper_call();
            return emit_tail_call_check();
        case Form::CallLocal:
            return emit_local_call();
        case Form::MapLookup:
            return emit_map_lookup();
        case Form::PacketLoad:
            return emit_packet_load();
        case Form::Jump:
        case Form::Branch:
        case Form::Return:
            return;  // emit_terminator()
    }
}

void Emitter::emit_terminator(std::uint32_t index, std::size_t place) {
    emit_instruction(index);
    const ir::BlockId next = layout_.next(place);
    if (shape_->form == Form::Return) return emit_epilogue();
    if (shape_->form == Form::Jump) {
        const ir::BlockId target =
            layout_.target[source_.function.blocks[layout_.order[place]].successors[0]];
        if (target == next) return;
        // Where the target only returns, returning here is shorter for the processor.
        if (is_only(source_.function, source_.selected.selection, target, ir::Opcode::Return)) {
            emit_instruction(source_.selected.selection.block_begin[target]);
            return emit_epilogue();
        }
        return jump(Condition::Always, target);
    }
    const Condition condition = emit_condition();
    const Ways ways = ways_of(layout_, source_.function, place);
    const auto inverted = static_cast<Condition>(static_cast<std::uint8_t>(condition) ^ 1U);
    if (ways.jump != next) jump(ways.is_inverted ? inverted : condition, ways.jump);
    if (ways.rest != next) jump(Condition::Always, ways.rest);
}

void Emitter::jump(Condition condition, ir::BlockId target) {
    constexpr std::uint32_t kReach = 100;
    const bool is_always = condition == Condition::Always;
    const auto code = static_cast<std::uint8_t>(condition);
    bool is_short = false;
    std::uint32_t ordinal = kUnknown;
    if (block_offset_[target] != kUnknown) {
        is_short = here() + 2 - block_offset_[target] <= 128;
    } else {
        ordinal = next_ordinal_++;
        if (ordinal >= is_long_.size()) is_long_.resize(ordinal + 1, false);
        is_short = !is_long_[ordinal] && estimate_[target] - estimated_here_ <= kReach;
    }
    if (is_short) {
        code_.db(is_always ? 0xeb : 0x70 | code);
        fixups_.push_back({here(), target, ordinal, true});
        code_.db(0);
    } else {
        if (is_always) {
            code_.db(0xe9);
        } else {
            code_.db(0x0f);
            code_.db(0x80 | code);
        }
        fixups_.push_back({here(), target, ordinal, false});
        code_.dd(0);
    }
}

// Fills in distances. Returns false if a short jump does not reach, after noting which.
bool Emitter::patch_jumps() {
    bool is_complete = true;
    for (const Fixup& fixup : fixups_) {
        const std::uint32_t end = fixup.at + (fixup.is_short ? 1 : 4);
        const auto distance =
            static_cast<std::int32_t>(block_offset_[fixup.target]) - static_cast<std::int32_t>(end);
        if (fixup.is_short && (distance < -128 || distance > 127)) {
            is_long_[fixup.ordinal] = true;
            is_complete = false;
            continue;
        }
        code_.rewrite(fixup.at, static_cast<std::uint64_t>(distance), fixup.is_short ? 1 : 4);
    }
    return is_complete;
}

// A jump forward inside one instruction's code; land() says where to.
std::uint32_t Emitter::local_jump(Condition condition) {
    code_.db(condition == Condition::Always ? 0xeb : 0x70 | static_cast<std::uint8_t>(condition));
    code_.db(0);
    return here();
}

void Emitter::land(std::uint32_t jump) {
    code_.rewrite(jump - 1, here() - jump, 1);
}

}  // namespace ebpf::jit::x64
