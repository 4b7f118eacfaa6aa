// SPDX-License-Identifier: MIT
#include "ir/repair.hpp"

#include <algorithm>

namespace ebpf::ir {
namespace {

class Repair {
  public:
    Repair(Function& function, NodeId value, const std::vector<std::pair<BlockId, NodeId>>& others)
        : function_(function),
          value_(value),
          home_(function.nodes[value].block),
          at_end_(function.blocks.size(), kNone),
          at_start_(function.blocks.size(), kNone) {
        at_end_[home_] = value;
        for (const auto& [block, node] : others) at_end_[block] = node;
    }

    void run() {
        // Phis that are made on the way are right as they are.
        const std::size_t count = function_.nodes.size();
        for (BlockId id = 0; id < function_.blocks.size(); ++id) {
            const std::vector<NodeId> nodes = function_.blocks[id].nodes;
            for (const NodeId node : nodes) {
                if (node < count) repair_node(id, node);
            }
        }
    }

  private:
    void repair_node(BlockId id, NodeId at) {
        const Node node = function_.nodes[at];
        const std::size_t count = function_.inputs_of(node).size();
        for (std::size_t i = 0; i < count; ++i) {
            if (function_.inputs[node.first_input + i] != value_) continue;
            if (node.opcode != Opcode::Phi && id == home_) continue;
            const NodeId reaching = node.opcode == Opcode::Phi
                                        ? value_at_end(function_.blocks[id].predecessors[i])
                                        : value_at_start(id);
            function_.inputs[node.first_input + i] = reaching;
        }
    }

    NodeId value_at_end(BlockId id) { return at_end_[id] != kNone ? at_end_[id] : value_at_start(id); }

    NodeId value_at_start(BlockId id) {
        // Along single predecessors first, so that depth is that of joins only.
        std::vector<BlockId> passed;
        NodeId found = kNone;
        while (found == kNone) {
            if (at_start_[id] != kNone) {
                found = at_start_[id];
                break;
            }
            const auto& before = function_.blocks[id].predecessors;
            if (before.size() != 1) {
                found = join(id);
                break;
            }
            passed.push_back(id);
            id = before[0];
            found = at_end_[id];
        }
        for (const BlockId block : passed) at_start_[block] = found;
        return found;
    }

    NodeId join(BlockId id) {
        const std::vector<BlockId> before = function_.blocks[id].predecessors;
        const std::uint32_t slot = function_.nodes[value_].slot;
        const Opcode opcode = before.empty() ? Opcode::Constant : Opcode::Phi;
        const std::vector<NodeId> none(before.size(), kNone);
        const NodeId phi = function_.add({.opcode = opcode, .block = id, .slot = slot}, none);
        auto& nodes = function_.blocks[id].nodes;
        nodes.insert(nodes.begin(), phi);
        at_start_[id] = phi;
        for (std::size_t i = 0; i < before.size(); ++i) {
            const NodeId input = value_at_end(before[i]);
            function_.inputs[function_.nodes[phi].first_input + i] = input;
        }
        return phi;
    }

    Function& function_;
    NodeId value_;
    BlockId home_;
    std::vector<NodeId> at_end_;    ///< by block: what is known to reach its end
    std::vector<NodeId> at_start_;  ///< by block: what has been found to reach its start
};

}  // namespace

void repair_uses(Function& function, NodeId value, const std::vector<std::pair<BlockId, NodeId>>& others) {
    Repair(function, value, others).run();
}

}  // namespace ebpf::ir
