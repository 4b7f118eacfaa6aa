// SPDX-License-Identifier: MIT
#include "builder.hpp"

#include <stdexcept>
#include <utility>

#include "isa/encode.hpp"

namespace ebpf::oracle {

void Builder::add(spec::Form form, unsigned dst, unsigned src, std::int64_t offset, std::int64_t imm) {
    isa::Instruction instruction{form, static_cast<std::uint8_t>(dst), static_cast<std::uint8_t>(src),
                                 static_cast<std::int16_t>(offset), imm};
    const spec::FormSpec& spec = spec::form_spec(form);
    if (spec.offset == spec::FieldRule::Fixed) instruction.offset = static_cast<std::int16_t>(spec.selector);
    if (spec.imm == spec::FieldRule::Fixed) instruction.imm = spec.selector;
    if (spec.src == spec::FieldRule::Fixed) instruction.src = static_cast<std::uint8_t>(spec.selector);
    code_.push_back(instruction);
    if (spec.slots == 2) code_.push_back({});
}

void Builder::add(const spec::FormSpec& wanted, unsigned dst, unsigned src, std::int64_t offset,
                  std::int64_t imm) {
    const auto form = isa::find_form(wanted);
    if (!form) throw std::logic_error("the generator asked for a form that does not exist");
    add(*form, dst, src, offset, imm);
}

void Builder::constant(unsigned dst, std::uint64_t value) {
    const auto number = static_cast<std::int64_t>(value);
    if (number == static_cast<std::int32_t>(number)) {
        alu_imm(spec::AluOp::Mov, dst, static_cast<std::int32_t>(number));
    } else {
        add({.family = spec::Family::LoadImm64, .wide = spec::WideKind::Value}, dst, 0, 0, number);
    }
}

Builder::Label Builder::make_label() {
    targets_.push_back(0);
    return targets_.size() - 1;
}

void Builder::jump(const spec::FormSpec& wanted, Label label, unsigned dst, unsigned src, std::int64_t imm) {
    fixups_.push_back({code_.size(), label});
    add(wanted, dst, src, 0, imm);
}

std::vector<isa::Instruction> Builder::finish() {
    for (const Fixup& fixup : fixups_) {
        isa::Instruction& instruction = code_[fixup.slot];
        const std::int64_t distance =
            std::int64_t{targets_[fixup.label]} - static_cast<std::int64_t>(fixup.slot) - 1;
        if (isa::takes_code_address(instruction)) {
            instruction.imm = static_cast<std::uint32_t>(distance);
        } else if (instruction.spec().imm == spec::FieldRule::JumpTarget) {
            instruction.imm = distance;
        } else {
            instruction.offset = static_cast<std::int16_t>(distance);
        }
    }
    return std::move(code_);
}

}  // namespace ebpf::oracle
