// SPDX-License-Identifier: MIT
// Checks the invariants that ir.hpp states.
#pragma once

#include <string>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Returns what is wrong with the module, naming function, block and node; empty if nothing is. For tests and
/// for finding faults of passes. Cost: linear but for deep dominator trees.
std::string validate(const Module& module);

}  // namespace ebpf::ir
