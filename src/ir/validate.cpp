// SPDX-License-Identifier: MIT
#include "ir/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "ir/graph.hpp"
#include "ir/opcode.hpp"

namespace ebpf::ir {
namespace {

/// How many inputs nodes of an opcode may have.
struct InputRange {
    unsigned least;
    unsigned most;
};

InputRange inputs_of_opcode(const Module& module, const Node& node) {
    switch (node.opcode) {
        case Opcode::Constant:
        case Opcode::MapHandle:
        case Opcode::MapValue:
        case Opcode::Parameter:
        case Opcode::FrameAddress:
        case Opcode::CodeAddress:
        case Opcode::Jump:
            return {0, 0};
        case Opcode::Negate:
        case Opcode::SignExtend:
        case Opcode::ZeroExtend:
        case Opcode::ByteSwap:
        case Opcode::Load:
        case Opcode::LoadAcquire:
        case Opcode::MapLookup:
        case Opcode::Return:
            return {1, 1};
        case Opcode::Add:
        case Opcode::Sub:
        case Opcode::Mul:
        case Opcode::UDiv:
        case Opcode::SDiv:
        case Opcode::UMod:
        case Opcode::SMod:
        case Opcode::And:
        case Opcode::Or:
        case Opcode::Xor:
        case Opcode::Shl:
        case Opcode::Shr:
        case Opcode::Sar:
        case Opcode::Compare:
        case Opcode::Branch:
        case Opcode::Store:
        case Opcode::StoreRelease:
            return {2, 2};
        case Opcode::Select:
            return {4, 4};
        case Opcode::Atomic:
            return node.atomic == spec::AtomicOp::Cmpxchg ? InputRange{3, 3} : InputRange{2, 2};
        case Opcode::CallHelper:
        case Opcode::TailCall:
            return {0, 5};
        case Opcode::PacketLoad:
            return {0, 1};
        case Opcode::CallLocal: {
            const auto callee = static_cast<std::size_t>(node.imm);
            const unsigned count =
                callee < module.functions.size() ? module.functions[callee].parameter_count : 0;
            return {count, count};
        }
        case Opcode::Phi:
            return {0, 0};
    }
    return {0, 0};
}

bool has_valid_size(const Node& node) {
    switch (node.opcode) {
        case Opcode::SignExtend:
        case Opcode::ZeroExtend:
            return node.size == 1 || node.size == 2 || node.size == 4;
        case Opcode::ByteSwap:
            return node.size == 2 || node.size == 4 || node.size == 8;
        case Opcode::Load:
        case Opcode::Store:
        case Opcode::LoadAcquire:
        case Opcode::StoreRelease:
            return node.size == 1 || node.size == 2 || node.size == 4 || node.size == 8;
        case Opcode::Atomic:
            return node.size == 4 || node.size == 8;
        case Opcode::PacketLoad:
            return node.size == 1 || node.size == 2 || node.size == 4;
        case Opcode::Constant:
        case Opcode::MapHandle:
        case Opcode::MapValue:
        case Opcode::Parameter:
        case Opcode::FrameAddress:
        case Opcode::CodeAddress:
        case Opcode::Add:
        case Opcode::Sub:
        case Opcode::Mul:
        case Opcode::UDiv:
        case Opcode::SDiv:
        case Opcode::UMod:
        case Opcode::SMod:
        case Opcode::And:
        case Opcode::Or:
        case Opcode::Xor:
        case Opcode::Shl:
        case Opcode::Shr:
        case Opcode::Sar:
        case Opcode::Negate:
        case Opcode::Compare:
        case Opcode::Select:
        case Opcode::CallHelper:
        case Opcode::TailCall:
        case Opcode::CallLocal:
        case Opcode::MapLookup:
        case Opcode::Phi:
        case Opcode::Jump:
        case Opcode::Branch:
        case Opcode::Return:
            return true;
    }
    return false;
}

class Validator {
  public:
    Validator(const Module& module, std::size_t index)
        : module_(module), function_(module.functions[index]), index_(index) {}

    std::string run() {
        if (function_.blocks.empty()) return where("has no blocks");
        if (!function_.blocks[0].predecessors.empty()) return where("block 0 has predecessors");
        if (function_.frame_bytes % 8 != 0 || function_.frame_bytes > kMaxFrameBytes)
            return where(fmt::format("frame of {} bytes", function_.frame_bytes));
        for (BlockId id = 0; id < function_.blocks.size() && error_.empty(); ++id) check_edges(id);
        if (!error_.empty()) return error_;
        number_nodes();
        if (!error_.empty()) return error_;
        const Graph graph(function_);
        for (BlockId id = 0; id < function_.blocks.size() && error_.empty(); ++id) check_nodes(id, graph);
        for (const Loop& loop : graph.loops()) check_loop(loop, graph);
        return error_;
    }

  private:
    std::string where(const std::string& text) const { return fmt::format("function {}: {}", index_, text); }
    void fail(BlockId block, const std::string& text) {
        if (error_.empty()) error_ = where(fmt::format("block {}: {}", block, text));
    }

