// SPDX-License-Identifier: MIT
// Orders of a function's blocks.
#pragma once

#include <vector>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Returns the blocks that block 0 reaches in reverse postorder. Uses successors only.
std::vector<BlockId> reverse_postorder(const Function& function);

/// Puts blocks into the given order and drops all others; `order` begins with block 0. Predecessors that are
/// dropped must have been removed before.
void reorder_blocks(Function& function, const std::vector<BlockId>& order);

/// Puts blocks into reverse postorder with the blocks of each loop next to each other, and notes loop depths.
/// Requires: every block is reachable.
void order_blocks(Function& function);

}  // namespace ebpf::ir
