// SPDX-License-Identifier: MIT
// Arm64 code on hosts that are none: images that run in VIXL's simulator. For tests and tools.
#pragma once

#include "base/error.hpp"
#include "engine/machine_code.hpp"
#include "jit/jit.hpp"

namespace ebpf::jit {

/// What engine::place() is on an arm64 host: an image of kind Jit that any thread may run, one at a time.
/// The code reads and writes this process's memory; helpers, map lookups and packet_bytes() run natively.
/// The simulator ends the process when the code uses an instruction outside `features`, leaves its stack, or
/// does not keep the registers that AAPCS64 says it must keep. After every call from the code all registers
/// that a callee may change hold other values than before.
/// Errors: those of engine::place().
Result<engine::Image*> simulate_arm64(const engine::MachineCode& code, const engine::Bindings& bindings,
                                      const Features& features);

}  // namespace ebpf::jit
