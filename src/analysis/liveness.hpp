// SPDX-License-Identifier: MIT
// Which registers may still be read: the others are dropped from states before these are compared.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/graph.hpp"

namespace ebpf::analysis {

/// A set of registers, bit = number.
using RegisterSet = std::uint16_t;

/// Returns, for each block of `graph`, the registers that some path from its start reads before it writes
/// them. r10 is in every set. Cost: linear in the code.
std::vector<RegisterSet> live_registers(std::span<const isa::Instruction> code, const Graph& graph);

}  // namespace ebpf::analysis
