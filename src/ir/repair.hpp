// SPDX-License-Identifier: MIT
// Puts a value back into SSA form after control flow has changed around it.
#pragma once

#include <utility>
#include <vector>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Makes every use of `value` outside its own block use what reaches it: `value` itself from the end of its
/// block, or another node from the end of the blocks in `others`. Adds phis where they meet.
/// Cost: linear in the function.
void repair_uses(Function& function, NodeId value, const std::vector<std::pair<BlockId, NodeId>>& others);

}  // namespace ebpf::ir
