// SPDX-License-Identifier: MIT
// Helper calls on maps whose shape is known become the arithmetic behind them.
#pragma once

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Lookups in arrays become a comparison of the index and an address; updates of arrays by a constant flag
/// become that and a copy of the value, if it is short; lookups in maps that have a lookup function become
/// MapLookup. Requires: the map argument is a MapHandle where it can be, as number_values() leaves it.
/// Normalises the function if it changed. Cost: linear.
void expand_maps(Function& function, const engine::Bindings& bindings);

}  // namespace ebpf::ir
