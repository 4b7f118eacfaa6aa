// SPDX-License-Identifier: MIT
#include "ir/dump.hpp"

#include <fmt/format.h>

#include <iterator>

#include "ir/opcode.hpp"

namespace ebpf::ir {
namespace {

const char* name_of(spec::JumpOp op) {
    switch (op) {
#define EBPF_JUMP(name, code, symbol) \
    case spec::JumpOp::name:          \
        return symbol;
#include "spec/instructions.def"
#undef EBPF_JUMP
    }
    return "?";
}

const char* name_of(spec::AtomicOp op) {
    switch (op) {
#define EBPF_ATOMIC(name, imm, symbol, may_omit_fetch) \
    case spec::AtomicOp::name:                         \
        return symbol;
#include "spec/instructions.def"
#undef EBPF_ATOMIC
    }
    return "?";
}

const char* name_of(Region region) {
    switch (region) {
        case Region::Unknown:
            return "unknown";
        case Region::Frame:
            return "frame";
        case Region::Context:
            return "context";
        case Region::Packet:
            return "packet";
        case Region::MapValue:
            return "map";
        case Region::Memory:
            return "memory";
    }
    return "?";
}

bool is_memory(const Node& node) {
    return node.opcode == Opcode::Load || node.opcode == Opcode::Store || node.opcode == Opcode::Atomic ||
           node.opcode == Opcode::LoadAcquire || node.opcode == Opcode::StoreRelease;
}

bool has_condition(const Node& node) {
    return node.opcode == Opcode::Compare || node.opcode == Opcode::Select || node.opcode == Opcode::Branch;
}

void dump_node(std::string& text, const Function& function, NodeId id) {
    const Node& node = function.nodes[id];
    auto out = std::back_inserter(text);
    text += "    ";
    if (has_result(node)) fmt::format_to(out, "v{} = ", id);
    text += opcode_spec(node.opcode).name;
    if (node.opcode == Opcode::Atomic)
        fmt::format_to(out, " {}{}", name_of(node.atomic), node.fetch ? "_fetch" : "");
    if (node.width == spec::Width::W32) text += ".32";
    if (node.size != 0) fmt::format_to(out, " {}{}", node.is_signed ? "s" : "u", node.size * 8);
    if (is_memory(node)) fmt::format_to(out, " {}", name_of(node.region));
    if (has_condition(node)) fmt::format_to(out, " {}", name_of(node.condition));
    for (const NodeId input : function.inputs_of(node)) fmt::format_to(out, " v{}", input);
    const bool is_constant = node.opcode == Opcode::Constant;
    if (is_constant || node.imm != 0)
        fmt::format_to(
            out, " {}{:#x}", node.imm < 0 ? "-" : "+",
            node.imm < 0 ? -static_cast<std::uint64_t>(node.imm) : static_cast<std::uint64_t>(node.imm));
    if (node.divisor_is_safe) text += " safe";
    text += '\n';
}

}  // namespace

std::string dump(const Function& function) {
    std::string text =
        fmt::format("parameters {} frame {}\n", function.parameter_count, function.frame_bytes);
    auto out = std::back_inserter(text);
    for (BlockId id = 0; id < function.blocks.size(); ++id) {
        const Block& block = function.blocks[id];
        fmt::format_to(out, "b{}: depth {} from", id, block.loop_depth);
        for (const BlockId before : block.predecessors) fmt::format_to(out, " b{}", before);
        text += '\n';
        for (const NodeId node : block.nodes) dump_node(text, function, node);
        for (const BlockId after : block.successors) {
            if (after != kNone) fmt::format_to(out, "    -> b{}\n", after);
        }
    }
    return text;
}

std::string dump(const Module& module) {
    std::string text;
    for (std::size_t i = 0; i < module.functions.size(); ++i)
        text += fmt::format("function {}: {}", i, dump(module.functions[i]));
    return text;
}

}  // namespace ebpf::ir
