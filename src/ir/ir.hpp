// SPDX-License-Identifier: MIT
// The intermediate form between bytecode and machine code: SSA over 64-bit values. Pure data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "spec/instructions.hpp"

namespace ebpf::ir {

/// Index of a node in its function; a node that defines a value is that value.
using NodeId = std::uint32_t;
using BlockId = std::uint32_t;
inline constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

/// What a node does. Values are 64 bits; a node of width W32 computes on the low halves and zero-extends.
/// a, b, c, ... are its inputs. Results are those of RFC 9669 (isa/semantics.hpp) for every input: division
/// by zero, shift counts beyond the width and INT_MIN / -1 included, unless a flag says they cannot happen.
enum class Opcode : std::uint8_t {
    Constant,      ///< imm
    MapHandle,     ///< what helpers take for map imm (MapBinding::handle): filled in when the code is placed
    MapValue,      ///< MapBinding::value_address of map (imm & 0xffffffff), plus imm >> 32
    Parameter,     ///< imm-th argument: the program's r1, r2; a subprogram's r1..r5
    FrameAddress,  ///< address imm (negative) bytes from the end of the function's frame memory
    CodeAddress,   ///< what engine::CallbackFunction takes for function imm of the module; never 0
    Add,
    Sub,
    Mul,
    UDiv,
    SDiv,
    UMod,
    SMod,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Sar,
    Negate,      ///< -a
    SignExtend,  ///< low `size` bytes of a, sign-extended to `width`, then zero-extended
    ZeroExtend,  ///< low `size` bytes of a
    ByteSwap,    ///< low `size` bytes of a, reversed, zero-extended
    Compare,     ///< 1 if a `condition` b at `width`, else 0
    Select,      ///< c if a `condition` b at `width`, else d
    Load,        ///< *(size)(a + imm), zero-extended; sign-extended to 64 bits if is_signed
    Store,       ///< *(size)(a + imm) = b
    Atomic,      ///< read-modify-write at a + imm with b (Cmpxchg: expected value c); result: old value
                 ///< (zero-extended) if fetch, else none. Sequentially consistent if fetch
    LoadAcquire,
    StoreRelease,
    CallHelper,  ///< helper number imm with inputs r1..rN, N <= 5, of its contract; result: r0
    TailCall,    ///< the same for a helper that leaves the program when it succeeds
    CallLocal,   ///< function imm of the module with inputs r1..rN; result: r0
    MapLookup,   ///< address of the value under the key at address a in map imm, or 0, by the map's own
                 ///< lookup function; array maps are expanded into arithmetic instead
    PacketLoad,  ///< big-endian packet bytes at a + imm (32-bit sum) or, without inputs, at imm; outside the
                 ///< packet the function returns 0
    Phi,         ///< i-th input if control came from the block's i-th predecessor
    Jump,        ///< to successor 0
    Branch,      ///< to successor 0 if a `condition` b at `width`, else to successor 1
    Return,      ///< a
};

/// What memory an access goes to; accesses of different regions never overlap.
enum class Region : std::uint8_t { Unknown, Frame, Context, Packet, MapValue, Memory };

struct Node {
    Opcode opcode = Opcode::Constant;
    spec::Width width = spec::Width::W64;
    std::uint8_t size = 0;                        ///< bytes, where the opcode's text names it
    spec::JumpOp condition = spec::JumpOp::Eq;    ///< Compare, Select, Branch
    spec::AtomicOp atomic = spec::AtomicOp::Add;  ///< Atomic
    Region region = Region::Unknown;              ///< memory accesses
    bool is_signed = false;                       ///< Load
    bool fetch = false;                           ///< Atomic
    bool divisor_is_safe = false;                 ///< divisions: neither 0 nor, if signed, -1
    std::uint8_t input_count = 0;                 ///< a phi has one input per predecessor instead
    std::uint32_t first_input = 0;                ///< index into Function::inputs
    BlockId block = kNone;                        ///< where it is; kNone: deleted
    std::uint32_t slot = 0;                       ///< instruction that it came from, for messages and dumps
    std::int64_t imm = 0;
};

struct Block {
    std::vector<NodeId>
        nodes;  ///< phis first, then the rest in order; the last one is Jump, Branch or Return
    std::vector<BlockId> predecessors;
    BlockId successors[2] = {kNone, kNone};
    std::uint32_t loop_depth = 0;
};

/// Most bytes of a function's frame: those of every subprogram that it may have taken in.
inline constexpr std::uint32_t kMaxFrameBytes = spec::kMaxCallFrames * spec::kStackBytes;

/// A subprogram (or the program). Block 0 is its entry and has no predecessors.
/// Invariants after every pass (ir/validate.hpp checks them): every input is defined in a block that
/// dominates its use (for a phi: the predecessor's end); no critical edges (a block with two successors
/// leads only to blocks with one predecessor), so that moves for phis have a place; blocks are in reverse
/// postorder, loops contiguous.
struct Function {
    std::vector<Node> nodes;
    std::vector<NodeId> inputs;
    std::vector<Block> blocks;
    std::uint32_t frame_bytes =
        0;  ///< memory of its own that FrameAddress reaches; 8-byte aligned, at most kMaxFrameBytes
    std::uint32_t parameter_count = 0;

