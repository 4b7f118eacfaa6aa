// SPDX-License-Identifier: MIT
// Loops: work that is the same each time goes before them, short ones become several rounds at once.
#pragma once

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Moves nodes whose inputs do not change in a loop before it; loads only where nothing in the loop may write
/// what they read and they would be done anyway or can always be. Normalises the function if it changed.
void hoist_from_loops(Function& function, const engine::Bindings& bindings);

/// Loops of one block that count: with few rounds, known beforehand, they become straight code; others do
/// several rounds at once while at least that many are left. Normalises the function if it changed.
void unroll_loops(Function& function);

/// Long chains of one associative operator become trees, so that the processor can work on several parts at
/// once; a value that comes round a loop is joined last. Normalises the function if it changed.
void balance_chains(Function& function);

}  // namespace ebpf::ir
