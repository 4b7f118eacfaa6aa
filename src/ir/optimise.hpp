// SPDX-License-Identifier: MIT
// The optimiser: which passes run, and in which order.
#pragma once

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Makes the module faster without changing what it does for any verified program. It stays valid.
/// Requires: `bindings` are those it was built with. What the code may rely on of them: shapes, strides, and
///   that value_address stays valid as long as the code.
/// Threads: any. Cost: a number of rounds that each are about linear.
void optimise(Module& module, const engine::Bindings& bindings);

}  // namespace ebpf::ir
