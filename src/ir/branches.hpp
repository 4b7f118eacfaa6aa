// SPDX-License-Identifier: MIT
// Fewer branches: choices between values, and ways around decisions that are known already.
#pragma once

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Where two short branches only choose between values, both are computed and a Select chooses. Normalises
/// the function if it changed. Cost: linear.
void make_selects(Function& function);

/// Where a block only decides by a phi, predecessors whose value decides go straight to where that leads.
/// Normalises the function if it changed. Cost: linear for each way that is found, of which there is a bound.
void thread_jumps(Function& function);

}  // namespace ebpf::ir
