// SPDX-License-Identifier: MIT
// Instructions to bytes, and the way from an operator to its form.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/status.hpp"
#include "isa/instruction.hpp"
#include "isa/slot.hpp"

namespace ebpf::isa {

/// The slots of one instruction: 0 for a WideTail, 2 for LoadImm64, else 1.
struct Encoding {
    std::array<Slot, 2> slots{};
    std::size_t count = 0;
};

/// Encodes one instruction. The field that selects the form is filled in from the form, so a caller that
/// builds instructions need not know it; other fields are written as they are, for decode to judge.
/// Threads: any. Source: RFC 9669 section 3.
Encoding encode(const Instruction& instruction) noexcept;

/// Encodes a whole program; decode() of the result gives `code` again.
/// Errors: OutOfMemory. Threads: any.
StatusOr<FallibleVector<std::byte>> encode(std::span<const Instruction> code) noexcept;

/// Returns the form with the family, operator, width, source, size and fetch of `wanted`, comparing only
/// those that tell forms of this family apart; nothing if there is none (a 64-bit-only move at width 32,
/// say). Example: find_form({.family = Family::Load, .size = 8}). Cost: a scan of the table. Threads: any.
std::optional<spec::Form> find_form(const spec::FormSpec& wanted) noexcept;

}  // namespace ebpf::isa
