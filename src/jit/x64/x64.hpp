// SPDX-License-Identifier: MIT
// The code generator for x86-64.
#pragma once

#include "base/error.hpp"
#include "ir/ir.hpp"
#include "jit/jit.hpp"
#include "jit/x64/convention.hpp"

namespace ebpf::jit::x64 {

/// See jit::generate(). Requires: options.architecture is one of x64.
Result<Translation> generate(const ir::Module& module, const Options& options);

/// The same with registers and convention as given.
Result<Translation> generate(const ir::Module& module, const Options& options, const Convention& convention);

/// What this machine's processor has; nothing on another architecture.
Features detect_features();

}  // namespace ebpf::jit::x64
