// SPDX-License-Identifier: MIT
#include "ir/inline.hpp"

#include <algorithm>
#include <utility>

#include "ir/normalise.hpp"

namespace ebpf::ir {
namespace {

constexpr std::size_t kSmallNodes = 48;      ///< worth it at any number of places
constexpr std::size_t kSingleNodes = 4000;   ///< with a single caller nothing is repeated
constexpr std::size_t kCallerNodes = 16000;  ///< where growth ends
constexpr std::uint32_t kFrameBytes = 2048;  ///< of a function with what it has taken in

/// Copies callees into one function.
class Inliner {
  public:
    Inliner(Function& caller, const std::vector<const Function*>& bodies)
        : caller_(caller), bodies_(bodies), replacements_(caller.nodes.size()) {}

    void run() {
        std::vector<BlockId> work;
        for (BlockId id = 0; id < caller_.blocks.size(); ++id) work.push_back(id);
        bool is_changed = false;
        while (!work.empty()) {
            const BlockId id = work.back();
            work.pop_back();
            const auto at = find_call(id);
            if (at == caller_.blocks[id].nodes.size()) continue;
            work.push_back(expand(id, at));
            is_changed = true;
        }
        if (is_changed) normalise(caller_, replacements_);
    }

  private:
    [[nodiscard]] const Function* body_of(const Node& node) const {
        return node.opcode == Opcode::CallLocal ? bodies_[static_cast<std::size_t>(node.imm)] : nullptr;
    }

    /// Returns the position of a call to expand, or the number of nodes.
    [[nodiscard]] std::size_t find_call(BlockId id) const {
        const auto& nodes = caller_.blocks[id].nodes;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const Function* body = body_of(caller_.nodes[nodes[i]]);
            if (body == nullptr || caller_.nodes.size() + body->nodes.size() > kCallerNodes) continue;
            if (caller_.frame_bytes + body->frame_bytes <= kFrameBytes) return i;
        }
        return nodes.size();
    }

    /// Returns the block with what follows the call.
    BlockId expand(BlockId id, std::size_t at) {
        const NodeId call = caller_.blocks[id].nodes[at];
        const Function& body = *body_of(caller_.nodes[call]);
        const BlockId rest = split_after(id, at);
        const auto first = static_cast<BlockId>(caller_.blocks.size());
        caller_.blocks.resize(caller_.blocks.size() + body.blocks.size());
        copy_nodes(body, call, first);
        std::vector<NodeId> results;
        for (BlockId from = 0; from < body.blocks.size(); ++from)
            copy_block(body, from, first, rest, results);
        caller_.blocks[first].predecessors.push_back(id);
        caller_.blocks[id].successors[0] = first;
        caller_.blocks[id].nodes.push_back(make_jump(id, caller_.nodes[call].slot));
        replacements_.replace(call, join(rest, results, caller_.nodes[call].slot));
        caller_.nodes[call].block = kNone;
        caller_.frame_bytes += body.frame_bytes;
        return rest;
    }

    NodeId make_jump(BlockId block, std::uint32_t slot) {
        return caller_.add({.opcode = Opcode::Jump, .block = block, .slot = slot}, {});
    }

    /// Moves what follows node `at` to a new block, which has no predecessors yet; the call itself goes.
    BlockId split_after(BlockId id, std::size_t at) {
        const auto rest = static_cast<BlockId>(caller_.blocks.size());
        caller_.blocks.emplace_back();
        Block& before = caller_.blocks[id];
        Block& after = caller_.blocks[rest];
        const auto cut = before.nodes.begin() + static_cast<std::ptrdiff_t>(at);
        after.nodes.assign(cut + 1, before.nodes.end());
        before.nodes.erase(cut, before.nodes.end());
        for (const NodeId node : after.nodes) caller_.nodes[node].block = rest;
        std::swap(after.successors, before.successors);
        for (const BlockId next : after.successors) {
            if (next != kNone) std::ranges::replace(caller_.blocks[next].predecessors, id, rest);
        }
        return rest;
    }

