// SPDX-License-Identifier: MIT
// Dominators and loops of a function whose blocks are in reverse postorder.
#pragma once

#include <vector>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// A natural loop: the blocks from which its header is reached again without leaving its dominance.
struct Loop {
    BlockId header = kNone;
    BlockId end = kNone;  ///< one past its last block; blocks are contiguous once normalised
    std::uint32_t parent = kNone;
    std::uint32_t depth = 1;
};

/// A snapshot: invalid once blocks or edges change. Cost: linear for reducible functions.
class Graph {
  public:
    explicit Graph(const Function& function);

    [[nodiscard]] BlockId immediate_dominator(BlockId block) const { return dominator_[block]; }
    /// Returns whether every path to `b` leads through `a`; a block dominates itself.
    [[nodiscard]] bool dominates(BlockId a, BlockId b) const {
        return enter_[a] <= enter_[b] && leave_[b] <= leave_[a];
    }
    /// Outer loops before those inside them.
    [[nodiscard]] const std::vector<Loop>& loops() const { return loops_; }
    /// Returns the innermost loop around the block, or kNone.
    [[nodiscard]] std::uint32_t loop_of(BlockId block) const { return loop_of_[block]; }
    /// Returns whether the block is in the loop or one inside it.
    [[nodiscard]] bool is_inside(BlockId block, std::uint32_t loop) const;
    [[nodiscard]] std::uint32_t depth(BlockId block) const {
        return loop_of_[block] == kNone ? 0 : loops_[loop_of_[block]].depth;
    }

  private:
    void find_dominators(const Function& function);
    void number_tree();
    void find_loops(const Function& function);
    [[nodiscard]] BlockId common(BlockId a, BlockId b) const;

    std::vector<BlockId> dominator_;
    std::vector<std::uint32_t> enter_, leave_;  ///< positions in a walk over the dominator tree
    std::vector<Loop> loops_;
    std::vector<std::uint32_t> loop_of_;
};

}  // namespace ebpf::ir
