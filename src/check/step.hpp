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
    bool jumps = false;    ///< to `target`, with the second state
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

// The families of instructions, each with its check and its effect.

bool check_arithmetic(const Program& program, const State& state, const isa::Instruction& instruction,
                      Finding& finding) noexcept;
void apply_arithmetic(State& state, const isa::Instruction& instruction) noexcept;

bool check_branch(const State& state, const isa::Instruction& instruction, Finding& finding) noexcept;
/// Makes `state` what holds where the branch falls through and `taken` what holds where it jumps.
Status apply_branch(const Program& program, State& state, State& taken, const isa::Instruction& instruction,
                    Outcome& outcome) noexcept;

bool check_helper(const Program& program, const State& state, std::uint32_t id, Finding& finding) noexcept;
void apply_helper(const Program& program, State& state, std::uint32_t id) noexcept;

}  // namespace ebpf::check
