// SPDX-License-Identifier: MIT
// What registers hold for certain, whichever way an instruction was reached: addresses in the own frame,
// maps, and numbers. Computed from the code alone, so that it holds whatever the verifier knew.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "isa/instruction.hpp"
#include "spec/instructions.hpp"

namespace ebpf::native {

struct Value {
    enum class Kind : std::uint8_t {
        Anything,
        Frame,   ///< address `number` bytes from r10
        Map,     ///< handle of map `number`
        Number,  ///< `number` as 64 bits
    };
    Kind kind = Kind::Anything;
    std::int64_t number = 0;
    friend bool operator==(const Value&, const Value&) = default;
};

using Values = std::array<Value, spec::kRegisterCount>;

/// A subprogram's slots: [begin, end).
struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
};

/// Values at the beginning of a subprogram.
Values initial_values();

/// Changes `values` to what they are after `instruction`, if that does not jump away.
void step(Values& values, const isa::Instruction& instruction);

/// Returns the values at each slot of `range` where paths meet: targets of jumps, and what follows an
/// instruction that does not fall through. A slot that no path reaches is left out.
/// Requires: jumps stay inside `range`. Cost: linear, but for loops that change what is known.
std::map<std::uint32_t, Values> values_at_joins(const isa::Code& code, Range range);

}  // namespace ebpf::native
