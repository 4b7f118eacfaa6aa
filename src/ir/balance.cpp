// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "ir/loops.hpp"
#include "ir/normalise.hpp"

namespace ebpf::ir {
namespace {

constexpr std::size_t kFewestParts = 4;
constexpr std::size_t kMostParts = 64;
constexpr std::size_t kMostInTree = 8;  ///< more parts need more registers than there are
constexpr std::size_t kChains = 4;

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
            const std::vector<NodeId> nodes = function_.blocks[id].nodes;
            block_ = id;
            mark_inner(nodes);
            note_places(nodes);
            for (const NodeId node : nodes) {
                if (is_associative(function_.nodes[node]) && !is_inner_[node]) balance(node);
            }
            if (!made_.empty()) insert_made(nodes);
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
        if (parts.size() > kMostInTree) {
            for (std::size_t i = kChains; i < parts.size(); ++i)
                parts[i % kChains] = join(node, parts[i % kChains], parts[i]);
            parts.resize(kChains);
        }
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

    /// Notes where in the block its nodes are: from 1 on, but all phis at one place.
    void note_places(const std::vector<NodeId>& nodes) {
        place_.resize(function_.nodes.size());
        std::uint32_t place = 1;
        for (const NodeId id : nodes)
            place_[id] = function_.nodes[id].opcode == Opcode::Phi ? place : ++place;
    }

    [[nodiscard]] std::uint32_t place_of(NodeId id) const {
        return function_.nodes[id].block == block_ ? place_[id] : 1;
    }

    /// Makes a node as soon as both parts are there, so that they need no registers for longer.
    NodeId join(const Node& like, NodeId a, NodeId b) {
        const NodeId id = function_.add(like, {a, b});
        uses_.push_back(1);
        place_.push_back(std::max(place_of(a), place_of(b)));
        made_.push_back(id);
        return id;
    }

    void insert_made(const std::vector<NodeId>& nodes) {
        std::vector<NodeId> all = nodes;
        all.insert(all.end(), made_.begin(), made_.end());
        // What was made has higher numbers than its parts, which may be at the same place.
        std::ranges::sort(all, {}, [this](NodeId id) { return std::pair(place_[id], id); });
        function_.blocks[block_].nodes = std::move(all);
        made_.clear();
    }

    Function& function_;
    Replacements replacements_;
    std::vector<std::uint32_t> uses_;
    std::vector<bool> is_inner_;
    std::vector<std::uint32_t> place_;
    std::vector<NodeId> made_;  ///< in the block at hand
    BlockId block_ = 0;
    bool is_changed_ = false;
};

}  // namespace

void balance_chains(Function& function) {
    Balancer(function).run();
}

}  // namespace ebpf::ir
