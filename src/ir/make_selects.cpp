// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include "ir/branches.hpp"
#include "ir/normalise.hpp"
#include "ir/opcode.hpp"

namespace ebpf::ir {
namespace {

// What a mispredicted branch now and then costs is more than these.
constexpr std::size_t kMostNodes = 3;   ///< computed on both sides together
constexpr std::size_t kMostValues = 2;  ///< chosen
constexpr std::size_t kMostPredecessors = 256;

class SelectMaker {
  public:
    explicit SelectMaker(Function& function) : function_(function) {}

    void run() {
        for (BlockId id = 0; id < function_.blocks.size(); ++id) {
            // Each round takes one predecessor away.
            const bool is_small = function_.blocks[id].predecessors.size() <= kMostPredecessors;
            while (is_small && convert_one(id)) is_changed_ = true;
        }
        if (is_changed_) normalise(function_);
    }

  private:
    struct Diamond {
        BlockId above = kNone;
        std::size_t true_side = 0;  ///< positions among the join's predecessors
        std::size_t false_side = 0;
    };

    bool convert_one(BlockId join) {
        const auto& before = function_.blocks[join].predecessors;
        for (std::size_t i = 0; i < before.size(); ++i) {
            Diamond diamond;
            if (find_diamond(join, i, diamond) && is_short(join, diamond)) {
                convert(join, diamond);
                return true;
            }
        }
        return false;
    }

    /// Whether predecessor i is one of two sides of a branch that meet here.
    bool find_diamond(BlockId join, std::size_t i, Diamond& diamond) const {
        const auto& before = function_.blocks[join].predecessors;
        const BlockId side = before[i];
        const Block& block = function_.blocks[side];
        if (block.predecessors.size() != 1 || block.successors[1] != kNone) return false;
        diamond.above = block.predecessors[0];
        const Block& above = function_.blocks[diamond.above];
        if (above.successors[1] == kNone || above.successors[0] != side || diamond.above == join)
            return false;
        const BlockId other = above.successors[1];
        const auto found = std::ranges::find(before, other);
        if (other == side || found == before.end()) return false;
        const Block& other_block = function_.blocks[other];
        if (other_block.predecessors.size() != 1 || other_block.successors[1] != kNone) return false;
        diamond.true_side = i;
        diamond.false_side = static_cast<std::size_t>(found - before.begin());
        return true;
    }

    static bool is_cheap(const Node& node) {
        return opcode_spec(node.opcode).is_pure && node.opcode != Opcode::UDiv &&
               node.opcode != Opcode::SDiv && node.opcode != Opcode::UMod && node.opcode != Opcode::SMod &&
               node.opcode != Opcode::Mul;
    }

    bool is_short(BlockId join, const Diamond& diamond) const {
        const auto& before = function_.blocks[join].predecessors;
        std::size_t nodes = 0;
        for (const std::size_t side : {diamond.true_side, diamond.false_side}) {
            for (const NodeId id : function_.blocks[before[side]].nodes) {
                const Node& node = function_.nodes[id];
                if (is_terminator(node)) continue;
                if (!is_cheap(node) || ++nodes > kMostNodes) return false;
            }
        }
        std::size_t values = 0;
        for (const NodeId id : function_.blocks[join].nodes) {
            const Node& phi = function_.nodes[id];
            if (phi.opcode != Opcode::Phi) break;
            const auto inputs = function_.inputs_of(phi);
            values += inputs[diamond.true_side] != inputs[diamond.false_side] ? 1U : 0U;
        }
        return values != 0 && values <= kMostValues;
    }

    void convert(BlockId join, const Diamond& diamond) {
        Block& above = function_.blocks[diamond.above];
        const Node branch = function_.nodes[above.nodes.back()];
        const NodeId a = function_.input(branch, 0);
        const NodeId b = function_.input(branch, 1);
        above.nodes.pop_back();
        const auto before = function_.blocks[join].predecessors;
        for (const std::size_t side : {diamond.true_side, diamond.false_side}) {
            auto& nodes = function_.blocks[before[side]].nodes;
            for (const NodeId id : nodes) {
                if (is_terminator(function_.nodes[id])) continue;
                function_.nodes[id].block = diamond.above;
                above.nodes.push_back(id);
            }
            nodes.erase(nodes.begin(), nodes.end() - 1);
        }
        for (const NodeId id : function_.blocks[join].nodes) {
            if (function_.nodes[id].opcode != Opcode::Phi) break;
            choose(id, diamond, branch, a, b);
        }
        const Node jump{.opcode = Opcode::Jump, .block = diamond.above, .slot = branch.slot};
        above.nodes.push_back(function_.add(jump, {}));
        above.successors[0] = join;
        above.successors[1] = kNone;
        auto& predecessors = function_.blocks[join].predecessors;
        predecessors[diamond.true_side] = diamond.above;
        predecessors.erase(predecessors.begin() + static_cast<std::ptrdiff_t>(diamond.false_side));
    }

    /// The phi's two inputs become one.
    void choose(NodeId id, const Diamond& diamond, const Node& branch, NodeId a, NodeId b) {
        const Node phi = function_.nodes[id];
        const std::size_t count = function_.inputs_of(phi).size();
        const NodeId c = function_.inputs[phi.first_input + diamond.true_side];
        const NodeId d = function_.inputs[phi.first_input + diamond.false_side];
        NodeId chosen = c;
        if (c != d) {
            Node select = branch;
            select.opcode = Opcode::Select;
            chosen = function_.add(select, {a, b, c, d});
            function_.nodes[chosen].block = diamond.above;
            function_.blocks[diamond.above].nodes.push_back(chosen);
        }
        function_.inputs[phi.first_input + diamond.true_side] = chosen;
        for (std::size_t i = diamond.false_side; i + 1 < count; ++i)
            function_.inputs[phi.first_input + i] = function_.inputs[phi.first_input + i + 1];
    }

    Function& function_;
    bool is_changed_ = false;
};

}  // namespace

void make_selects(Function& function) {
    SelectMaker(function).run();
}

}  // namespace ebpf::ir
