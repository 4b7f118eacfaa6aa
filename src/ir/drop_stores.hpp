// SPDX-License-Identifier: MIT
// Stores that nobody can see are left out.
#pragma once

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Drops a store when a later one in the same block overwrites its bytes before anything may read them, and
/// stores to a frame that nobody else knows when the function returns without reading them. Normalises the
/// function if it changed. Cost: linear; each store looks ahead a bounded distance.
void drop_stores(Function& function, const engine::Bindings& bindings);

}  // namespace ebpf::ir
