// SPDX-License-Identifier: MIT
#include "ir/split_block.hpp"

#include <algorithm>
#include <utility>

namespace ebpf::ir {

void connect(Function& function, BlockId from, unsigned side, BlockId to) {
    function.blocks[from].successors[side] = to;
    function.blocks[to].predecessors.push_back(from);
}

void move_rest(Function& function, BlockId from, BlockId rest, std::span<const NodeId> nodes) {
    Block& block = function.blocks[rest];
    block.nodes.assign(nodes.begin(), nodes.end());
    for (const NodeId id : nodes) function.nodes[id].block = rest;
    std::swap(block.successors, function.blocks[from].successors);
    for (const BlockId next : block.successors) {
        if (next != kNone) std::ranges::replace(function.blocks[next].predecessors, from, rest);
    }
}

}  // namespace ebpf::ir
