// SPDX-License-Identifier: MIT
// Raw slots, as far as linking must understand them: which form a slot has, and where its fields are.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "base/assert.hpp"
#include "isa/slot.hpp"
#include "spec/instructions.hpp"

namespace ebpf::object {

/// Requires: `slot` lies in `code`.
inline isa::Slot load_slot(std::span<const std::byte> code, std::size_t slot) {
    EBPF_ASSERT(slot < code.size() / spec::kSlotBytes);
    isa::Slot value;
    std::memcpy(&value, code.data() + slot * spec::kSlotBytes, sizeof(value));
    return value;
}

/// Requires: `slot` lies in `code`.
inline void store_slot(std::span<std::byte> code, std::size_t slot, const isa::Slot& value) {
    EBPF_ASSERT(slot < code.size() / spec::kSlotBytes);
    std::memcpy(code.data() + slot * spec::kSlotBytes, &value, sizeof(value));
}

/// Makes `slot` a wide immediate of `kind`.
inline void set_wide_kind(isa::Slot& slot, spec::WideKind kind) {
    slot.registers = static_cast<std::uint8_t>(slot.dst() | (static_cast<unsigned>(kind) << 4U));
}

/// Returns the row that the slot's opcode and selecting field name, or nullptr. Other fields are not looked
/// at.
inline const spec::FormSpec* find_form(const isa::Slot& slot) {
    for (const spec::Form form : spec::forms_of_opcode(slot.opcode)) {
        const spec::FormSpec& row = spec::form_spec(form);
        const bool matches = (row.src != spec::FieldRule::Fixed || row.selector == slot.src()) &&
                             (row.offset != spec::FieldRule::Fixed || row.selector == slot.offset) &&
                             (row.imm != spec::FieldRule::Fixed || row.selector == slot.imm);
        if (matches) return &row;
    }
    return nullptr;
}

/// True if `slot` begins a wide immediate, also one of a kind that does not exist.
inline bool is_wide(const isa::Slot& slot) {
    const auto forms = spec::forms_of_opcode(slot.opcode);
    return !forms.empty() && spec::form_spec(forms.front()).family == spec::Family::LoadImm64;
}

}  // namespace ebpf::object
