// SPDX-License-Identifier: MIT
#include "ir/normalise.hpp"

#include <algorithm>
#include <utility>

#include "ir/order.hpp"

namespace ebpf::ir {
namespace {

class Normaliser {
  public:
    Normaliser(Function& function, Replacements& replacements)
        : function_(function), replacements_(replacements) {}

    void run() {
        drop_edges();
        join_blocks();
        split_edges();
        order_blocks(function_);
        run_on_nodes();
    }

    void run_on_nodes() {
        replace_phis();
        compact();
    }

  private:
    Block& block(BlockId id) { return function_.blocks[id]; }

    /// Unreachable blocks lose their nodes and edges; others lose predecessors that do not lead to them.
    void drop_edges() {
        std::vector<bool> is_reached(function_.blocks.size());
        seen_at_.assign(function_.blocks.size(), kNone);
        for (const BlockId id : reverse_postorder(function_)) is_reached[id] = true;
        for (BlockId id = 0; id < function_.blocks.size(); ++id) {
            if (is_reached[id]) {
                drop_predecessors(id, is_reached);
                continue;
            }
            for (const NodeId node : block(id).nodes) function_.nodes[node].block = kNone;
            block(id) = {};
        }
    }

    void drop_predecessors(BlockId id, const std::vector<bool>& is_reached) {
        auto& before = block(id).predecessors;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < before.size(); ++i) {
            if (!is_reached[before[i]] || !leads_to(before[i], id)) continue;
            if (kept != i) {
                before[kept] = before[i];
                for (const NodeId node : block(id).nodes) {
                    const Node& phi = function_.nodes[node];
                    if (phi.opcode != Opcode::Phi) break;
                    function_.inputs[phi.first_input + kept] = function_.inputs[phi.first_input + i];
                }
            }
            ++kept;
        }
        before.resize(kept);
    }

    /// A branch may have led here twice and do so once now.
    bool leads_to(BlockId from, BlockId id) {
        const auto& successors = block(from).successors;
        const auto edges = std::count(std::begin(successors), std::end(successors), id);
        if (edges != 1) return edges == 2;
        return std::exchange(seen_at_[from], id) != id;
    }

    void join_blocks() {
        for (BlockId id = 0; id < function_.blocks.size(); ++id) {
            for (;;) {
                const BlockId next = block(id).successors[0];
                if (next == kNone || block(id).successors[1] != kNone || next == id) break;
                if (next == 0 || block(next).predecessors.size() != 1) break;
                append(id, next);
            }
        }
    }

    void append(BlockId id, BlockId next) {
        Block& first = block(id);
        Block& second = block(next);
        function_.nodes[first.nodes.back()].block = kNone;
        first.nodes.pop_back();
        for (const NodeId node : second.nodes) {
            Node& moved = function_.nodes[node];
            if (moved.opcode == Opcode::Phi) {
                replacements_.replace(node, function_.input(moved, 0));
                moved.block = kNone;
                continue;
            }
            moved.block = id;
            first.nodes.push_back(node);
        }
        for (unsigned i = 0; i < 2; ++i) {
            first.successors[i] = second.successors[i];
            if (second.successors[i] != kNone)
                std::ranges::replace(block(second.successors[i]).predecessors, next, id);
        }
        second = {};
    }

    void split_edges() {
        const auto count = static_cast<BlockId>(function_.blocks.size());
        found_at_.assign(count, 0);
        for (BlockId id = 0; id < count; ++id) {
            if (block(id).successors[1] == kNone) continue;
            for (unsigned i = 0; i < 2; ++i) {
                const BlockId target = block(id).successors[i];
                if (block(target).predecessors.size() > 1) split_edge(id, i, target);
            }
        }
    }

