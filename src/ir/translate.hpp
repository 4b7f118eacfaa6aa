// SPDX-License-Identifier: MIT
// One subprogram to one function: instructions to nodes, registers to values.
#pragma once

#include "ir/build.hpp"
#include "ir/layout.hpp"
#include "ir/slot_blocks.hpp"

namespace ebpf::ir {

/// Everything about the module that a function's translation needs.
struct TranslationContext {
    const Input& input;
    const Layout& layout;
    const std::vector<std::uint32_t>& function_of;  ///< by subprogram: index in the module
};

/// Returns the function, not yet normalised (ir/normalise.hpp). `parameter_count` of the subprogram is that
/// of its live registers at the entry.
Function translate(const TranslationContext& context, const std::vector<SlotBlock>& slot_blocks,
                   std::uint32_t parameter_count);

}  // namespace ebpf::ir
