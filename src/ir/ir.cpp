// SPDX-License-Identifier: MIT
#include "ir/ir.hpp"

namespace ebpf::ir {

std::span<const NodeId> Function::inputs_of(const Node& node) const {
    const std::size_t count =
        node.opcode == Opcode::Phi ? blocks[node.block].predecessors.size() : node.input_count;
    return {inputs.data() + node.first_input, count};
}

bool has_result(const Node& node) {
    switch (node.opcode) {
        case Opcode::Store:
        case Opcode::StoreRelease:
        case Opcode::Jump:
        case Opcode::Branch:
        case Opcode::Return:
            return false;
        case Opcode::Atomic:
            return node.fetch;
        default:
            return true;
    }
}

}  // namespace ebpf::ir
