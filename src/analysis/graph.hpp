// SPDX-License-Identifier: MIT
// The shape of a program: functions, basic blocks, loops and an order to visit blocks in. No values, no
// states.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include "isa/instruction.hpp"
#include "spec/rules.hpp"

namespace ebpf::analysis {

inline constexpr std::uint32_t kNone = 0xffffffff;

/// Loops nested deeper than this are refused: the order is computed in time proportional to nesting times
/// size.
inline constexpr std::size_t kMaxLoopNesting = 64;

/// Instructions that run one after the other. Local calls end a block; other calls do not.
struct Block {
    std::uint32_t first = 0;  ///< slot of the first instruction
    std::uint32_t last = 0;   ///< slot of the last instruction
    std::uint32_t function = 0;
    std::array<std::uint32_t, 2> successors{kNone, kNone};  ///< blocks: fall-through first, then jump target
    std::uint32_t predecessors = 0;                         ///< edges that lead here
    std::uint32_t position =
        0;  ///< rank in the function's order; a loop's blocks are contiguous, its head first
    std::vector<std::uint32_t> loops;  ///< positions of the heads of the loops around it, outermost first; a
                                       ///< head counts its own loop
    bool is_loop_head = false;
};

struct Function {
    std::uint32_t first_slot = 0;
    std::uint32_t end_slot = 0;     ///< one past the last
    std::uint32_t entry = 0;        ///< block
    std::uint32_t block_count = 0;  ///< blocks entry .. entry + block_count - 1, by ascending slot
};

struct Graph {
    std::vector<Function> functions;  ///< by ascending slot; the program is the first
    std::vector<Block> blocks;
    std::vector<std::uint32_t>
        block_of_slot;                      ///< kNone inside a block and on the second half of an immediate
    std::vector<std::uint32_t> call_order;  ///< functions, callees before callers
};

/// A program whose shape is refused.
struct GraphFailure {
    spec::Rule rule = spec::Rule::None;
    std::uint32_t slot = 0;
    std::uint32_t other = 0;  ///< a second slot that the message names: jump target, called function
};

/// Builds the graph of `code`.
/// Failures: FallsOff, JumpOut, Unreachable, Recursion, CallDepth, WorkLimit (loops nested too deeply),
/// BadRequest (no
///   instructions).
/// Cost: near linear in the size of the code; no recursion. Source: weak topological order: Bourdoncle, FMPA
/// 1993.
std::expected<Graph, GraphFailure> build_graph(std::span<const isa::Instruction> code);

}  // namespace ebpf::analysis
