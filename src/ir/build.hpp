// SPDX-License-Identifier: MIT
// Lowered instructions to the intermediate form: one function a subprogram, in SSA, nothing optimised.
#pragma once

#include <expected>
#include <span>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "ir/ir.hpp"
#include "isa/instruction.hpp"

namespace ebpf::ir {

/// What a translation starts from.
struct Input {
    const isa::Code& code;  ///< decoded, accepted by the verifier, lowered
    const engine::Bindings& bindings;
    /// By slot: what the memory access there goes to, as the verifier found; empty: nothing is known.
    /// Context is the host's structure.
    std::span<const Region> regions = {};
};

/// Where and why a program is refused.
struct Refusal {
    Status status = Status::Ok;
    std::uint32_t slot = 0;
    const char* what = "";   ///< the thing that is wrong, for a message: "helper", "map index", ...
    std::int64_t value = 0;  ///< its number
};

/// Returns the refusal as text: "instruction 3: helper 99: not found".
Error to_error(const Refusal& refusal);

/// Translates the program and every subprogram that it reaches. The result meets the invariants of
/// ir::Function; unreachable code and values that nobody uses are left out. Registers that no instruction has
/// written hold 0.
/// Errors: as interp::compile(): NotSupported - an instruction that engines never see (kfunc calls, callx,
///   unresolved map file descriptors, addresses of variables, of the program itself and of code that is no
///   instruction's start); NotFound - a helper or map that is
///   not bound; JumpOutOfRange - a jump leaves its subprogram, or code can run past its end; LimitExceeded -
///   recursion, or more than kMaxCallFrames frames; InvalidArgument - no code.
/// Threads: any. Cost: about linear.
std::expected<Module, Refusal> build(const Input& input);

}  // namespace ebpf::ir
