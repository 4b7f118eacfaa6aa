// SPDX-License-Identifier: MIT
// The order of states: is one covered by another, and what covers both.
#pragma once

#include <cstdint>

#include "check/state.hpp"

namespace ebpf::check {

/// Returns true if every concrete state that `a` describes is one that `b` describes, and if no byte that `b`
/// lets the program read as a number may be part of an address in `a`. May return false although that holds
/// (then more work is done than needed), also when memory is short. Requires: both are of the same slot.
/// Cost: linear in registers and stack cells.
bool entails(const State& a, const State& b) noexcept;

/// True if both states hold the same references, in the same order: no state covers both otherwise.
bool are_joinable(const State& a, const State& b) noexcept;

/// Makes `out` a state that `a` and `b` both entail. Errors: OutOfMemory - `out` is not usable then.
/// Requires: a and b are of the same slot, with the same chain of calls; are_joinable().
Status join(const State& a, const State& b, State& out) noexcept;

/// As join(), and such that any chain x1 = widen(x0, y0), x2 = widen(x1, y1), ... becomes stable after a
/// bounded number of changes: what differs from `older` is given up in few steps. Errors, Requires: as
/// join().
Status widen(const State& older, const State& newer, State& out) noexcept;

/// How much join() would lose: places that would become unusable count more than numbers that would widen.
std::uint32_t distance(const State& a, const State& b) noexcept;

}  // namespace ebpf::check