    void check_edges(BlockId id) {
        const Block& block = function_.blocks[id];
        if (block.nodes.empty()) return fail(id, "is empty");
        if (id != 0 && block.predecessors.empty()) return fail(id, "has no predecessors");
        if (std::ranges::none_of(block.predecessors, [id](BlockId before) { return before < id; }) && id != 0)
            return fail(id, "comes before all its predecessors");
        unsigned count = 0;
        for (const BlockId after : block.successors) {
            if (after == kNone) continue;
            ++count;
            if (after >= function_.blocks.size() || after == 0) return fail(id, "has a bad successor");
            const auto& back = function_.blocks[after].predecessors;
            if (std::ranges::find(back, id) == back.end())
                return fail(id, fmt::format("is no predecessor of its successor {}", after));
        }
        for (const BlockId before : block.predecessors) {
            if (before >= function_.blocks.size()) return fail(id, "has a bad predecessor");
            const auto& successors = function_.blocks[before].successors;
            if (successors[0] != id && successors[1] != id)
                return fail(id, fmt::format("is no successor of its predecessor {}", before));
            if (successors[1] != kNone && block.predecessors.size() > 1)
                return fail(id, fmt::format("critical edge from block {}", before));
        }
        const Opcode last = function_.nodes[block.nodes.back()].opcode;
        const unsigned wanted = last == Opcode::Branch ? 2 : last == Opcode::Jump ? 1 : 0;
        if (count != wanted || (count == 1 && block.successors[0] == kNone))
            fail(id, "successors do not fit its last node");
    }

    void number_nodes() {
        position_.assign(function_.nodes.size(), kNone);
        std::uint32_t position = 0;
        for (BlockId id = 0; id < function_.blocks.size(); ++id) {
            for (const NodeId node : function_.blocks[id].nodes) {
                if (node >= position_.size()) return fail(id, fmt::format("node {} does not exist", node));
                if (position_[node] != kNone) return fail(id, fmt::format("node {} is listed twice", node));
                if (function_.nodes[node].block != id)
                    return fail(id, fmt::format("node {} believes to be elsewhere", node));
                position_[node] = position++;
            }
        }
    }

    void check_nodes(BlockId id, const Graph& graph) {
        const Block& block = function_.blocks[id];
        bool is_phi_allowed = true;
        for (const NodeId at : block.nodes) {
            const Node& node = function_.nodes[at];
            const auto say = [&](const char* text) {
                fail(id, fmt::format("node {} ({}): {}", at, opcode_spec(node.opcode).name, text));
            };
            if (node.opcode == Opcode::Phi && !is_phi_allowed) say("phi after another node");
            is_phi_allowed = is_phi_allowed && node.opcode == Opcode::Phi;
            if (is_terminator(node) != (at == block.nodes.back()))
                say("ends the block elsewhere than at its end");
            const InputRange range = inputs_of_opcode(module_, node);
            if (node.input_count < range.least || node.input_count > range.most)
                say("wrong number of inputs");
            if (!has_valid_size(node)) say("wrong size");
            check_fields(node, say);
            check_inputs(id, at, node, graph, say);
            if (!error_.empty()) return;
        }
    }

    void check_fields(const Node& node, auto& say) {
        const bool names_function = node.opcode == Opcode::CallLocal || node.opcode == Opcode::CodeAddress;
        if (names_function && static_cast<std::size_t>(node.imm) >= module_.functions.size())
            say("no such function");
        if (node.opcode == Opcode::Parameter &&
            static_cast<std::uint64_t>(node.imm) >= function_.parameter_count)
            say("no such parameter");
        if (node.opcode == Opcode::FrameAddress && function_.frame_bytes == 0) say("function without frame");
        const bool is_access = node.opcode == Opcode::Load || node.opcode == Opcode::Store ||
                               node.opcode == Opcode::Atomic || node.opcode == Opcode::LoadAcquire ||
                               node.opcode == Opcode::StoreRelease;
        if (is_access && node.imm != static_cast<std::int32_t>(node.imm)) say("displacement beyond 32 bits");
    }

    void check_inputs(BlockId id, NodeId at, const Node& node, const Graph& graph, auto& say) {
        const auto inputs = function_.inputs_of(node);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (inputs[i] >= function_.nodes.size() || position_[inputs[i]] == kNone) {
                say("input does not exist");
                return;
            }
            const Node& input = function_.nodes[inputs[i]];
            if (!has_result(input)) say("input has no value");
            const bool is_phi = node.opcode == Opcode::Phi;
            const BlockId use = is_phi ? function_.blocks[id].predecessors[i] : id;
            if (!graph.dominates(input.block, use)) say("input does not dominate its use");
            if (!is_phi && input.block == id && position_[inputs[i]] >= position_[at])
                say("input comes after its use");
        }
    }

    void check_loop(const Loop& loop, const Graph& graph) {
        for (BlockId id = 0; id < function_.blocks.size(); ++id) {
            const bool is_within = id >= loop.header && id < loop.end;
            const auto index = static_cast<std::uint32_t>(&loop - graph.loops().data());
            if (graph.is_inside(id, index) != is_within)
                return fail(loop.header, "its loop is not contiguous");
        }
    }

    const Module& module_;
    const Function& function_;
    std::size_t index_;
    std::vector<std::uint32_t> position_;
    std::string error_;
};

}  // namespace

std::string validate(const Module& module) {
    if (module.functions.empty()) return "no functions";
    for (std::size_t i = 0; i < module.functions.size(); ++i) {
        std::string error = Validator(module, i).run();
        if (!error.empty()) return error;
    }
    return {};
}

}  // namespace ebpf::ir
