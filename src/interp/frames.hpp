// SPDX-License-Identifier: MIT
// Shape of a program as far as the interpreter relies on it: where subprograms lie and how deep calls go.
#pragma once

#include "interp/interp.hpp"

namespace ebpf::interp {

struct Frames {
    std::uint32_t program = 0;                 ///< of the deepest chain of calls, the program's own included
    FallibleVector<std::uint8_t> of_function;  ///< by first slot of a function: the same from there; else 0
};

/// Returns how many frames chains of local calls take. With callbacks, whose calls are not in the code, the
/// program's are kMaxCallFrames.
/// Errors: JumpOutOfRange - a jump leaves its subprogram, or its last instruction runs on into what follows;
///   NotSupported - an address of code is not that of an instruction;
///   LimitExceeded - recursion, or more than kMaxCallFrames frames; OutOfMemory.
/// Cost: linear. Threads: any.
StatusOr<Frames> count_frames(const isa::Code& code, Refusal& refusal) noexcept;

}  // namespace ebpf::interp
