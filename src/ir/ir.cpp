// SPDX-License-Identifier: MIT
#include "ir/ir.hpp"

#include "ir/opcode.hpp"

namespace ebpf::ir {

NodeId Function::add(Node node, std::span<const NodeId> values) {
    node.first_input = static_cast<std::uint32_t>(inputs.size());
    node.input_count =
        node.opcode == Opcode::Phi ? std::uint8_t{0} : static_cast<std::uint8_t>(values.size());
    inputs.insert(inputs.end(), values.begin(), values.end());
    nodes.push_back(node);
    return static_cast<NodeId>(nodes.size() - 1);
}

bool has_result(const Node& node) {
    return opcode_spec(node.opcode).has_result && (node.opcode != Opcode::Atomic || node.fetch);
}

bool is_terminator(const Node& node) {
    return node.opcode == Opcode::Jump || node.opcode == Opcode::Branch || node.opcode == Opcode::Return;
}

}  // namespace ebpf::ir
