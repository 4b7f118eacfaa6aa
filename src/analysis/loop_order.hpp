// SPDX-License-Identifier: MIT
// The order of a function's blocks: topological apart from loops, which are contiguous and start with their
// head.
#pragma once

#include <cstdint>

#include "analysis/graph.hpp"

namespace ebpf::analysis {

/// Fills position, loops and is_loop_head of the blocks of `function`. Returns false if loops are nested
/// deeper than kMaxLoopNesting. Every cycle of the function goes through the head of a loop that contains the
/// whole cycle, also where control flow is irreducible.
bool order_blocks(Graph& graph, std::uint32_t function);

}  // namespace ebpf::analysis