    void copy_nodes(const Function& body, NodeId call, BlockId first) {
        copy_of_.assign(body.nodes.size(), kNone);
        for (NodeId id = 0; id < body.nodes.size(); ++id) {
            Node node = body.nodes[id];
            if (node.opcode == Opcode::Parameter) {
                copy_of_[id] = caller_.input(caller_.nodes[call], static_cast<unsigned>(node.imm));
                continue;
            }
            if (node.opcode == Opcode::FrameAddress) node.imm -= caller_.frame_bytes;
            node.block += first;
            // Inputs may be copied later than this node; they are put in place then.
            const auto inputs = body.inputs_of(body.nodes[id]);
            node.first_input = static_cast<std::uint32_t>(caller_.inputs.size());
            caller_.inputs.insert(caller_.inputs.end(), inputs.begin(), inputs.end());
            caller_.nodes.push_back(node);
            copy_of_[id] = static_cast<NodeId>(caller_.nodes.size() - 1);
        }
        for (NodeId id = 0; id < body.nodes.size(); ++id) {
            if (body.nodes[id].opcode == Opcode::Parameter) continue;
            const std::uint32_t from = caller_.nodes[copy_of_[id]].first_input;
            const std::size_t count = body.inputs_of(body.nodes[id]).size();
            for (std::size_t i = 0; i < count; ++i)
                caller_.inputs[from + i] = copy_of_[caller_.inputs[from + i]];
        }
    }

    void copy_block(const Function& body, BlockId from, BlockId first, BlockId rest,
                    std::vector<NodeId>& results) {
        const Block& source = body.blocks[from];
        Block& copy = caller_.blocks[first + from];
        for (const BlockId before : source.predecessors) copy.predecessors.push_back(before + first);
        for (unsigned i = 0; i < 2; ++i)
            copy.successors[i] = source.successors[i] == kNone ? kNone : source.successors[i] + first;
        for (const NodeId id : source.nodes) {
            if (body.nodes[id].opcode == Opcode::Parameter) continue;
            copy.nodes.push_back(copy_of_[id]);
        }
        Node& last = caller_.nodes[copy.nodes.back()];
        if (last.opcode != Opcode::Return) return;
        results.push_back(caller_.input(last, 0));
        last.opcode = Opcode::Jump;
        last.input_count = 0;
        copy.successors[0] = rest;
        caller_.blocks[rest].predecessors.push_back(first + from);
    }

    /// Returns the value of the call.
    NodeId join(BlockId rest, const std::vector<NodeId>& results, std::uint32_t slot) {
        if (results.size() == 1) return results[0];
        const Opcode opcode = results.empty() ? Opcode::Constant : Opcode::Phi;
        const NodeId id = caller_.add({.opcode = opcode, .block = rest, .slot = slot}, results);
        auto& nodes = caller_.blocks[rest].nodes;
        nodes.insert(nodes.begin(), id);
        return id;
    }

    Function& caller_;
    const std::vector<const Function*>& bodies_;
    Replacements replacements_;
    std::vector<NodeId> copy_of_;  ///< by node of the callee
};

bool may_be_inlined(const Function& function) {
    return std::ranges::none_of(function.nodes, [](const Node& node) {
        return node.opcode == Opcode::TailCall || node.opcode == Opcode::PacketLoad;
    });
}

bool names_function(const Node& node) {
    return node.opcode == Opcode::CallLocal || node.opcode == Opcode::CodeAddress;
}

/// How often each function is called or its address taken.
std::vector<std::size_t> count_calls(const Module& module) {
    std::vector<std::size_t> calls(module.functions.size(), 0);
    for (const Function& function : module.functions) {
        for (const Node& node : function.nodes) {
            if (names_function(node)) ++calls[static_cast<std::size_t>(node.imm)];
        }
    }
    return calls;
}

void drop_uncalled(Module& module) {
    std::vector<std::uint32_t> number(module.functions.size(), kNone);
    const std::vector<std::size_t> calls = count_calls(module);
    std::vector<Function> kept;
    for (std::size_t i = 0; i < module.functions.size(); ++i) {
        if (i != 0 && calls[i] == 0) continue;
        number[i] = static_cast<std::uint32_t>(kept.size());
        kept.push_back(std::move(module.functions[i]));
    }
    for (Function& function : kept) {
        for (Node& node : function.nodes) {
            if (names_function(node)) node.imm = number[static_cast<std::size_t>(node.imm)];
        }
    }
    module.functions = std::move(kept);
}

}  // namespace

void inline_calls(Module& module) {
    if (module.functions.size() < 2) return;
    const std::vector<std::size_t> calls = count_calls(module);
    std::vector<const Function*> bodies(module.functions.size(), nullptr);
    // Callees have higher numbers than their callers: they are complete when they are taken in.
    for (std::size_t i = module.functions.size(); i-- > 0;) {
        Function& function = module.functions[i];
        Inliner(function, bodies).run();
        const std::size_t most = calls[i] == 1 ? kSingleNodes : kSmallNodes;
        if (i != 0 && function.nodes.size() <= most && may_be_inlined(function)) bodies[i] = &function;
    }
    // A function whose only callers are dropped is dropped in the next round.
    for (std::size_t before = 0; before != module.functions.size();) {
        before = module.functions.size();
        drop_uncalled(module);
    }
}

}  // namespace ebpf::ir
