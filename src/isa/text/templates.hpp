// SPDX-License-Identifier: MIT
// How each form is written: patterns with holes, derived from the forms of the instruction table.
// The disassembler fills the holes of a form's first pattern; the assembler matches a line against all
// patterns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/instructions.hpp"

namespace ebpf::isa::text {

/// A place in a pattern, written there as '{' letter '}'.
enum class Hole : char {
    Literal = 0,        ///< not a hole
    Dst = 'd',          ///< r1 or %r1
    DstLow = 'D',       ///< w1
    Src = 's',          ///< r1 or %r1
    SrcLow = 'S',       ///< w1
    Imm = 'i',          ///< 32-bit number, printed signed
    ImmHex = 'x',       ///< 32-bit number, printed as unsigned hexadecimal
    Imm64 = 'q',        ///< 64-bit number
    LowHalf = 'l',      ///< first immediate of a two-slot instruction
    HighHalf = 'h',     ///< second immediate of a two-slot instruction
    LowSigned = 'c',    ///< first immediate as a signed distance, or a label
    BtfObject = 'b',    ///< "[btf:N]" for the second immediate, absent for 0
    Offset = 'o',       ///< signed offset of a memory operand, may be absent
    JumpOffset = 'j',   ///< "pc+5", "+5" or a label; in the offset field
    JumpImm = 'J',      ///< the same in the imm field
    Helper = 'n',       ///< helper: "name#1", "name" or number
    KfuncObject = 'k',  ///< "btf[N]" for the offset of a kfunc call, absent for 0
};

/// A token to match or a hole.
struct Atom {
    Hole hole = Hole::Literal;
    std::string_view token;  ///< of a literal; refers to the template's pattern
};

/// One way to write a form.
struct Template {
    spec::Form form{};
    std::string pattern;
    std::vector<Atom> atoms;
};

/// Returns all patterns, grouped by form in table order, the printed one first in each group.
/// Threads: any (built on first use). Lifetime: the process.
std::span<const Template> templates();

/// Returns the pattern in which the disassembler writes `form`; empty for WideTail.
std::string_view printed_pattern(spec::Form form);

}  // namespace ebpf::isa::text
