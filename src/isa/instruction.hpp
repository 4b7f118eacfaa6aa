// SPDX-License-Identifier: MIT
// Decoded instructions. Slot and index are the same number: a two-slot immediate leaves a WideTail behind it.
#pragma once

#include <cstdint>
#include <span>

#include "base/fallible_vector.hpp"
#include "spec/instructions.hpp"

namespace ebpf::isa {

/// One decoded instruction; all its fields have been validated against its form.
struct Instruction {
    spec::Form form{};  ///< row of the table
    std::uint8_t dst = 0;
    std::uint8_t src = 0;
    std::int16_t offset = 0;
    std::int64_t imm = 0;  ///< sign-extended 32-bit immediate; LoadImm64 Value: the whole 64 bits;
                           ///< other LoadImm64: low half first imm, high half second imm
    [[nodiscard]] const spec::FormSpec& spec() const noexcept { return spec::form_spec(form); }
    friend bool operator==(const Instruction&, const Instruction&) = default;
};

/// A decoded program: element i is the instruction whose encoding starts at slot i.
using Code = FallibleVector<Instruction>;

/// Returns the slot that a jump at slot `pc` goes to. Requires: spec().may_jump or CallLocal.
constexpr std::int64_t jump_target(const Instruction& instruction, const spec::FormSpec& form,
                                   std::int64_t pc) {
    const bool in_imm = form.family == spec::Family::CallLocal ||
                        (form.family == spec::Family::Goto && form.width == spec::Width::W32);
    return pc + 1 + (in_imm ? instruction.imm : std::int64_t{instruction.offset});
}

inline bool takes_code_address(const Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    return form.family == spec::Family::LoadImm64 && form.wide == spec::WideKind::CodeAddress;
}

/// Returns the slot whose address a LoadImm64 CodeAddress at slot `pc` loads; it may lie outside the program.
/// Source: Linux include/uapi/linux/bpf.h, BPF_PSEUDO_FUNC.
constexpr std::int64_t code_address_target(const Instruction& instruction, std::int64_t pc) {
    return pc + 1 + static_cast<std::int32_t>(static_cast<std::uint32_t>(instruction.imm));
}

}  // namespace ebpf::isa