    [[nodiscard]] std::span<const NodeId> inputs_of(const Node& node) const {
        return {inputs.data() + node.first_input, count_inputs(node)};
    }
    [[nodiscard]] std::span<NodeId> inputs_of(const Node& node) {
        return {inputs.data() + node.first_input, count_inputs(node)};
    }
    [[nodiscard]] std::size_t count_inputs(const Node& node) const {
        return node.opcode == Opcode::Phi ? blocks[node.block].predecessors.size() : node.input_count;
    }
    /// Returns the i-th input of `node`.
    [[nodiscard]] NodeId input(const Node& node, unsigned i) const { return inputs[node.first_input + i]; }
    [[nodiscard]] bool is_constant(NodeId id) const { return nodes[id].opcode == Opcode::Constant; }
    /// Returns imm of node `id`. Requires: it is a Constant.
    [[nodiscard]] std::uint64_t constant(NodeId id) const {
        return static_cast<std::uint64_t>(nodes[id].imm);
    }

    /// Makes a node with these inputs. It is in no block's list yet; node.block stays as given.
    NodeId add(Node node, std::span<const NodeId> values);
    NodeId add(Node node, std::initializer_list<NodeId> values) {
        return add(node, std::span(values.begin(), values.size()));
    }
};

/// A program with the subprograms that were not inlined, those with a CodeAddress among them. functions[0] is
/// the program.
struct Module {
    std::vector<Function> functions;
};

/// The set (bit = opcode) of those for which has_effect() holds; ir/opcode.cpp checks it against the table.
inline constexpr std::uint64_t kOpcodesWithEffect = [] {
    std::uint64_t set = 0;
    for (const Opcode opcode : {Opcode::Store, Opcode::Atomic, Opcode::LoadAcquire, Opcode::StoreRelease,
                                Opcode::CallHelper, Opcode::TailCall, Opcode::CallLocal, Opcode::PacketLoad,
                                Opcode::Jump, Opcode::Branch, Opcode::Return})
        set |= std::uint64_t{1} << static_cast<unsigned>(opcode);
    return set;
}();

/// Returns whether the node defines a value that others may use.
bool has_result(const Node& node);

/// Returns whether the node does something besides defining its value, so that it must stay although nobody
/// uses that: it writes memory, orders memory accesses, calls, may leave the function, or ends the block.
inline bool has_effect(const Node& node) {
    return (kOpcodesWithEffect >> static_cast<unsigned>(node.opcode) & 1U) != 0;
}

/// Returns whether the node ends a block.
bool is_terminator(const Node& node);

}  // namespace ebpf::ir
