// SPDX-License-Identifier: MIT
// The recorded invariants: what observe.hpp promises, filled by verify(). Private to this folder.
#pragma once

#include <vector>

#include "check/program.hpp"
#include "check/state.hpp"
#include "verifier/observe.hpp"

namespace ebpf::verifier {

/// States recorded at each slot. Past kMaxRecorded a slot's states are joined.
struct Invariants {
    std::vector<std::vector<check::State>> slots;
};

inline constexpr std::size_t kMaxRecorded = 64;

/// Adds `state` to those of `slot` unless one covers it. Errors: OutOfMemory.
Status record(Invariants& invariants, std::uint32_t slot, const check::State& state);

}  // namespace ebpf::verifier
