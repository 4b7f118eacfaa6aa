// SPDX-License-Identifier: MIT
// Runs generated programs on the interpreter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "generator.hpp"

namespace ebpf::oracle {

/// What a run left behind.
struct Effects {
    std::uint64_t result = 0;
    std::vector<std::byte> memory;  ///< region or packet
    std::vector<std::byte> map_value;
    friend bool operator==(const Effects&, const Effects&) = default;
};

struct Run {
    std::string violation;  ///< first one seen by the observer; empty: none
    Effects effects;        ///< of the observed run
    bool is_equal = false;  ///< a second run, unobserved and with the other dispatch, had the same effects
};

/// Decodes, lowers and runs `program`, first observed, then (if nothing was wrong) free.
/// `report`: the verifier's, with invariants; nullptr: only accesses are checked.
Run run_generated(const Generated& program, const verifier::Report* report);

/// The program as text with slot numbers.
std::string listing(const Generated& program);

}  // namespace ebpf::oracle
