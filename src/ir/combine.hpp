// SPDX-License-Identifier: MIT
// Several accesses to neighbouring bytes become one.
#pragma once

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// A value put together from loads of neighbouring bytes, in either byte order, becomes one load, and a byte
/// swap where the order is not the host's. Requires: addresses are as number_values() leaves them. Normalises
/// the function if it changed. Cost: about linear.
void combine_loads(Function& function, const engine::Bindings& bindings);

/// Stores to neighbouring bytes become one if they store constants, parts of one value, or what neighbouring
/// bytes elsewhere hold. Same requirements.
void combine_stores(Function& function, const engine::Bindings& bindings);

}  // namespace ebpf::ir
