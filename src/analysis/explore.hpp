// SPDX-License-Identifier: MIT
// Exploration: follows every way through a program with abstract states until all are proven or one is not.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "analysis/graph.hpp"
#include "check/program.hpp"
#include "check/state.hpp"
#include "check/step.hpp"

namespace ebpf::analysis {

/// Bounds on the work, and hooks.
struct Options {
    std::uint32_t max_states = 32;  ///< states kept apart at one point of the unrolled program, then joined
    std::uint32_t path_budget =
        1U << 16U;                  ///< states in all after which only `kOverBudgetStates` are kept apart
    bool counts_callbacks = false;  ///< follow the iterations of helpers one by one where there are few
    std::uint64_t max_instructions = 0;    ///< processed, repeats counted
    std::uint64_t max_memory_bytes = 0;    ///< held by states that wait
    std::function<bool()> is_out_of_time;  ///< asked now and then
    std::function<void(std::uint32_t slot, const check::State&)>
        observe;  ///< state before each instruction; may be empty
};

inline constexpr std::uint32_t kOverBudgetStates = 4;

enum class Result : std::uint8_t { Proven, Refused, OutOfInstructions, OutOfMemory, OutOfTime };

/// One taken or not taken branch of a path, linked to the one before it; or whether a helper calls back once
/// more.
struct Decision {
    std::uint32_t before = kNone;
    std::uint32_t slot = 0;
    bool is_taken = false;
    std::uint32_t function = kNone;  ///< first slot of the callback that is entered
};

/// What the call through a register at `slot` calls, on every path.
struct CallTarget {
    std::uint32_t slot = 0;
    check::Callee callee;
};

struct Exploration {
    Result result = Result::Refused;
    check::Finding finding;   ///< Refused
    std::uint32_t slot = 0;   ///< Refused: where; otherwise where the work stopped
    bool has_joined = false;  ///< states were joined because there were too many: a refusal may be due to it
    std::size_t most_states = 0;  ///< that were kept apart at one point
    std::uint64_t instructions = 0;
    std::uint64_t states = 0;
    std::uint64_t peak_memory_bytes = 0;
    std::vector<check::Kind> accesses;       ///< per slot: what a memory access goes through; Unusable: none;
                                             ///< Scalar: different kinds of memory on different paths
    std::vector<bool> reachable;             ///< per slot
    std::vector<CallTarget> calls;           ///< through registers, by ascending slot
    std::vector<std::uint32_t> stack_bytes;  ///< per function: deepest byte of its own frame that is used
    std::uint32_t chain_stack_bytes = 0;     ///< the same along the deepest chain of calls
    std::vector<Decision> decisions;
    std::uint32_t last_decision = kNone;  ///< Refused: of the path that failed
};

/// Follows all paths of `program`.
///
/// Points are visited in the order of the program with its loops unrolled and its calls inlined: (iteration
/// counts, position) along the chain of calls, compared lexicographically. All states that reach one point
/// are there before it is visited; those that another one covers are dropped, and where more than max_states
/// are left the most similar are joined. States of different iterations are never merged, so that the work
/// ends only if every path does: an accepted program terminates. A loop whose iteration starts with states
/// that an earlier iteration started with is refused.
///
/// A helper that calls back ends, whatever its callback does: its iterations are followed until they bring
/// nothing new, and what keeps changing is given up (check::widen). In detail: a point of the helper's call
/// is (callback, map, how, iteration), and a state there stands for runs that have made at least so many
/// calls. One that a state of an earlier iteration covers is dropped: what follows from it was followed
/// there. Where few calls are made they may be counted one by one instead (Options::counts_callbacks): more
/// precise, more work. Cost: bounded by options.
Exploration explore(const check::Program& program, const Graph& graph, const Options& options);

}  // namespace ebpf::analysis
