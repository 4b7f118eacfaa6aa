// SPDX-License-Identifier: MIT
// Costs of single operations: entering a program, helpers of maps. And counting what a program executes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "figures.hpp"
#include "subject.hpp"

namespace ebpf::bench {

/// Returns how many instructions the first run of `subject` executes.
Result<std::uint64_t> count_executed(const Subject& subject);

/// Measures single operations in this process, medians of `rounds`. Errors: OutOfMemory and the like.
Result<std::vector<Cost>> measure_costs(unsigned rounds);

}  // namespace ebpf::bench
