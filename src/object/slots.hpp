// SPDX-License-Identifier: MIT
// Raw slots, as far as linking must understand them: which form a slot has, and where its fields are.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/assert.hpp"
#include "spec/instructions.hpp"

namespace ebpf::object {

/// One 8-byte slot as the file has it. Source: RFC 9669 section 3.
struct Slot {
    std::uint8_t opcode = 0;
    std::uint8_t registers = 0;  ///< dst in the low half, src in the high half
    std::int16_t offset = 0;
    std::int32_t imm = 0;

    [[nodiscard]] std::uint8_t src() const { return static_cast<std::uint8_t>(registers >> 4U); }
    void set_src(spec::WideKind kind) {
        registers = static_cast<std::uint8_t>((registers & 0xfU) | (static_cast<unsigned>(kind) << 4U));
    }
};
static_assert(sizeof(Slot) == spec::kSlotBytes);

/// Requires: `slot` lies in `code`.
inline Slot load_slot(std::span<const std::byte> code, std::size_t slot) {
    EBPF_ASSERT(slot < code.size() / spec::kSlotBytes);
    Slot value;
    std::memcpy(&value, code.data() + slot * spec::kSlotBytes, sizeof(value));
    return value;
}

/// Requires: `slot` lies in `code`.
inline void store_slot(std::span<std::byte> code, std::size_t slot, const Slot& value) {
    EBPF_ASSERT(slot < code.size() / spec::kSlotBytes);
    std::memcpy(code.data() + slot * spec::kSlotBytes, &value, sizeof(value));
}

/// Returns the row that the slot's opcode and selecting field name, or nullptr. Other fields are not looked
/// at.
inline const spec::FormSpec* find_form(const Slot& slot) {
    for (const spec::Form form : spec::forms_of_opcode(slot.opcode)) {
        const spec::FormSpec& row = spec::form_spec(form);
        const bool matches = (row.src != spec::FieldRule::Fixed || row.selector == slot.src()) &&
                             (row.offset != spec::FieldRule::Fixed || row.selector == slot.offset) &&
                             (row.imm != spec::FieldRule::Fixed || row.selector == slot.imm);
        if (matches) return &row;
    }
    return nullptr;
}

}  // namespace ebpf::object
