// SPDX-License-Identifier: MIT
// Instances of every form with field values at the edges of their rules, derived from the table.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "isa/encode.hpp"
#include "isa/instruction.hpp"
#include "spec/instructions.hpp"

namespace ebpf::isa::testing {

using spec::FieldRule;
using spec::Form;
using spec::FormSpec;

/// All forms but WideTail.
inline std::vector<Form> all_forms() {
    std::vector<Form> result;
    for (std::size_t index = 1; index < spec::forms().size(); ++index)
        result.push_back(static_cast<Form>(index));
    return result;
}

/// "form 17 (opcode 0x07, selector 0)", for failure messages.
inline std::string form_name(Form form) {
    const FormSpec& row = spec::form_spec(form);
    return "form " + std::to_string(static_cast<unsigned>(form)) + " (opcode " + std::to_string(row.opcode) +
           ", selector " + std::to_string(row.selector) + ")";
}

/// `distances` is what a JumpTarget may hold.
inline std::vector<std::int64_t> field_values(FieldRule rule, std::int32_t selector,
                                              const std::vector<std::int64_t>& any,
                                              const std::vector<std::int64_t>& distances) {
    switch (rule) {
        case FieldRule::Zero:
            return {0};
        case FieldRule::Fixed:
            return {selector};
        case FieldRule::Register:
            return {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
        case FieldRule::Writable:
            return {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
        case FieldRule::Any:
            return any;
        case FieldRule::JumpTarget:
            return distances;
    }
    return {};
}

inline std::vector<std::int64_t> imm_values(const FormSpec& row, const std::vector<std::int64_t>& distances) {
    if (row.slots == 2) {
        if (row.next_imm == FieldRule::Zero) return {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
        return {0,
                1,
                0x7fffffff,
                0x80000000,
                0xffffffff,
                0x1122334455667788,
                -1,
                std::numeric_limits<std::int64_t>::min(),
                std::numeric_limits<std::int64_t>::max(),
                std::int64_t{1} << 32};
    }
    return field_values(
        row.imm, row.selector,
        {0, 1, -1, std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()},
        distances);
}

/// Valid instances of `form`: all pairs of registers with the first offset and immediate, then all pairs of
/// offset and immediate with the last registers.
inline std::vector<Instruction> instances(Form form, const std::vector<std::int64_t>& distances) {
    const FormSpec& row = spec::form_spec(form);
    const auto dsts = field_values(row.dst, row.selector, {}, {});
    const auto srcs = field_values(row.src, row.selector, {}, {});
    const auto offsets = field_values(row.offset, row.selector, {0, 1, -1, 32767, -32768}, distances);
    const auto imms = imm_values(row, distances);
    std::vector<Instruction> result;
    const auto add = [&](std::int64_t dst, std::int64_t src, std::int64_t offset, std::int64_t imm) {
        result.push_back({form, static_cast<std::uint8_t>(dst), static_cast<std::uint8_t>(src),
                          static_cast<std::int16_t>(offset), imm});
    };
    for (const auto dst : dsts) {
        for (const auto src : srcs) add(dst, src, offsets.front(), imms.front());
    }
    for (const auto offset : offsets) {
        for (const auto imm : imms) add(dsts.back(), srcs.back(), offset, imm);
    }
    return result;
}

/// The encoding of one instruction.
inline std::vector<std::byte> bytes_of(const Instruction& instruction) {
    const Encoding encoding = encode(instruction);
    std::vector<std::byte> bytes(encoding.count * spec::kSlotBytes);
    if (!bytes.empty()) std::memcpy(bytes.data(), encoding.slots.data(), bytes.size());
    return bytes;
}

inline std::vector<std::byte> bytes_of_slot(const Slot& slot) {
    std::vector<std::byte> bytes(sizeof slot);
    std::memcpy(bytes.data(), &slot, sizeof slot);
    return bytes;
}

inline void append(std::vector<std::byte>& bytes, const std::vector<std::byte>& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
}

/// Number of `exit` instructions before and after the tested one in surrounded().
inline constexpr std::size_t kPadding = 3;

/// `middle` with kPadding exits on both sides.
inline std::vector<std::byte> surrounded(const std::vector<std::byte>& middle) {
    constexpr Slot kExit{0x95, 0, 0, 0};
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < kPadding; ++i) append(bytes, bytes_of_slot(kExit));
    append(bytes, middle);
    for (std::size_t i = 0; i < kPadding; ++i) append(bytes, bytes_of_slot(kExit));
    return bytes;
}

}  // namespace ebpf::isa::testing
