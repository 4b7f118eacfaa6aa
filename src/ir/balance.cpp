// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iterator>
#include <vector>

#include "ir/loops.hpp"
#include "ir/normalise.hpp"

namespace ebpf::ir {
namespace {

constexpr std::size_t kFewestParts = 4;
constexpr std::size_t kMostParts = 64;

class Balancer {
  public:
    explicit Balancer(Function& function)
        : function_(function), replacements_(function.nodes.size()), uses_(function.nodes.size(), 0) {
        for (const Block& block : function.blocks) {
            for (const NodeId id : block.nodes) {
                for (const NodeId input : function.inputs_of(function.nodes[id])) ++uses_[input];
            }
        }
    }

    void run() {
        for (BlockId id = 0; id < function_.blocks.size(); ++id) {
            std::vector<NodeId> nodes;
            nodes.swap(function_.blocks[id].nodes);
            block_ = id;
            mark_inner(nodes);
            for (const NodeId node : nodes) {
                if (is_associative(function_.nodes[node]) && !is_inner_[node]) balance(node);
                function_.blocks[id].nodes.push_back(node);
            }
        }
        if (is_changed_) normalise(function_, replacements_);
    }

  private:
    static bool is_associative(const Node& node) {
        return node.opcode == Opcode::Add || node.opcode == Opcode::Xor || node.opcode == Opcode::Or ||
               node.opcode == Opcode::And;
    }

    /// Whether `id` only serves as one part of `user`'s result.
    [[nodiscard]] bool is_part(NodeId id, const Node& user) const {
        const Node& node = function_.nodes[id];
        return node.opcode == user.opcode && node.width == user.width && node.block == user.block &&
               uses_[id] == 1;
    }

    void mark_inner(const std::vector<NodeId>& nodes) {
        is_inner_.resize(function_.nodes.size());
        for (const NodeId id : nodes) {
            const Node& node = function_.nodes[id];
            if (!is_associative(node)) continue;
            for (const NodeId input : function_.inputs_of(node))
                is_inner_[input] = is_inner_[input] || is_part(input, node);
        }
    }

    void collect(const Node& root, std::vector<NodeId>& parts) {
        std::vector<NodeId> work;
        for (const NodeId input : function_.inputs_of(root)) work.push_back(input);
        while (!work.empty()) {
            const NodeId id = work.back();
            work.pop_back();
            if (!is_part(id, root) || parts.size() + work.size() > kMostParts) {
                parts.push_back(id);
                continue;
            }
            for (const NodeId input : function_.inputs_of(function_.nodes[id])) work.push_back(input);
        }
    }

    void balance(NodeId root) {
        const Node node = function_.nodes[root];
        std::vector<NodeId> parts;
        collect(node, parts);
        if (parts.size() < kFewestParts) return;
        // What is there early comes first; what comes round a loop, or from outside, waits for the rest.
        const auto is_late = [&](NodeId id) { return function_.nodes[id].opcode == Opcode::Phi; };
        std::ranges::sort(parts);
        std::vector<NodeId> last;
        std::ranges::copy_if(parts, std::back_inserter(last), is_late);
        std::erase_if(parts, is_late);
        while (parts.size() > 1) {
            std::vector<NodeId> next;
            for (std::size_t i = 0; i + 1 < parts.size(); i += 2)
                next.push_back(join(node, parts[i], parts[i + 1]));
            if (parts.size() % 2 != 0) next.push_back(parts.back());
            parts = std::move(next);
        }
        for (const NodeId id : last) {
            if (parts.empty()) {
                parts.push_back(id);
            } else {
                parts[0] = join(node, parts[0], id);
            }
        }
        replacements_.replace(root, parts[0]);
        is_changed_ = true;
    }

    NodeId join(const Node& like, NodeId a, NodeId b) {
        const NodeId id = function_.add(like, {a, b});
        function_.blocks[block_].nodes.push_back(id);
        uses_.push_back(1);
        return id;
    }

    Function& function_;
    Replacements replacements_;
    std::vector<std::uint32_t> uses_;
    std::vector<bool> is_inner_;
    BlockId block_ = 0;
    bool is_changed_ = false;
};

}  // namespace

void balance_chains(Function& function) {
    Balancer(function).run();
}

}  // namespace ebpf::ir
