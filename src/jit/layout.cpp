// SPDX-License-Identifier: MIT
#include "jit/layout.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

namespace ebpf::jit {
namespace {

using ir::BlockId;
using ir::Opcode;

class Planner {
  public:
    Planner(const ir::Function& function, const Selection& selection, const Allocation& allocation)
        : function_(function), selection_(selection), allocation_(allocation) {}

    Layout run() {
        find_targets();
        const auto count = static_cast<BlockId>(function_.blocks.size());
        std::vector<BlockId> exits;
        for (BlockId block = 0; block < count; ++block) {
            if (block != 0 && layout_.target[block] != block) continue;
            if (is_early_exit(block)) {
                merge_exit(block, exits);
            } else {
                layout_.order.push_back(block);
            }
        }
        layout_.is_loop_top.assign(count, false);
        place_loops();
        const std::size_t main = layout_.order.size();
        layout_.order.insert(layout_.order.end(), exits.begin(), exits.end());
        note_places(main, layout_.order.size());
        return std::move(layout_);
    }

  private:
    bool is_only_one(BlockId block, Opcode opcode) const {
        return is_only(function_, selection_, block, opcode);
    }
    std::span<const Move> moves_of(BlockId block) const {
        return allocation_.moves_before(selection_.block_begin[block]);
    }
    const ir::Block& at(std::size_t place) const { return function_.blocks[layout_.order[place]]; }
    BlockId target(BlockId block) const { return layout_.target[block]; }
    void note_places(std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) layout_.place[layout_.order[i]] = i;
    }

    void find_targets();
    bool is_early_exit(BlockId block) const;
    void merge_exit(BlockId block, std::vector<BlockId>& exits);
    void place_loops();
    std::size_t last_of_loop(std::size_t first) const;
    void rotate(std::size_t first, std::size_t last);

