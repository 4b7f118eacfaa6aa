// SPDX-License-Identifier: MIT
// Shape of a program as far as the interpreter relies on it: where subprograms lie and how deep calls go.
#pragma once

#include "interp/interp.hpp"

namespace ebpf::interp {

/// Returns how many frames the deepest chain of calls takes, the program's own included.
/// Errors: JumpOutOfRange - a jump leaves its subprogram, or its last instruction runs on into what follows;
///   LimitExceeded - recursion, or more than kMaxCallFrames frames; OutOfMemory.
/// Cost: linear. Threads: any.
StatusOr<std::uint32_t> count_frames(const isa::Code& code, Refusal& refusal) noexcept;

}  // namespace ebpf::interp
