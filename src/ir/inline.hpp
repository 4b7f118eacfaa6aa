// SPDX-License-Identifier: MIT
// Calls of subprograms become their bodies.
#pragma once

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Puts subprograms that are small, or called from one place only, where they are called, and drops functions
/// that nobody calls any more. Subprograms that may leave in ways of their own (tail calls, packet loads)
/// stay calls. Normalises what changes. Cost: linear in the size of the result, which is bounded.
void inline_calls(Module& module);

}  // namespace ebpf::ir
