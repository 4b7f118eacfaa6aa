// SPDX-License-Identifier: MIT
// Value numbering: simplifies every node and gives equal values one node.
#pragma once

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Simplifies nodes; replaces a node by an equal one that dominates it; loads by what was loaded from or
/// stored to the same place before; values by what branches on the way say about them. Constants and fixed
/// addresses all go to the entry block, where they cost nothing: code generators make them where they are
/// used. Normalises the function. Cost: about linear.
void number_values(Function& function, const engine::Bindings& bindings);

}  // namespace ebpf::ir
