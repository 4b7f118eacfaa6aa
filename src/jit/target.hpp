// SPDX-License-Identifier: MIT
// What a code generator for one processor tells the register allocator: its registers, and for each
// instruction that it will emit which values that reads and writes, and where they must be. Pure data.
//
// A target does three steps for each function:
//   1. select:   ir::Function -> Selection. One Instruction per thing to emit. Nodes that became part of
//                another instruction (an address, an immediate, a compare inside a branch) get none; their
//                inputs are operands of the instruction that took them in.
//   2. allocate: Selection -> Allocation (jit/allocation.hpp), shared by all targets.
//   3. emit:     walks the instructions, emits moves and then the instruction with the registers found.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "ir/ir.hpp"

namespace ebpf::jit {

/// Number of a general-purpose register as the processor encodes it, 0..31.
using Register = std::uint8_t;
inline constexpr Register kNoRegister = 0xff;

/// A set of registers.
struct RegisterSet {
    std::uint32_t bits = 0;
    [[nodiscard]] constexpr bool has(Register r) const { return (bits >> r & 1U) != 0; }
    [[nodiscard]] constexpr bool is_empty() const { return bits == 0; }
    [[nodiscard]] constexpr int size() const { return std::popcount(bits); }
    /// Lowest member. Requires: not empty.
    [[nodiscard]] constexpr Register first() const { return static_cast<Register>(std::countr_zero(bits)); }
    constexpr void add(Register r) { bits |= 1U << r; }
    constexpr void remove(Register r) { bits &= ~(1U << r); }
    friend constexpr RegisterSet operator|(RegisterSet a, RegisterSet b) { return {a.bits | b.bits}; }
    friend constexpr RegisterSet operator&(RegisterSet a, RegisterSet b) { return {a.bits & b.bits}; }
    friend constexpr RegisterSet operator-(RegisterSet a, RegisterSet b) { return {a.bits & ~b.bits}; }
    friend constexpr bool operator==(RegisterSet, RegisterSet) = default;
};
constexpr RegisterSet registers(auto... numbers) {
    return {((1U << static_cast<unsigned>(numbers)) | ... | 0U)};
}

/// The registers that values may live in.
struct RegisterFile {
    std::vector<Register>
        allocatable;             ///< in order of preference: cheap to encode and caller-saved ones first
    RegisterSet callee_saved;    ///< of these: using one costs saving it in the prologue
    RegisterSet call_clobbered;  ///< what a call may change (for the target's own use)
};

/// A value as operands name it: a node of the function, or function.nodes.size() + i for the target's i-th
/// value of its own (such as the invocation's address).
using ValueId = std::uint32_t;

/// When an operand is read or written. An instruction's clobbers, fixed uses and temporaries are busy during
/// all of it.
enum class Role : std::uint8_t {
    Use,      ///< read before any result is written: may share a register with a result
    LateUse,  ///< still read after a result was written: shares no register with any result
    Result,   ///< written
    Temporary,
};

/// Where an operand may be.
enum class Policy : std::uint8_t {
    InRegister,  ///< any allocatable register that the instruction does not clobber
    Any,         ///< that, or a spill slot (uses only)
    Anything,    ///< that, or a value to be made on the spot: Location::Kind::Remake (uses only)
    Fixed,  ///< exactly Operand::fixed, which need not be allocatable. A value that lives on is also kept
            ///< elsewhere. At most one use and one result or temporary of an instruction name a register
};

struct Operand {
    ValueId value = ir::kNone;  ///< kNone: Temporary
    Role role = Role::Use;
    Policy policy = Policy::InRegister;
    Register fixed = kNoRegister;
};

/// One thing to emit.
struct Instruction {
    ir::NodeId node = ir::kNone;      ///< what it comes from; kNone: the entry, which receives parameters
    std::uint32_t first_operand = 0;  ///< its operands lie together in Selection::operands
    std::uint8_t operand_count = 0;
    std::uint8_t hint = kNoHint;  ///< index among its operands of the use whose register the first result
                                  ///< should get, where that value ends here (two-address instructions)
    RegisterSet clobbers;         ///< written without being a result or temporary; no value stays there
    static constexpr std::uint8_t kNoHint = 0xff;
};

/// A function as the target will emit it, block by block in the function's block order. Each block's last
/// instruction is its Jump, Branch or Return. Phis get no instruction: the allocator reads them from the
/// function. A Branch is emitted without writing registers.
struct Selection {
    std::vector<Instruction> instructions;
    std::vector<std::uint32_t>
        block_begin;  ///< first instruction of each block, and one past the last of all
    std::vector<Operand> operands;
    std::uint32_t value_count = 0;  ///< function.nodes.size() plus the target's own values
    /// By value: it has no instruction because it can be made anywhere without inputs (Constant, MapHandle,
    /// MapValue, FrameAddress, CodeAddress). Moves then have it as their source.
    std::vector<bool> can_remake;

    void clear() {
        instructions.clear();
        block_begin.clear();
        operands.clear();
        can_remake.clear();
        value_count = 0;
    }
};

}  // namespace ebpf::jit
