// SPDX-License-Identifier: MIT
// A subprogram's basic blocks in terms of slots, with what they do to registers: what build() starts from.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/layout.hpp"

namespace ebpf::ir {

using RegisterMask = std::uint16_t;

/// A maximal run of slots that is entered at the start only. Blocks that nothing reaches are left out.
struct SlotBlock {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t successors[2] = {kNone, kNone};  ///< blocks; of a branch: if taken, if not
    std::vector<std::uint32_t> predecessors;
    RegisterMask reads = 0;  ///< before any write in the block
    RegisterMask writes = 0;
    RegisterMask live_in = 0;  ///< whose values at the start somebody may use
};

/// What one instruction reads and writes.
struct RegisterUse {
    RegisterMask reads = 0;
    RegisterMask writes = 0;
};

/// Returns how many of r1..r5 the helper takes. Helpers that are not in the table may take all.
unsigned helper_arguments(std::int64_t id);

/// `callee_parameters`: how many arguments the subprogram at a local call's target takes.
RegisterUse registers_of(const isa::Instruction& instruction, unsigned callee_parameters);

/// Returns the blocks in reverse postorder; [0] is the entry. Callees' parameter counts must be known.
std::vector<SlotBlock> find_blocks(const isa::Code& code, const Layout& layout, const Subprogram& part);

}  // namespace ebpf::ir
