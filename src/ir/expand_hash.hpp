// SPDX-License-Identifier: MIT
// Lookups in hash maps become the walk along a bucket.
#pragma once

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Lookups in hash maps with keys of 4, 8 or 16 bytes, whose table is known, are done in place: hash, bucket,
/// chain. As many for each function as are worth their size. Normalises the function if it changed. Cost:
/// linear.
void expand_hash_lookups(Function& function, const engine::Bindings& bindings);

}  // namespace ebpf::ir
