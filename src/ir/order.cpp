// SPDX-License-Identifier: MIT
#include "ir/order.hpp"

#include <algorithm>
#include <utility>

#include "ir/graph.hpp"

namespace ebpf::ir {
namespace {

/// Topological order over all edges but those that go back in the present order, which is a reverse
/// postorder. A loop that has been begun is finished before anything outside.
std::vector<BlockId> loops_together(const Function& function, const Graph& graph) {
    const auto count = static_cast<BlockId>(function.blocks.size());
    std::vector<std::uint32_t> waits_for(count, 0);
    for (BlockId block = 0; block < count; ++block) {
        for (const BlockId before : function.blocks[block].predecessors)
            waits_for[block] += before < block ? 1 : 0;
    }
    // Ready blocks by loop; the last place is for those outside all loops.
    const std::size_t outside = graph.loops().size();
    std::vector<std::vector<BlockId>> ready(outside + 1);
    const auto place_of = [&](std::uint32_t loop) { return loop == kNone ? outside : std::size_t{loop}; };
    const auto make_ready = [&](BlockId block) {
        std::uint32_t loop = graph.loop_of(block);
        // A header is a step of the loop around its own.
        if (loop != kNone && graph.loops()[loop].header == block) loop = graph.loops()[loop].parent;
        ready[place_of(loop)].push_back(block);
    };
    std::vector<BlockId> order;
    order.reserve(count);
    std::uint32_t current = kNone;
    make_ready(0);
    while (order.size() < count) {
        auto& candidates = ready[place_of(current)];
        if (candidates.empty()) {
            current = graph.loops()[current].parent;
            continue;
        }
        const BlockId block = candidates.back();
        candidates.pop_back();
        order.push_back(block);
        if (graph.loop_of(block) != current) current = graph.loop_of(block);
        const auto& successors = function.blocks[block].successors;
        for (const BlockId after : {successors[1], successors[0]}) {
            if (after != kNone && after > block && --waits_for[after] == 0) make_ready(after);
        }
    }
    return order;
}

}  // namespace

std::vector<BlockId> reverse_postorder(const Function& function) {
    std::vector<BlockId> order;
    order.reserve(function.blocks.size());
    std::vector<std::uint8_t> next(function.blocks.size(), 0);  // successors visited, plus one once entered
    std::vector<BlockId> stack{0};
    next[0] = 1;
    while (!stack.empty()) {
        const BlockId block = stack.back();
        if (next[block] > 2) {
            order.push_back(block);
            stack.pop_back();
            continue;
        }
        // The second successor first: the first one then follows its block where nothing else orders them.
        const BlockId successor = function.blocks[block].successors[2 - next[block]++];
        if (successor == kNone || next[successor] != 0) continue;
        next[successor] = 1;
        stack.push_back(successor);
    }
    std::ranges::reverse(order);
    return order;
}

void reorder_blocks(Function& function, const std::vector<BlockId>& order) {
    bool is_in_order = order.size() == function.blocks.size();
    for (BlockId i = 0; is_in_order && i < order.size(); ++i) is_in_order = order[i] == i;
    if (is_in_order) return;
    std::vector<BlockId> number(function.blocks.size(), kNone);
    for (BlockId i = 0; i < order.size(); ++i) number[order[i]] = i;
    std::vector<Block> blocks(order.size());
    for (BlockId i = 0; i < order.size(); ++i) {
        Block& block = blocks[i];
        block = std::move(function.blocks[order[i]]);
        for (const NodeId id : block.nodes) function.nodes[id].block = i;
        for (BlockId& before : block.predecessors) before = number[before];
        for (BlockId& after : block.successors) after = after == kNone ? kNone : number[after];
    }
    function.blocks = std::move(blocks);
}

void order_blocks(Function& function) {
    reorder_blocks(function, reverse_postorder(function));
    bool has_loops = false;
    for (BlockId block = 0; block < function.blocks.size(); ++block) {
        for (const BlockId before : function.blocks[block].predecessors)
            has_loops = has_loops || before >= block;
        function.blocks[block].loop_depth = 0;
    }
    if (!has_loops) return;
    const Graph graph(function);
    for (BlockId block = 0; block < function.blocks.size(); ++block)
        function.blocks[block].loop_depth = graph.depth(block);
    reorder_blocks(function, loops_together(function, graph));
}

}  // namespace ebpf::ir
