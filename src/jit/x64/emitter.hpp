// SPDX-License-Identifier: MIT
// Emission for x86-64: one function's instructions and moves as bytes. Internal; includes xbyak.
#pragma once

#include <xbyak/xbyak.h>
#include <cstdint>
#include <vector>

#include "engine/machine_code.hpp"
#include "ir/ir.hpp"
#include "jit/allocation.hpp"
#include "jit/jit.hpp"
#include "jit/layout.hpp"
#include "jit/x64/select.hpp"

namespace ebpf::jit::x64 {

/// A call of a subprogram: the 4 bytes at `offset` are relative to their end.
struct LocalCall {
    std::uint32_t offset = 0;
    std::uint32_t function = 0;
};

/// What one function became; offsets from its start.
struct Emitted {
    std::vector<engine::Relocation> relocations;
    std::vector<SlotOffset> slots;
    std::vector<LocalCall> calls;
};

/// What emission needs of a function.
struct Source {
    const ir::Function& function;
    const Selected& selected;
    const Allocation& allocation;
    const Convention& convention;
    const Options& options;
    bool is_program = true;
};

class Emitter {
  public:
    /// Emits into `buffer`. Requires: it has bytes_needed().
    Emitter(const Source& source, std::uint8_t* buffer, std::size_t size);
    /// Returns the number of bytes.
    std::size_t run(Emitted& emitted);
    /// An upper bound.
    static std::size_t bytes_needed(const Selected& selected, const Allocation& allocation);

  private:
    /// Tells conditional jumps from others. Numbers are the processor's condition codes.
    enum class Condition : std::uint8_t {
        Below = 2,
        NotBelow = 3,
        Equal = 4,
        NotEqual = 5,
        NotAbove = 6,
        Above = 7,
        Less = 12,
        NotLess = 13,
        NotGreater = 14,
        Greater = 15,
        Always = 16
    };
    struct Fixup {
        std::uint32_t at;  ///< of the distance
        std::uint32_t target;
        std::uint32_t ordinal;
        bool is_short;
    };

    // emit_function.cpp
    void plan_frame();
    void estimate_sizes();
    bool emit_all();
    void emit_prologue();
    void emit_epilogue();
    void emit_block(std::size_t place);
    void emit_instruction(std::uint32_t index);
    void emit_terminator(std::uint32_t index, std::size_t place);
    void jump(Condition condition, ir::BlockId target);
    bool patch_jumps();
    void note_slot(const Instruction& instruction);

    // emit_moves.cpp
    void emit_moves(std::uint32_t instruction);
    void emit_swap(const Move& move);
    void copy(Location to, Location from);
    void make(Register to, ValueId value, bool may_change_flags = true);
    void make_constant(Register to, std::int64_t value, bool may_change_flags = true);
    void make_blinded(Register to, std::uint64_t value);
    void make_relocated(Register to, engine::RelocationKind kind, std::uint32_t index,
                        std::uint64_t addend = 0);
    void load(Register to, Location from, spec::Width width, bool may_change_flags = true);

    // emit_alu.cpp
    void emit_alu();
    void note_flags();
    bool is_in_flags(Register r, int bits) const;
    bool emit_short_add(Register result);
    bool emit_short_multiply(Register result);
    void emit_add_scaled();
    void emit_and_not();
    void emit_shift();
    void emit_rotate();
    void emit_negate();
    void emit_extend();
    void emit_swap_bytes();
    void emit_compare();
    void emit_select();
    Condition emit_condition();
    void alu(ir::Opcode opcode, const Xbyak::Operand& to, const Xbyak::Operand& from);
    void alu_imm(ir::Opcode opcode, const Xbyak::Operand& to, std::uint32_t imm);

    // emit_divide.cpp
    void emit_divide();
    void emit_unsigned_divide(bool is_modulo, bool is_safe);
    void emit_signed_divide(bool is_modulo, bool is_safe);
    void emit_divide_constant();
    void multiply_high(Register result, std::uint64_t factor, spec::Width width);

    // emit_memory.cpp
    void emit_load();
    void emit_store();
    void emit_update();
    void emit_atomic_update();
    void emit_atomic_exchange();
    void emit_atomic_loop();
    void emit_compare_exchange();
    void emit_helper_call();
    void emit_tail_call_check();
    void emit_tail_call_chain(Register invocation);
    void emit_local_call();
    void emit_map_lookup();
    void emit_packet_load();
    void call_relocated(engine::RelocationKind kind, std::uint32_t index);

    // operands of the current instruction
    const ir::Node& node() const { return source_.function.nodes[instruction_->node]; }
    Location at(std::int8_t operand) const {
        return source_.allocation
            .locations[instruction_->first_operand + static_cast<std::uint32_t>(operand)];
    }
    Register reg_at(std::int8_t operand) const { return at(operand).reg(); }
    int bits() const { return shape_->width == spec::Width::W64 ? 64 : 32; }
    static Xbyak::Reg32e gp(Register r, int bits) { return Xbyak::Reg32e(r, bits); }
    static Xbyak::Reg64 r64(Register r) { return Xbyak::Reg64(r); }
    static Xbyak::Reg32 r32(Register r) { return Xbyak::Reg32(r); }
    static Xbyak::Reg16 r16(Register r) { return Xbyak::Reg16(r); }
    static Xbyak::Reg8 r8(Register r) { return Xbyak::Reg8(r, r >= 4 && r < 8); }
    Xbyak::RegExp frame(std::int64_t offset) const;
    Xbyak::Address slot(std::uint32_t number, int bits) const;
    Xbyak::Address memory(int bits);
    /// Calls `f` with the register or slot as an operand.
    template <typename F>
    void with(Location location, int bits, F f) {
        if (location.is_register()) {
            f(static_cast<const Xbyak::Operand&>(gp(location.reg(), bits)));
        } else {
            f(static_cast<const Xbyak::Operand&>(slot(location.index, bits)));
        }
    }
    std::uint32_t here() const { return static_cast<std::uint32_t>(code_.getSize()); }
    std::uint32_t local_jump(Condition condition);
    void land(std::uint32_t jump);

    Source source_;
    Xbyak::CodeGenerator code_;
    Emitted* emitted_ = nullptr;
    const Instruction* instruction_ = nullptr;
    const Shape* shape_ = nullptr;

    // frame, from rsp upwards: home of callees' arguments, spill slots, the function's frame memory
    std::vector<Register> saved_;
    std::int64_t frame_bytes_ = 0;
    std::int64_t frame_bias_ = 0;  ///< what is added to offsets: negative when the frame is below rsp
    std::int64_t slots_at_ = 0;
    std::int64_t memory_end_ = 0;

    Layout layout_;
    std::vector<std::uint32_t> estimate_;      ///< by block: bytes before it in the layout, roughly
    std::vector<std::uint32_t> block_offset_;  ///< kNone: not yet emitted; one more for the common exit
    std::vector<Fixup> fixups_;
    std::vector<bool> is_long_;  ///< by ordinal of forward jumps: a short one does not reach
    std::uint32_t next_ordinal_ = 0;
    std::uint32_t estimated_here_ = 0;
    std::uint64_t key_state_ = 0;

    // the last result that the flags tell of: whether it is zero
    std::uint32_t flags_at_ = ir::kNone;  ///< where its instruction ends; kNone: there is none
    Register flags_of_ = kNoRegister;
    int flags_bits_ = 0;
};

}  // namespace ebpf::jit::x64
