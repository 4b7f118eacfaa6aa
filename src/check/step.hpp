// SPDX-License-Identifier: MIT
// One instruction: what must hold before it (check), and what is known after it (apply).
#pragma once

#include <cstdint>
#include <optional>

#include "check/program.hpp"
#include "check/state.hpp"

namespace ebpf::check {

/// Makes `state` what holds at the program's entry. Errors: OutOfMemory.
Status enter(const Program& program, State& state) noexcept;

/// Proves every rule that the instruction at `slot` demands of `state`, which is one before it; the shape of
/// the program (analysis/graph.hpp) is proven elsewhere. Returns false and fills `finding` if something is
/// not proven. Cost: no allocation.
bool check(const Program& program, const State& state, std::uint32_t slot, Finding& finding) noexcept;

/// Where control goes after an instruction.
struct Outcome {
    bool goes_on = false;  ///< to `next`, with the first state
    bool enters = false;   ///< `next` is the first slot of a function that was called
    bool repeats =
        false;  ///< a callback returned: the helper's call at `next` may go on with its next iteration
    bool stops = false;  ///< a callback returned: the helper may make no more calls
    bool jumps = false;  ///< to `target`, with the second state
    std::uint32_t next = 0;
    std::uint32_t target = 0;
};

/// What a call calls, where that is known.
struct Callee {
    bool is_helper = false;
    std::uint32_t number = 0;  ///< of the helper; else the function's first slot
    friend bool operator==(const Callee&, const Callee&) = default;
};

/// Returns what the instruction at `slot` calls in `state`; nothing if it is no call of a helper or of a
/// function of the program, or if a register does not say which one.
std::optional<Callee> callee_of(const Program& program, const State& state, std::uint32_t slot) noexcept;

/// Does what the instruction at `slot` does: `state` becomes what holds at Outcome::next, `taken` what holds
/// at Outcome::target. Requires: check() held for this state and slot. Errors: OutOfMemory.
Status apply(const Program& program, State& state, State& taken, std::uint32_t slot,
             Outcome& outcome) noexcept;

// Callbacks. A helper that calls functions of the program is not applied: its call, once checked, is followed
// through iterations. Each starts with a state that start_iterations() made of the one before the call, or
// that a callback left; from there the helper may call once more (enter_callback), or return
// (finish_iterations).

/// What the helper calls its callback with; None also if there is no such helper.
spec::CallbackKind callback_kind(std::uint32_t helper) noexcept;

/// How often a helper calls back, unless it fails or is told to stop.
struct IterationBounds {
    std::uint32_t least = 0;
    std::uint32_t most = 0;
};

/// Reads the bounds off a state at the start of an iteration.
IterationBounds iteration_bounds(const Program& program, const State& state) noexcept;

/// Drops what iterations do not depend on. Requires: check() held for the call.
void start_iterations(State& state) noexcept;

/// Iterations that a state stands for: the indices of the next one.
struct Index {
    std::uint32_t least = 0;
    std::uint32_t most = 0;
};

/// Makes `state`, at the start of an iteration of the helper called at `slot`, what holds at the start of the
/// function that it calls. Errors: OutOfMemory.
Status enter_callback(const Program& program, State& state, std::uint32_t slot, Index index) noexcept;

/// Makes `state`, where a callback has returned to the frame that called its helper, one at the start of the
/// next iteration. `function`: the callback's first slot.
void restore_iteration(State& state, std::uint32_t function) noexcept;

/// Makes `state`, at the start of an iteration, what holds behind the helper's call.
void finish_iterations(const Program& program, State& state) noexcept;

/// Proves that the function at slot `function` may become active on top of `state`: no recursion, and frames
/// left. `reg`: the register that names it.
bool check_entry(const State& state, std::uint32_t function, std::uint8_t reg, Finding& finding) noexcept;

// The families of instructions, each with its check and its effect.

bool check_arithmetic(const Program& program, const State& state, const isa::Instruction& instruction,
                      Finding& finding) noexcept;
void apply_arithmetic(State& state, const isa::Instruction& instruction) noexcept;

bool check_branch(const State& state, const isa::Instruction& instruction, Finding& finding) noexcept;
/// Makes `state` what holds where the branch falls through and `taken` what holds where it jumps.
Status apply_branch(const Program& program, State& state, State& taken, const isa::Instruction& instruction,
                    Outcome& outcome) noexcept;

bool check_helper(const Program& program, const State& state, std::uint32_t id, Finding& finding) noexcept;
/// `slot`: of the call. Errors: OutOfMemory.
Status apply_helper(const Program& program, State& state, std::uint32_t id, std::uint32_t slot) noexcept;

}  // namespace ebpf::check
