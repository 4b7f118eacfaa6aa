// SPDX-License-Identifier: MIT
// Runs the intermediate form as it stands: what every pass and every code generator is compared with in
// tests.
#pragma once

#include <cstdint>
#include <expected>

#include "base/status.hpp"
#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Runs module.functions[0] as an engine would run its machine code, on real memory and with real helpers. A
/// tail call that succeeds ends the run with invocation.tail_target set.
/// Requires: a valid module of a verified program; called inside an epoch of the maps in `bindings`.
/// Errors: TimedOut - more than `most_nodes` nodes; NotFound - a helper or map that is not bound.
/// Threads: any.
std::expected<std::uint64_t, Status> evaluate(const Module& module, const engine::Bindings& bindings,
                                              engine::Invocation& invocation,
                                              std::uint64_t most_nodes = 100'000'000);

/// Returns what a node without memory access or control computes from its inputs: the definition that
/// evaluate() and constant folding share. Requires: opcode_spec(node.opcode).is_pure, and it is no address or
/// parameter. For a Constant: imm.
std::uint64_t evaluate_pure(const Node& node, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                            std::uint64_t d);

}  // namespace ebpf::ir
