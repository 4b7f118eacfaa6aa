// SPDX-License-Identifier: MIT
// Brings a function that a pass has changed back to the invariants of ir::Function.
#pragma once

#include <vector>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// What to use instead of a node: passes note replacements here and normalise() carries them out.
class Replacements {
  public:
    explicit Replacements(std::size_t count) : to_(count, kNone) {}
    /// Uses of `from` become uses of `to`.
    void replace(NodeId from, NodeId to) {
        if (from >= to_.size()) to_.resize(from + 1, kNone);
        to_[from] = to;
    }
    [[nodiscard]] NodeId find(NodeId id) {
        NodeId last = id;
        while (last < to_.size() && to_[last] != kNone) last = to_[last];
        while (id != last) {
            const NodeId next = to_[id];
            to_[id] = last;
            id = next;
        }
        return last;
    }

  private:
    std::vector<NodeId> to_;
};

/// Carries out `replacements`; drops blocks that nothing reaches and predecessors that no longer lead here
/// (with their inputs of phis); joins blocks in a row; splits critical edges; orders blocks; replaces phis
/// whose inputs are all one value; drops nodes that nobody uses; renumbers what is left in block order.
/// Requires: a pass that adds an edge adds predecessor and inputs of phis; one that removes an edge need only
/// change successors and the block's last node. Cost: about linear.
void normalise(Function& function, Replacements& replacements);
void normalise(Function& function);

/// The part of normalise() that is left when no block and no edge has changed.
void renumber(Function& function, Replacements& replacements);

}  // namespace ebpf::ir
