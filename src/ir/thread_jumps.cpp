// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>
#include <vector>

#include "ir/branches.hpp"
#include "ir/normalise.hpp"
#include "ir/repair.hpp"
#include "isa/semantics.hpp"

namespace ebpf::ir {
namespace {

constexpr unsigned kMostThreads = 64;  ///< in one function and pass

class JumpThreader {
  public:
    explicit JumpThreader(Function& function) : function_(function) {}

    void run() {
        const auto count = static_cast<BlockId>(function_.blocks.size());
        for (BlockId id = 0; id < count && threads_ < kMostThreads; ++id) {
            if (only_decides(id) && !is_header(id)) thread(id);
        }
        if (threads_ != 0) normalise(function_);
    }

  private:
    /// Whether the block has nothing but phis and a branch on one of them.
    [[nodiscard]] bool only_decides(BlockId id) const {
        const auto& nodes = function_.blocks[id].nodes;
        const Node& last = function_.nodes[nodes.back()];
        if (last.opcode != Opcode::Branch || nodes.size() < 2) return false;
        for (const NodeId node : nodes) {
            if (node != nodes.back() && function_.nodes[node].opcode != Opcode::Phi) return false;
        }
        return is_phi_of(id, function_.input(last, 0)) || is_phi_of(id, function_.input(last, 1));
    }

    [[nodiscard]] bool is_phi_of(BlockId id, NodeId value) const {
        return function_.nodes[value].opcode == Opcode::Phi && function_.nodes[value].block == id;
    }

    /// Ways around a loop's header would give the loop a second entry.
    [[nodiscard]] bool is_header(BlockId id) const {
        return std::ranges::any_of(function_.blocks[id].predecessors,
                                   [id](BlockId before) { return before >= id; });
    }

    /// What `value` is when control comes from predecessor `side`.
    [[nodiscard]] NodeId from_side(BlockId id, NodeId value, std::size_t side) const {
        return is_phi_of(id, value) ? function_.inputs[function_.nodes[value].first_input + side] : value;
    }

    void thread(BlockId id) {
        const Node branch = function_.nodes[function_.blocks[id].nodes.back()];
        for (std::size_t side = 0; side < function_.blocks[id].predecessors.size();) {
            const NodeId a = from_side(id, function_.input(branch, 0), side);
            const NodeId b = from_side(id, function_.input(branch, 1), side);
            const bool is_known = function_.is_constant(a) && function_.is_constant(b);
            const bool is_last = function_.blocks[id].predecessors.size() == 1;
            if (!is_known || is_last || threads_ == kMostThreads) {
                ++side;
                continue;
            }
            const bool holds =
                isa::eval_jump(branch.condition, branch.width, function_.constant(a), function_.constant(b));
            redirect(id, side, function_.blocks[id].successors[holds ? 0 : 1]);
            ++threads_;
        }
    }

    /// Takes predecessor `side` to `target` instead.
    void redirect(BlockId id, std::size_t side, BlockId target) {
        const BlockId from = function_.blocks[id].predecessors[side];
        std::ranges::replace(function_.blocks[from].successors, id, target);
        const auto old_side =
            static_cast<std::size_t>(std::ranges::find(function_.blocks[target].predecessors, id) -
                                     function_.blocks[target].predecessors.begin());
        add_predecessor(id, side, target, from, old_side);
        const std::vector<NodeId> nodes = function_.blocks[id].nodes;
        std::vector<std::pair<NodeId, NodeId>> values;
        for (const NodeId node : nodes) {
            if (function_.nodes[node].opcode != Opcode::Phi) break;
            values.emplace_back(node, from_side(id, node, side));
            drop_input(node, side);
        }
        auto& before = function_.blocks[id].predecessors;
        before.erase(before.begin() + static_cast<std::ptrdiff_t>(side));
        for (const auto& [phi, value] : values) repair_uses(function_, phi, {{from, value}});
    }

    /// Gives the target's phis an input for the new edge: what they had from the block that is gone around.
    void add_predecessor(BlockId id, std::size_t side, BlockId target, BlockId from, std::size_t old_side) {
        const std::vector<NodeId> nodes = function_.blocks[target].nodes;
        for (const NodeId node : nodes) {
            if (function_.nodes[node].opcode != Opcode::Phi) break;
            const auto inputs = function_.inputs_of(function_.nodes[node]);
            std::vector<NodeId> values(inputs.begin(), inputs.end());
            values.push_back(from_side(id, values[old_side], side));
            function_.nodes[node].first_input = static_cast<std::uint32_t>(function_.inputs.size());
            function_.inputs.insert(function_.inputs.end(), values.begin(), values.end());
        }
        function_.blocks[target].predecessors.push_back(from);
    }

    void drop_input(NodeId phi, std::size_t side) {
        const auto inputs = function_.inputs_of(function_.nodes[phi]);
        for (std::size_t i = side; i + 1 < inputs.size(); ++i) inputs[i] = inputs[i + 1];
    }

    Function& function_;
    unsigned threads_ = 0;
};

}  // namespace

void thread_jumps(Function& function) {
    // Each way that is found means a walk over the function, and recursion over its joins.
    constexpr std::size_t kMostBlocks = 4000;
    if (function.blocks.size() > kMostBlocks) return;
    JumpThreader(function).run();
}

}  // namespace ebpf::ir
