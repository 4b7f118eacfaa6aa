// SPDX-License-Identifier: MIT
// Instruction selection for x86-64: which nodes become part of which machine instruction.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/ir.hpp"
#include "jit/jit.hpp"
#include "jit/target.hpp"
#include "jit/x64/convention.hpp"

namespace ebpf::jit::x64 {

/// What to emit for an instruction.
enum class Form : std::uint8_t {
    Entry,
    Alu,             ///< result = a op b, op of the node: Add, Sub, Mul, And, Or, Xor
    AddScaled,       ///< result = a + (b << scale)
    AndNot,          ///< result = ~a & b
    Shift,           ///< result = a op b
    Rotate,          ///< result = a rotated left by imm
    Negate,          ///< result = -a
    Extend,          ///< result = low bytes of a (or of memory), zero- or sign-extended
    Swap,            ///< result = a reversed
    SwapLoad,        ///< result = memory reversed
    SwapStore,       ///< memory = b reversed
    Divide,          ///< rdx:rax by b
    DivideConstant,  ///< unsigned, by imm, through the high half of a product
    Compare,         ///< result = a condition b
    Select,          ///< result = a condition b ? c : d
    Load,
    Store,
    Update,          ///< memory = memory op b
    AtomicUpdate,    ///< without result
    AtomicExchange,  ///< xadd, xchg
    AtomicLoop,      ///< fetch of and, or, xor
    CompareExchange,
    CallHelper,
    TailCall,
    CallLocal,
    MapLookup,
    PacketLoad,
    Jump,
    Branch,
    Return,
};

/// How an instruction's operands enter it. Operands by their index within the instruction, -1: none.
struct Shape {
    Form form = Form::Jump;
    ir::Opcode operation = ir::Opcode::Add;  ///< Update
    spec::Width width = spec::Width::W64;
    spec::JumpOp condition = spec::JumpOp::Eq;  ///< Compare, Select, Branch
    bool is_test = false;                       ///< the condition is about a & b
    bool has_memory = false;                    ///< there is an address: of the access, or in place of b (a)
    bool memory_is_a = false;
    bool has_frame_base = false;
    bool has_imm = false;           ///< imm is in place of b
    bool is_narrow = false;         ///< Swap: a has no bits above `size` bytes
    std::uint8_t memory_bytes = 0;  ///< of an access in place of a or b
    std::uint8_t scale = 0;         ///< log2
    std::int8_t a = -1, b = -1, c = -1, d = -1, result = -1, temporary = -1, base = -1, index = -1;
    std::int8_t address_temporary = -1;  ///< for wide_disp, which is then in place of disp
    std::int32_t disp = 0;
    std::int64_t wide_disp = 0;
    std::int64_t imm = 0;
};

/// A selection with what emission needs besides.
struct Selected {
    Selection selection;
    std::vector<Shape> shapes;  ///< by instruction
    ValueId invocation = 0;     ///< the target's own value: address of the Invocation
    bool uses_invocation = false;
    bool has_calls = false;
    bool has_stack_arguments = false;
};

/// What selection must know about the module.
struct SelectOptions {
    const Convention* convention = nullptr;
    Features features;
    bool blind_constants = false;
    bool is_program = true;                     ///< not a subprogram
    const std::vector<bool>* needs_invocation;  ///< by function: takes the invocation as its last argument
};

/// Fills in `result` from scratch. Requires: `function` is valid.
void select(const ir::Function& function, const SelectOptions& options, Selected& result);

/// Returns for each function whether it, or one that it calls, calls helpers, makes tail calls or reads the
/// packet.
std::vector<bool> find_invocation_users(const ir::Module& module);

}  // namespace ebpf::jit::x64
