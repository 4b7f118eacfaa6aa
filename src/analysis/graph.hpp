// SPDX-License-Identifier: MIT
// The shape of a program: functions, basic blocks, loops and an order to visit blocks in. No values, no
// states.
#pragma once

#include <array>
#include <compare>
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

/// Instructions that run one after the other. Calls that may run functions of the program end a block: local
/// calls, calls through registers, and those of helpers that call back; other calls do not.
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
    std::vector<Function> functions;  ///< by ascending slot; the program is the first. They begin at the
                                      ///< targets of local calls and where addresses of code point to
    std::vector<Block> blocks;
    std::vector<std::uint32_t>
        block_of_slot;  ///< kNone inside a block and on the second half of an immediate
};

/// A call of one function by another, by index; both are functions of one graph.
struct CallEdge {
    std::uint32_t caller = 0;
    std::uint32_t callee = 0;
    std::uint32_t slot = 0;  ///< of the call
    friend auto operator<=>(const CallEdge&, const CallEdge&) = default;
};

/// A program whose shape is refused.
struct GraphFailure {
    spec::Rule rule = spec::Rule::None;
    std::uint32_t slot = 0;
    std::uint32_t other = 0;  ///< a second slot that the message names: jump target, called function
};

/// Builds the graph of `code`.
/// Failures: CodeReference, FallsOff, JumpOut, Unreachable, Recursion, CallDepth, WorkLimit (loops nested too
/// deeply), BadRequest (no instructions). Of calls through registers it knows nothing.
/// Cost: near linear in the size of the code; no recursion. Source: weak topological order: Bourdoncle, FMPA
/// 1993.
std::expected<Graph, GraphFailure> build_graph(std::span<const isa::Instruction> code);

/// Returns the index of the function that `slot` belongs to.
std::uint32_t function_at(const Graph& graph, std::uint32_t slot);

/// Returns the local calls of the program, by caller.
std::vector<CallEdge> local_calls(std::span<const isa::Instruction> code, const Graph& graph);

/// Returns the functions of `graph`, callees before callers. `edges`: all calls, in any order.
/// Failures: Recursion; CallDepth - a chain of more than kMaxCallFrames functions. No recursion.
std::expected<std::vector<std::uint32_t>, GraphFailure> order_calls(const Graph& graph,
                                                                    std::vector<CallEdge> edges);

}  // namespace ebpf::analysis
