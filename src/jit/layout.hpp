// SPDX-License-Identifier: MIT
// Where a function's blocks lie in the code, the same for every target: early exits last and merged, a loop's
// test at its end, blocks that only jump on left out.
#pragma once

#include <cstddef>
#include <vector>

#include "ir/ir.hpp"
#include "jit/allocation.hpp"
#include "jit/target.hpp"

namespace ebpf::jit {

struct Layout {
    std::vector<ir::BlockId> order;   ///< the blocks to emit, one after the other; the entry comes first
    std::vector<ir::BlockId> target;  ///< by block: where a jump to it leads, a block of `order`
    std::vector<std::size_t> place;   ///< by block: its index in `order`
    std::vector<bool> is_loop_top;    ///< by block: first in `order` of a loop that has no loop inside

    /// What comes behind `order[at]`; ir::kNone at the end.
    [[nodiscard]] ir::BlockId next(std::size_t at) const {
        return at + 1 < order.size() ? order[at + 1] : ir::kNone;
    }
};

/// How to emit the branch at the end of a block: a conditional jump, and a jump if `rest` does not come next.
struct Ways {
    ir::BlockId jump = ir::kNone;
    ir::BlockId rest = ir::kNone;
    bool is_inverted = false;  ///< jump if the condition does not hold
};
/// Requires: `order[at]` ends with a Branch.
Ways ways_of(const Layout& layout, const ir::Function& function, std::size_t at);

/// Requires: the three fit together as jit/target.hpp says.
/// Cost: linear in blocks, and in the blocks of each loop for each loop around them.
Layout plan_layout(const ir::Function& function, const Selection& selection, const Allocation& allocation);

/// Whether `block` becomes one instruction of this opcode, with or without moves before it.
bool is_only(const ir::Function& function, const Selection& selection, ir::BlockId block, ir::Opcode opcode);

}  // namespace ebpf::jit
