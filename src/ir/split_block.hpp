// SPDX-License-Identifier: MIT
// Parts of making one block into several.
#pragma once

#include <span>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Makes `to` the successor of `from` on `side`.
void connect(Function& function, BlockId from, unsigned side, BlockId to);

/// Puts `nodes`, which have been taken out of `from`, into the new block `rest`, which goes on where `from`
/// went.
void move_rest(Function& function, BlockId from, BlockId rest, std::span<const NodeId> nodes);

}  // namespace ebpf::ir
