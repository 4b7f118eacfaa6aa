// SPDX-License-Identifier: MIT
// What the branches on the way to a block say about values.
#pragma once

#include "ir/graph.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// A question: does `condition` hold of (a, b) at `width`?
struct Condition {
    spec::JumpOp condition = spec::JumpOp::Eq;
    spec::Width width = spec::Width::W64;
    NodeId a = kNone;
    NodeId b = kNone;
};

enum class Answer : std::uint8_t { Unknown, Holds, Fails };

/// Returns what follows for `asked` from `known` being `is_true`.
Answer implied(const Function& function, const Condition& known, bool is_true, const Condition& asked);

/// Returns what follows at the start of `block` from the branches that dominate it; only the nearest ones are
/// looked at. `block` may have changed since `graph` was made, but for its predecessors.
Answer answer_at(const Function& function, const Graph& graph, BlockId block, const Condition& asked);

/// Returns an upper bound of `value` at the start of `block`, from the branches that dominate it;
/// `limit` is what is known of it everywhere.
std::uint64_t limit_at(const Function& function, const Graph& graph, BlockId block, NodeId value,
                       std::uint64_t limit);

/// Returns the condition of a Compare, Select or Branch.
Condition condition_of(const Function& function, const Node& node);

}  // namespace ebpf::ir
