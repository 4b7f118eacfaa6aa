// SPDX-License-Identifier: MIT
// Programs through the JIT, compared with the interpreter.
#pragma once

#include <string>

#include "jit/jit.hpp"
#include "jit/target.hpp"
#include "tests/unit/ir/support.hpp"

namespace ebpf::jit::test {

/// The options for running on this machine.
Options host_options();

/// Translates, places and runs the program. `registers`: of the host's, these only; all if empty.
ir::test::Effects run(const ir::test::Program& program, const Options& options, RegisterSet registers = {});

}  // namespace ebpf::jit::test
