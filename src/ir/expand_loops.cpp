// SPDX-License-Identifier: MIT
#include "ir/expand_loops.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "ir/block_writer.hpp"
#include "ir/normalise.hpp"
#include "spec/helpers.hpp"

namespace ebpf::ir {
namespace {

using spec::JumpOp;

constexpr std::int64_t kTooBig = -7;  // -E2BIG

// Inputs of the call.
constexpr unsigned kCount = 0;
constexpr unsigned kCallback = 1;
constexpr unsigned kContext = 2;
constexpr unsigned kFlags = 3;
constexpr unsigned kInputs = 4;

class Expander : BlockWriter {
  public:
    Expander(const Module& module, Function& function)
        : BlockWriter(function), module_(module), replacements_(function.nodes.size()) {}

    void run() {
        // Blocks that are made on the way hold what followed a call: they are looked at, too.
        for (BlockId id = 0; id < function_.blocks.size(); ++id) expand_block(id);
        if (is_changed_) normalise(function_, replacements_);
    }

  private:
    void expand_block(BlockId id) {
        const std::vector<NodeId> nodes = function_.blocks[id].nodes;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (!is_known_loop(function_.nodes[nodes[i]])) continue;
            expand(id, nodes, i);
            is_changed_ = true;
            return;
        }
    }

    [[nodiscard]] bool is_known_loop(const Node& node) const {
        if (node.opcode != Opcode::CallHelper || node.input_count != kInputs) return false;
        if (node.imm != static_cast<std::int64_t>(spec::HelperId::loop)) return false;
        const NodeId flags = function_.input(node, kFlags);
        return function_.nodes[function_.input(node, kCallback)].opcode == Opcode::CodeAddress &&
               function_.is_constant(flags) && function_.constant(flags) == 0;
    }

    BlockId make_block() {
        function_.blocks.emplace_back();
        return static_cast<BlockId>(function_.blocks.size() - 1);
    }

    /// A block that only goes on to `to`.
    BlockId make_way(BlockId to) {
        block_ = make_block();
        append({.opcode = Opcode::Jump}, {});
        connect(block_, 0, to);
        return block_;
    }

    /// if (count > most) result = -E2BIG;
    /// else for (i = 0; i < count; ++i) if (callback(i, context) != 0) { result = i + 1; break; }
    /// else result = count;
    void expand(BlockId id, const std::vector<NodeId>& nodes, std::size_t at) {
        const NodeId call = nodes[at];
        const Node node = function_.nodes[call];
        slot_ = node.slot;
        const BlockId rest = split(id, nodes, at);
        block_ = id;
        constexpr std::uint8_t kIndexBytes = 4;
        const NodeId count =
            append({.opcode = Opcode::ZeroExtend, .size = kIndexBytes}, {function_.input(node, kCount)});
        const NodeId zero = constant(0);
        const NodeId refused = constant(kTooBig);
        append({.opcode = Opcode::Branch, .condition = JumpOp::Le}, {count, constant(spec::kMaxLoops)});
        const BlockId test = make_block();
        const BlockId before = make_way(test);
        connect(id, 0, before);
        connect(id, 1, make_way(rest));
        block_ = test;
        const NodeId index = append({.opcode = Opcode::Phi}, {zero, kNone});
        append({.opcode = Opcode::Branch, .condition = JumpOp::Lt}, {index, count});
        const BlockId round = make_block();
        connect(test, 0, round);
        block_ = round;
        const NodeId stops = call_back(node, index, zero);
        const NodeId next = append({.opcode = Opcode::Add}, {index, constant(1)});
        append({.opcode = Opcode::Branch, .condition = JumpOp::Ne}, {stops, zero});
        connect(round, 0, make_way(rest));
        connect(round, 1, make_way(test));
        connect(test, 1, make_way(rest));
        function_.inputs[function_.nodes[index].first_input + 1] = next;
        const NodeId result = function_.add({.opcode = Opcode::Phi, .block = rest, .slot = slot_},
                                            {refused, next, count});  // as the ways to it were made
        auto& list = function_.blocks[rest].nodes;
        list.insert(list.begin(), result);
        replacements_.replace(call, result);
        function_.nodes[call].block = kNone;
    }

    /// What the helper passes to the callback; registers beyond hold nothing.
    NodeId call_back(const Node& call, NodeId index, NodeId nothing) {
        const std::int64_t callee = function_.nodes[function_.input(call, kCallback)].imm;
        std::vector<NodeId> arguments{index, function_.input(call, kContext)};
        arguments.resize(module_.functions[static_cast<std::size_t>(callee)].parameter_count, nothing);
        return append({.opcode = Opcode::CallLocal, .imm = callee}, arguments);
    }

    /// Moves what follows node `at` to a new block, which has no predecessors yet; the node itself goes.
    BlockId split(BlockId id, const std::vector<NodeId>& nodes, std::size_t at) {
        const BlockId rest = make_block();
        const auto kept = static_cast<std::ptrdiff_t>(at);
        function_.blocks[id].nodes.assign(nodes.begin(), nodes.begin() + kept);
        move_rest(id, rest, std::span(nodes).subspan(at + 1));
        return rest;
    }

    const Module& module_;
    Replacements replacements_;
    bool is_changed_ = false;
};

}  // namespace

void expand_loops(Module& module) {
    for (Function& function : module.functions) Expander(module, function).run();
}

}  // namespace ebpf::ir