    void split_edge(BlockId id, unsigned side, BlockId target) {
        const auto middle = static_cast<BlockId>(function_.blocks.size());
        const std::uint32_t slot = function_.nodes[block(id).nodes.back()].slot;
        function_.blocks.emplace_back();
        const NodeId jump = function_.add({.opcode = Opcode::Jump, .block = middle, .slot = slot}, {});
        block(middle).nodes.push_back(jump);
        block(middle).predecessors.push_back(id);
        block(middle).successors[0] = target;
        block(id).successors[side] = middle;
        // Predecessors are mostly in order: the search goes on where it ended for the block before.
        auto& before = block(target).predecessors;
        std::size_t at = found_at_[target];
        while (before[at] != id) at = at + 1 < before.size() ? at + 1 : 0;
        before[at] = middle;
        found_at_[target] = at;
    }

    /// A phi of one value, besides itself, is that value. Values that go round a loop may need a second look.
    void replace_phis() {
        constexpr unsigned kMostRounds = 8;
        bool is_changed = true;
        for (unsigned round = 0; is_changed && round < kMostRounds; ++round) {
            is_changed = false;
            for (Block& part : function_.blocks) {
                for (const NodeId id : part.nodes) {
                    const Node& node = function_.nodes[id];
                    if (node.opcode != Opcode::Phi) break;
                    if (replacements_.find(id) != id) continue;
                    const NodeId value = only_input(id, node);
                    if (value == kNone) continue;
                    replacements_.replace(id, value);
                    is_changed = true;
                }
            }
        }
    }

    NodeId only_input(NodeId id, const Node& node) {
        NodeId only = kNone;
        for (const NodeId input : function_.inputs_of(node)) {
            const NodeId value = replacements_.find(input);
            if (value == id || value == only) continue;
            if (only != kNone) return kNone;
            only = value;
        }
        return only;
    }

    /// Marks what the effects of the program need.
    std::vector<bool> find_live() {
        std::vector<bool> is_live(function_.nodes.size());
        std::vector<NodeId> work;
        const auto need = [&](NodeId id) {
            if (is_live[id]) return;
            is_live[id] = true;
            work.push_back(id);
        };
        for (const Block& part : function_.blocks) {
            for (const NodeId id : part.nodes) {
                if (has_effect(function_.nodes[id]) && replacements_.find(id) == id) need(id);
            }
        }
        while (!work.empty()) {
            const NodeId id = work.back();
            work.pop_back();
            for (NodeId& input : function_.inputs_of(function_.nodes[id])) {
                input = replacements_.find(input);
                need(input);
            }
        }
        return is_live;
    }

    void compact() {
        const std::vector<bool> is_live = find_live();
        std::vector<NodeId> number(function_.nodes.size(), kNone);
        NodeId count = 0;
        for (const Block& part : function_.blocks) {
            for (const NodeId id : part.nodes) {
                if (is_live[id]) number[id] = count++;
            }
        }
        std::vector<Node> nodes;
        std::vector<NodeId> inputs;
        nodes.reserve(count);
        inputs.reserve(function_.inputs.size());
        for (Block& part : function_.blocks) {
            std::size_t kept = 0;
            for (const NodeId id : part.nodes) {
                if (number[id] == kNone) continue;
                const auto values = function_.inputs_of(function_.nodes[id]);
                Node node = function_.nodes[id];
                node.first_input = static_cast<std::uint32_t>(inputs.size());
                for (const NodeId value : values) inputs.push_back(number[value]);
                nodes.push_back(node);
                part.nodes[kept++] = number[id];
            }
            part.nodes.resize(kept);
        }
        function_.nodes = std::move(nodes);
        function_.inputs = std::move(inputs);
    }

    Function& function_;
    Replacements& replacements_;
    std::vector<BlockId> seen_at_;       ///< by block: the last one of whose predecessors it was
    std::vector<std::size_t> found_at_;  ///< by block: where among its predecessors the last search ended
};

}  // namespace

void normalise(Function& function, Replacements& replacements) {
    Normaliser(function, replacements).run();
}

void renumber(Function& function, Replacements& replacements) {
    Normaliser(function, replacements).run_on_nodes();
}

void normalise(Function& function) {
    Replacements none(function.nodes.size());
    normalise(function, none);
}

}  // namespace ebpf::ir
