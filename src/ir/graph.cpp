// SPDX-License-Identifier: MIT
#include "ir/graph.hpp"

#include <algorithm>

namespace ebpf::ir {

Graph::Graph(const Function& function) {
    find_dominators(function);
    number_tree();
    find_loops(function);
}

BlockId Graph::common(BlockId a, BlockId b) const {
    while (a != b) {
        while (a > b) a = dominator_[a];
        while (b > a) b = dominator_[b];
    }
    return a;
}

// Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm": one round, and one to see that nothing
// changes, unless the function is irreducible.
void Graph::find_dominators(const Function& function) {
    const auto count = static_cast<BlockId>(function.blocks.size());
    dominator_.assign(count, kNone);
    dominator_[0] = 0;
    bool has_loops = true;
    for (bool is_changed = true; is_changed && has_loops;) {
        is_changed = false;
        has_loops = false;
        for (BlockId block = 1; block < count; ++block) {
            BlockId found = kNone;
            for (const BlockId before : function.blocks[block].predecessors) {
                has_loops = has_loops || before >= block;
                if (dominator_[before] == kNone) continue;
                found = found == kNone ? before : common(found, before);
            }
            if (found != dominator_[block]) {
                dominator_[block] = found;
                is_changed = true;
            }
        }
    }
}

void Graph::number_tree() {
    const std::size_t count = dominator_.size();
    // Children after parents in block numbers, so sizes add up backwards and positions follow forwards.
    std::vector<std::uint32_t> size(count, 1);
    for (std::size_t block = count; block-- > 1;) size[dominator_[block]] += size[block];
    enter_.assign(count, 0);
    leave_.assign(count, 0);
    std::vector<std::uint32_t> next(count, 0);
    leave_[0] = size[0];
    next[0] = 1;
    for (std::size_t block = 1; block < count; ++block) {
        const BlockId parent = dominator_[block];
        enter_[block] = next[parent];
        next[parent] += size[block];
        leave_[block] = enter_[block] + size[block];
        next[block] = enter_[block] + 1;
    }
}

bool Graph::is_inside(BlockId block, std::uint32_t loop) const {
    std::uint32_t at = loop_of_[block];
    while (at != kNone && at != loop) at = loops_[at].parent;
    return at == loop;
}

void Graph::find_loops(const Function& function) {
    const auto count = static_cast<BlockId>(function.blocks.size());
    loop_of_.assign(count, kNone);
    std::vector<BlockId> work;
    // Inner loops have later headers: from the last header on, a block's first loop is its innermost.
    for (BlockId header = count; header-- > 0;) {
        for (const BlockId before : function.blocks[header].predecessors) {
            if (before >= header && dominates(header, before)) work.push_back(before);
        }
        if (work.empty()) continue;
        const auto index = static_cast<std::uint32_t>(loops_.size());
        loops_.push_back({header, header + 1, kNone, 1});
        if (loop_of_[header] == kNone) loop_of_[header] = index;
        while (!work.empty()) {
            const BlockId block = work.back();
            work.pop_back();
            loops_[index].end = std::max(loops_[index].end, block + 1);
            // Climb to the outermost loop found so far around the block; that becomes a child.
            std::uint32_t inner = loop_of_[block];
            while (inner != kNone && inner != index && loops_[inner].parent != kNone)
                inner = loops_[inner].parent;
            if (inner == index) continue;
            BlockId from = block;
            if (inner == kNone) {
                loop_of_[block] = index;
            } else {
                loops_[inner].parent = index;
                loops_[index].end = std::max(loops_[index].end, loops_[inner].end);
                from = loops_[inner].header;
            }
            for (const BlockId before : function.blocks[from].predecessors) {
                if (before != header && dominates(header, before)) work.push_back(before);
            }
        }
    }
    std::ranges::reverse(loops_);
    const auto last = static_cast<std::uint32_t>(loops_.size()) - 1;
    for (std::uint32_t& loop : loop_of_) loop = loop == kNone ? kNone : last - loop;
    for (Loop& loop : loops_) {
        if (loop.parent == kNone) continue;
        loop.parent = last - loop.parent;
        loop.depth = loops_[loop.parent].depth + 1;
    }
}

}  // namespace ebpf::ir
