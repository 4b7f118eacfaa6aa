// SPDX-License-Identifier: MIT
// Appends instructions to a program, with labels. Forms are found in the table by what they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "isa/instruction.hpp"

namespace ebpf::oracle {

class Builder {
  public:
    using Label = std::size_t;

    /// Appends the instruction of the form that `wanted` describes.
    void add(const spec::FormSpec& wanted, unsigned dst = 0, unsigned src = 0, std::int64_t offset = 0,
             std::int64_t imm = 0);
    void add(spec::Form form, unsigned dst = 0, unsigned src = 0, std::int64_t offset = 0,
             std::int64_t imm = 0);

    void move(unsigned dst, unsigned src) { alu(spec::AluOp::Mov, dst, src); }
    void constant(unsigned dst, std::uint64_t value);
    void alu(spec::AluOp op, unsigned dst, unsigned src) {
        add({.family = spec::Family::Alu, .alu = op, .source = spec::Source::Reg}, dst, src);
    }
    void alu_imm(spec::AluOp op, unsigned dst, std::int32_t imm) {
        add({.family = spec::Family::Alu, .alu = op, .source = spec::Source::Imm}, dst, 0, 0, imm);
    }
    void load(std::uint8_t size, unsigned dst, unsigned base, std::int64_t offset) {
        add({.family = spec::Family::Load, .size = size}, dst, base, offset);
    }
    void store(std::uint8_t size, unsigned base, std::int64_t offset, unsigned src) {
        add({.family = spec::Family::StoreReg, .source = spec::Source::Reg, .size = size}, base, src, offset);
    }
    void call_helper(std::int32_t id) { add({.family = spec::Family::CallHelper}, 0, 0, 0, id); }
    void leave() { add({.family = spec::Family::Exit}); }

    Label make_label();
    void bind(Label label) { targets_[label] = slot(); }
    void go(Label label) { jump({.family = spec::Family::Goto}, label); }
    /// Appends a conditional or unconditional jump, or a local call, to `label`, or what loads its address.
    void jump(const spec::FormSpec& wanted, Label label, unsigned dst = 0, unsigned src = 0,
              std::int64_t imm = 0);
    void branch_imm(spec::JumpOp op, unsigned dst, std::int32_t imm, Label label) {
        jump({.family = spec::Family::Branch, .jump = op, .source = spec::Source::Imm}, label, dst, 0, imm);
    }
    void branch(spec::JumpOp op, unsigned dst, unsigned src, Label label) {
        jump({.family = spec::Family::Branch, .jump = op, .source = spec::Source::Reg}, label, dst, src);
    }

    [[nodiscard]] std::uint32_t slot() const { return static_cast<std::uint32_t>(code_.size()); }
    /// Resolves labels. Requires: every label that was used is bound.
    std::vector<isa::Instruction> finish();

  private:
    struct Fixup {
        std::size_t slot;
        Label label;
    };
    std::vector<isa::Instruction> code_;
    std::vector<std::uint32_t> targets_;
    std::vector<Fixup> fixups_;
};

}  // namespace ebpf::oracle
