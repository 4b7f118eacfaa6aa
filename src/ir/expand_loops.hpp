// SPDX-License-Identifier: MIT
// bpf_loop with a known callback becomes a loop.
#pragma once

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Calls of the helper `loop` whose callback is a CodeAddress and whose flags are 0 become loops of local
/// calls, which can be inlined. Normalises functions that changed; functions that nobody calls any more stay.
/// Cost: linear.
void expand_loops(Module& module);

}  // namespace ebpf::ir
