// SPDX-License-Identifier: MIT
// Emission for arm64: walks a selection with its allocation and writes instructions. Private to
// src/jit/arm64.
#pragma once

#include <aarch64/macro-assembler-aarch64.h>

#include <deque>
#include <span>
#include <vector>

#include "jit/allocation.hpp"
#include "jit/arm64/selected.hpp"
#include "jit/jit.hpp"
#include "jit/layout.hpp"

namespace ebpf::jit::arm64 {

namespace a64 = vixl::aarch64;

/// One module's code. Threads: one at a time.
class Emitter {
  public:
    Emitter(const ir::Module& module, const Options& options);

    /// Emits function `index`; they come in ascending order.
    /// Errors: NotSupported - a tail call out of a subprogram; LimitExceeded - a frame too large.
    Result<void> emit(std::uint32_t index, const Selected& selected, const Allocation& allocation);

    /// Ends the code. Nothing may be emitted afterwards.
    Translation finish();

  private:
    struct Pending {
        engine::Relocation relocation;
        a64::Literal<std::uint64_t> field;
    };

    // function.cpp: frame, moves, the walk
    void emit_prologue();
    void emit_epilogue();
    void emit_entry();
    void emit_moves(std::span<const Move> moves);
    void emit_move(const Move& move);
    void emit_swap(const Move& move);
    void make(const a64::Register& target, ValueId value);
    void load_constant(const a64::Register& target, std::uint64_t value);
    void load_relocated(const a64::Register& target, engine::RelocationKind kind, std::uint32_t index,
                        std::uint64_t addend);
    Result<void> emit_instruction(std::uint32_t at);
    [[nodiscard]] a64::MemOperand slot_operand(std::uint32_t slot) const;
    [[nodiscard]] std::int64_t frame_offset(std::int64_t from_end) const;
    [[nodiscard]] bool must_hide(std::int64_t value) const;

    // node.cpp: what each opcode becomes
    void emit_node(const ir::Node& node);
    void emit_sum(const ir::Node& node);
    void emit_logical(const ir::Node& node);
    void emit_shift(const ir::Node& node);
    void emit_remainder(const ir::Node& node);
    void emit_extension(const ir::Node& node);
    void emit_byte_swap(const ir::Node& node);
    void emit_select(const ir::Node& node);
    void emit_load(const ir::Node& node);
    void emit_store(const ir::Node& node);
    void emit_ordered(const ir::Node& node);
    [[nodiscard]] a64::Operand rhs(const ir::Node& node, std::uint32_t operand) const;
    a64::Condition compare(const ir::Node& node, std::uint32_t first_operand);
    void emit_branch(const ir::Node& node);
    bool emit_short_branch(const ir::Node& node, a64::Label* target, bool is_inverted);
    a64::MemOperand memory(std::uint32_t& operand);
    a64::Register whole_address(std::uint32_t& operand);
    void jump_to(ir::BlockId block);

    // call.cpp: what leaves the function
    void emit_call(const ir::Node& node);
    void emit_map_lookup(const ir::Node& node);
    void emit_packet_load(const ir::Node& node);
    void call(engine::RelocationKind kind, std::uint32_t index);

    // atomic.cpp
    void emit_atomic(const ir::Node& node);
    void emit_atomic_loop(const ir::Node& node, const a64::Register& old, const a64::Register& fresh,
                          const a64::MemOperand& cell, std::uint32_t operand);

    /// The register of operand `i` of the current instruction, at 64 bits or at `width`.
    [[nodiscard]] a64::Register x(std::uint32_t i) const;
    [[nodiscard]] a64::Register reg(std::uint32_t i, spec::Width width) const;
    [[nodiscard]] const Location& location(std::uint32_t i) const;

    const ir::Module& module_;
    const Options& options_;
    a64::MacroAssembler masm_;
    std::vector<a64::Label> entries_;  // by function
    std::deque<Pending> pending_;      // at fixed addresses, because the assembler points to the fields
    Translation translation_;
    std::uint64_t next_key_;

    // of the function being emitted
    const ir::Function* function_ = nullptr;
    const Selected* selected_ = nullptr;
    const Allocation* allocation_ = nullptr;
    std::vector<a64::Label>* blocks_ = nullptr;
    a64::Label* exit_ = nullptr;
    std::uint32_t instruction_ = 0;
    Layout layout_;
    std::size_t place_ = 0;  // in the layout
    bool is_program_ = false;
    std::int64_t frame_bytes_ = 0;  // below the saved registers: spill slots, then frame memory
    a64::CPURegList saved_;
};

}  // namespace ebpf::jit::arm64
