// SPDX-License-Identifier: MIT
#include "ir/block_writer.hpp"

#include <algorithm>
#include <utility>

namespace ebpf::ir {

NodeId BlockWriter::append(Node node, std::span<const NodeId> inputs) {
    node.block = block_;
    node.slot = slot_;
    const NodeId id = function_.add(node, inputs);
    function_.blocks[block_].nodes.push_back(id);
    return id;
}

void BlockWriter::connect(BlockId from, unsigned side, BlockId to) {
    function_.blocks[from].successors[side] = to;
    function_.blocks[to].predecessors.push_back(from);
}

void BlockWriter::move_rest(BlockId from, BlockId rest, std::span<const NodeId> nodes) {
    Block& block = function_.blocks[rest];
    block.nodes.assign(nodes.begin(), nodes.end());
    for (const NodeId id : nodes) function_.nodes[id].block = rest;
    std::swap(block.successors, function_.blocks[from].successors);
    for (const BlockId next : block.successors) {
        if (next != kNone) std::ranges::replace(function_.blocks[next].predecessors, from, rest);
    }
}

}  // namespace ebpf::ir
