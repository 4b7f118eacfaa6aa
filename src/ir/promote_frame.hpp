// SPDX-License-Identifier: MIT
// Frame memory that only plain loads and stores at fixed places reach becomes values.
#pragma once

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Turns places of up to 8 bytes into values with phis; drops stores whose bytes nothing reads; makes the
/// frame no larger than what is left needs. Requires: addresses are as number_values() leaves them.
/// Normalises the function. Cost: about linear.
void promote_frame(Function& function, const engine::Bindings& bindings);

}  // namespace ebpf::ir
