// SPDX-License-Identifier: MIT
// Code for arm64 with the convention AAPCS64, emitted with VIXL.
// Source: Arm Architecture Reference Manual for A-profile; Procedure Call Standard for the Arm 64-bit
// Architecture (AAPCS64).
#pragma once

#include "jit/jit.hpp"
#include "jit/target.hpp"

namespace ebpf::jit::arm64 {

/// jit::generate() for Architecture::Arm64.
/// Errors: NotSupported - a tail call out of a subprogram (the verifier allows none).
Result<Translation> generate(const ir::Module& module, const Options& options);

/// The same with values in the registers of `file` only, for tests. Requires: a subset of register_file()
/// with at least six.
Result<Translation> generate(const ir::Module& module, const Options& options, const RegisterFile& file);

/// The registers that values may live in.
const RegisterFile& register_file();

/// What this machine's processor has; nothing on another architecture.
Features detect_features();

}  // namespace ebpf::jit::arm64
