// SPDX-License-Identifier: MIT
// What passes share that put several blocks in the place of a call.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Base of such a pass: writes at the end of a block, for the instruction at hand.
class BlockWriter {
  protected:
    explicit BlockWriter(Function& function) : function_(function) {}

    NodeId append(Node node, std::span<const NodeId> inputs);
    NodeId append(Node node, std::initializer_list<NodeId> inputs) {
        return append(node, std::span(inputs.begin(), inputs.size()));
    }
    NodeId constant(std::integral auto value) {
        return append({.opcode = Opcode::Constant, .imm = static_cast<std::int64_t>(value)}, {});
    }

    /// Makes `to` the successor of `from` on `side`.
    void connect(BlockId from, unsigned side, BlockId to);
    /// Puts `nodes`, which have been taken out of `from`, into the new block `rest`, which goes on where
    /// `from` went.
    void move_rest(BlockId from, BlockId rest, std::span<const NodeId> nodes);

    Function& function_;
    BlockId block_ = 0;
    std::uint32_t slot_ = 0;
};

}  // namespace ebpf::ir