    const ir::Function& function_;
    const Selection& selection_;
    const Allocation& allocation_;
    Layout layout_;
};

// From the end, so that chains of blocks that only jump are short-cut; one that jumps back is kept.
void Planner::find_targets() {
    const auto count = static_cast<BlockId>(function_.blocks.size());
    auto& target = layout_.target;
    target.resize(count);
    for (BlockId block = count; block-- > 0;) {
        const bool is_empty = is_only_one(block, Opcode::Jump) && moves_of(block).empty();
        const BlockId next = function_.blocks[block].successors[0];
        target[block] = is_empty && next > block ? target[next] : is_empty && next < block ? next : block;
    }
    // A jump back leads to a block that may itself be a short cut.
    for (BlockId block = 0; block < count; ++block) {
        for (BlockId steps = 0; steps < count && target[target[block]] != target[block]; ++steps) {
            target[block] = target[target[block]];
        }
    }
}

// Whether the block is one side of a branch, does nothing but return, and the other side does more. Such
// tests are mostly passed, and the way on is better not jumped over.
bool Planner::is_early_exit(BlockId block) const {
    const auto leaves = [&](BlockId it) {
        if (is_only_one(it, Opcode::Return)) return true;
        return is_only_one(it, Opcode::Jump) &&
               is_only_one(target(function_.blocks[it].successors[0]), Opcode::Return);
    };
    const ir::Block& it = function_.blocks[block];
    if (it.predecessors.size() != 1 || !leaves(block)) return false;
    const auto& ways = function_.blocks[it.predecessors[0]].successors;
    return ways[1] != ir::kNone && !leaves(target(ways[0] == block ? ways[1] : ways[0]));
}

// Adds an exit, or leads it to one that does the same.
void Planner::merge_exit(BlockId block, std::vector<BlockId>& exits) {
    constexpr std::size_t kMostCompared = 16;
    const auto same_move = [](const Move& a, const Move& b) {
        return a.from == b.from && a.to == b.to && a.is_swap == b.is_swap;
    };
    const auto next = [&](BlockId it) {
        const BlockId successor = function_.blocks[it].successors[0];
        return successor == ir::kNone ? successor : target(successor);
    };
    for (std::size_t i = exits.size() - std::min(exits.size(), kMostCompared); i < exits.size(); ++i) {
        // Two blocks that return by themselves return different values.
        if (next(exits[i]) != next(block) || next(block) == ir::kNone) continue;
        if (!std::ranges::equal(moves_of(exits[i]), moves_of(block), same_move)) continue;
        layout_.target[block] = exits[i];
        return;
    }
    exits.push_back(block);
}

// Saves jumps in each round of a loop. Inner loops first.
void Planner::place_loops() {
    auto& order = layout_.order;
    layout_.place.assign(function_.blocks.size(), order.size());
    note_places(0, order.size());
    for (std::size_t first = order.size(); first-- > 0;) {
        if (layout_.place[order[first]] != first) continue;  // moved as part of an inner loop
        const std::size_t last = last_of_loop(first);
        if (last == order.size()) continue;
        const std::uint32_t depth = at(first).loop_depth;
        if (last > first && order[first] != 0) rotate(first, last);
        // Where it starts matters where most time is spent: in loops without loops inside.
        const auto is_deeper = [&](BlockId block) { return function_.blocks[block].loop_depth > depth; };
        const auto begin = order.begin() + static_cast<std::ptrdiff_t>(first);
        const auto end = order.begin() + static_cast<std::ptrdiff_t>(last) + 1;
        if (std::none_of(begin, end, is_deeper)) layout_.is_loop_top[order[first]] = true;
    }
}

// The last place of the loop whose header is at `first`; order.size() if that is none.
std::size_t Planner::last_of_loop(std::size_t first) const {
    const auto& order = layout_.order;
    const BlockId header = order[first];
    std::size_t last = order.size();
    for (const BlockId from : function_.blocks[header].predecessors) {
        if (from < header) continue;
        // A block that only jumps back has no place; the blocks before it have.
        BlockId block = from;
        while (block > header && layout_.place[block] == order.size()) --block;
        if (last == order.size() || layout_.place[block] > last) last = layout_.place[block];
    }
    return last;
}

// Turns a loop round, so that another block of it comes first:
// - The second, if the header may leave the loop and the last block jumps to it: the test is then at the end.
// - The last, if that may leave the loop, the block before it may too, and others jump to it, as by
//   `continue`: no jump is then needed from it to the header, and the block before it jumps instead of not.
void Planner::rotate(std::size_t first, std::size_t last) {
    const auto is_inside = [&](BlockId block) {
        const std::size_t place = layout_.place[target(block)];
        return place >= first && place <= last;
    };
    const auto may_leave = [&](const ir::Block& block) {
        return block.successors[1] != ir::kNone &&
               is_inside(block.successors[0]) != is_inside(block.successors[1]);
    };
    const BlockId header = layout_.order[first];
    const ir::Block& end = at(last);
    const bool jumps_back = end.successors[1] == ir::kNone && end.successors[0] != ir::kNone &&
                            target(end.successors[0]) == header;
    const auto begin = layout_.order.begin() + static_cast<std::ptrdiff_t>(first);
    const auto behind = layout_.order.begin() + static_cast<std::ptrdiff_t>(last) + 1;
    if (jumps_back && may_leave(at(first))) {
        std::rotate(begin, begin + 1, behind);
    } else if (may_leave(end) && end.predecessors.size() > 1 && may_leave(at(last - 1))) {
        std::rotate(begin, behind - 1, behind);
    } else {
        return;
    }
    note_places(first, last + 1);
}

}  // namespace

// What lies behind needs no jump, and the way back into a loop, which is taken often, only one.
Ways ways_of(const Layout& layout, const ir::Function& function, std::size_t at) {
    const auto& successors = function.blocks[layout.order[at]].successors;
    const BlockId yes = layout.target[successors[0]];
    const BlockId no = layout.target[successors[1]];
    const BlockId next = layout.next(at);
    const auto is_back = [&](BlockId block) { return layout.place[block] <= at; };
    if (yes == next || (no != next && is_back(no) && !is_back(yes))) return {no, yes, true};
    return {yes, no, false};
}

bool is_only(const ir::Function& function, const Selection& selection, BlockId block, Opcode opcode) {
    const std::uint32_t first = selection.block_begin[block];
    const ir::NodeId node = selection.instructions[first].node;
    return selection.block_begin[block + 1] - first == 1 && node != ir::kNone &&
           function.nodes[node].opcode == opcode;
}

Layout plan_layout(const ir::Function& function, const Selection& selection, const Allocation& allocation) {
    return Planner(function, selection, allocation).run();
}

}  // namespace ebpf::jit
