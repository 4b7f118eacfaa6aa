// SPDX-License-Identifier: MIT
// What selection hands to emission for arm64: operands for the allocator, and the shape of each instruction.
// Private to src/jit/arm64.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/ir.hpp"
#include "jit/jit.hpp"
#include "jit/target.hpp"

namespace ebpf::jit::arm64 {

// Registers by their roles. x16 and x17 are ours for single instructions (the procedure call standard leaves
// them to veneers), x18 is the platform's, x29 and x30 are frame pointer and return address.
inline constexpr Register kScratch = 16;
inline constexpr Register kLinkScratch = 17;  ///< VIXL's macros use it
inline constexpr Register kFramePointer = 29;
inline constexpr Register kReturnAddress = 30;
inline constexpr Register kZero = 31;
inline constexpr Register kInvocationArgument = 5;  ///< of helpers and, our own convention, of subprograms

/// How the last value input of an instruction is given.
enum class Rhs : std::uint8_t {
    Register,
    Immediate,  ///< Form::imm
    Shifted,    ///< a register shifted by the constant Form::shift
    Extended,   ///< the low half of a register, sign- or zero-extended
    Product,    ///< of two registers (added or subtracted)
};

enum class ShiftKind : std::uint8_t { Left, Right, Arithmetic };

enum class Base : std::uint8_t {
    Register,  ///< plus Form::imm
    Frame,     ///< Form::imm from the end of the frame memory; no operand
    Indexed,   ///< plus a register shifted left by Form::shift
};

/// What an instruction looks like beyond its node: which neighbours it took in.
struct Form {
    Rhs rhs = Rhs::Register;
    Base base = Base::Register;
    ShiftKind shift_kind = ShiftKind::Left;
    std::uint8_t shift = 0;
    bool is_swapped = false;  ///< the inputs have changed places
    bool is_signed_extension = false;
    bool stores_zero = false;  ///< Store, StoreRelease: the value is the constant 0
    bool is_c_zero = false;    ///< Select: input c is the constant 0
    bool is_d_zero = false;
    std::int64_t imm = 0;
};

struct Selected {
    Selection selection;
    std::vector<Form> forms;  ///< by instruction
    ValueId invocation = 0;   ///< the target's own value: the address of the Invocation
    bool has_calls = false;
};

/// Chooses instructions. Operands come in this order: the result, if any; then the inputs that have not
/// become part of the form, in their order; then what the opcode needs besides (emit.cpp knows).
void select(const ir::Function& function, bool is_program, const Options& options, Selected& selected);

}  // namespace ebpf::jit::arm64
