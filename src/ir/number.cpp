// SPDX-License-Identifier: MIT
#include "ir/number.hpp"

#include <utility>

#include "ir/facts.hpp"
#include "ir/graph.hpp"
#include "ir/memory_versions.hpp"
#include "ir/normalise.hpp"
#include "ir/opcode.hpp"
#include "ir/simplify.hpp"
#include "ir/value_table.hpp"

namespace ebpf::ir {
namespace {

using spec::JumpOp;

bool is_leaf(const Node& node) {
    return node.input_count == 0 && opcode_spec(node.opcode).is_pure;
}

class Numbering final : private Simplifier {
  public:
    Numbering(Function& function, const engine::Bindings& bindings)
        : Simplifier(function),
          graph_(function),
          memory_(function, graph_, bindings),
          replacements_(function.nodes.size()),
          table_(function.nodes.size()),
          equalities_(function.blocks.size(), kNone) {
        limits_ = find_limits(function);
        may_be_refined_.resize(function.nodes.size());
    }

    void run() {
        for (BlockId id = 0; id < function_.blocks.size(); ++id) number_block(id);
        auto& entry = function_.blocks[0].nodes;
        entry.insert(entry.begin(), leaves_.begin(), leaves_.end());
        complete_phis();
        if (has_cut_edges_) {
            normalise(function_, replacements_);
        } else {
            renumber(function_, replacements_);
        }
    }

  private:
    /// In all blocks that `block` dominates, `from` has the value of `to`.
    struct Equality {
        NodeId from;
        NodeId to;
        std::uint32_t outer;  ///< index of the next one that holds here, too, or kNone
    };

    void number_block(BlockId id) {
        block_ = id;
        memory_.enter(id);
        enter_equalities(id);
        const std::vector<NodeId> nodes = std::exchange(function_.blocks[id].nodes, {});
        function_.blocks[id].nodes.reserve(nodes.size());
        for (const NodeId node : nodes) number_node(node);
        memory_.leave(id);
    }

    // ---- what branches say

    void enter_equalities(BlockId id) {
        if (id == 0) return;
        const BlockId above = graph_.immediate_dominator(id);
        equalities_[id] = equalities_[above];
        const Block& from = function_.blocks[above];
        const auto& before = function_.blocks[id].predecessors;
        if (before.size() != 1 || before[0] != above || from.successors[1] == kNone) return;
        const Node& branch = function_.nodes[from.nodes.back()];
        if (branch.opcode != Opcode::Branch) return;
        const bool is_true = from.successors[0] == id;
        const bool are_equal = branch.condition == (is_true ? JumpOp::Eq : JumpOp::Ne);
        const NodeId a = function_.input(branch, 0);
        const NodeId b = function_.input(branch, 1);
        if (!are_equal || !function_.is_constant(b) || function_.is_constant(a)) return;
        // Equal low halves are equal values only where there is no high half.
        if (branch.width == spec::Width::W32 && limits_[a] > 0xffffffff) return;
        list_.push_back({a, b, equalities_[id]});
        equalities_[id] = static_cast<std::uint32_t>(list_.size() - 1);
        may_be_refined_[a] = true;
    }

    /// Returns what to use for `id` in the current block.
    NodeId resolve(NodeId id) {
        id = replacements_.find(id);
        if (may_be_refined_[id]) {
            for (std::uint32_t at = equalities_[block_]; at != kNone; at = list_[at].outer) {
                if (list_[at].from == id) return list_[at].to;
            }
        }
        const Node& node = function_.nodes[id];
        if (node.opcode != Opcode::Select) return id;
        const Answer answer = answer_at(function_, graph_, block_, condition_of(function_, node));
        if (answer == Answer::Unknown) return id;
        return resolve(function_.input(node, answer == Answer::Holds ? 2 : 3));
    }

    // ---- nodes

    void number_node(NodeId id) {
        const Node node = function_.nodes[id];
        if (node.opcode == Opcode::Phi) return number_phi(id);
        if (is_leaf(node)) {
            replace(id, leaf(node, id));
            return;
        }
        slot_ = node.slot;
        Draft draft(function_, node);
        for (unsigned i = 0; i < node.input_count; ++i) draft.inputs[i] = resolve(draft.inputs[i]);
        NodeId known = simplify(draft);
        if (known == kNone) known = decide(draft);
        if (known == kNone && opcode_spec(draft.node.opcode).is_pure) known = find_equal(draft);
        if (known != kNone) {
            replace(id, known);
            return;
        }
        write_back(id, draft);
        if (opcode_spec(draft.node.opcode).is_pure) remember(id, draft);
        finish(id);
    }

    void replace(NodeId from, NodeId to) {
        if (from != to) replacements_.replace(from, to);
    }

    void append(NodeId id) {
        function_.nodes[id].block = block_;
        function_.blocks[block_].nodes.push_back(id);
    }

    void write_back(NodeId id, const Draft& draft) {
        Node fresh = draft.node;
        fresh.first_input = function_.nodes[id].first_input;
        fresh.block = block_;
        for (unsigned i = 0; i < fresh.input_count; ++i)
            function_.inputs[fresh.first_input + i] = draft.inputs[i];
        function_.nodes[id] = fresh;
        limits_[id] = std::min(limits_[id], limit_of(function_, draft, limits_));
    }

    /// Loads may be known; writes change what is known; decided branches end.
    void finish(NodeId id) {
        Node& node = function_.nodes[id];
        if (node.opcode == Opcode::Load || node.opcode == Opcode::PacketLoad) {
            if (const auto known = memory_.look_up(id)) {
                replace(id, loaded(node, *known));
                return;
            }
            if (const auto parts = memory_.look_up_parts(id); !parts.empty()) {
                replace(id, put_together(node, parts));
                return;
            }
        }
        append(id);
        memory_.note_write(id);
        if (node.opcode == Opcode::Branch) finish_branch(node);
    }

    NodeId loaded(Node load, const KnownContents& known) {
        if (!known.is_stored) return replacements_.find(known.value);
        NodeId value = replacements_.find(known.value);
        if (known.shift_bits != 0)
            value = make({{.opcode = Opcode::Shr, .slot = load.slot}, {value, constant(known.shift_bits)}});
        if (load.size == 8) return value;
        const Opcode extension = load.is_signed ? Opcode::SignExtend : Opcode::ZeroExtend;
        return make({{.opcode = extension, .size = load.size, .slot = load.slot}, {value}});
    }

    NodeId put_together(Node load, const std::vector<StoredPart>& parts) {
        NodeId whole = kNone;
        for (const StoredPart& part : parts) {
            Node bytes = load;
            bytes.size = part.size;
            bytes.is_signed = false;
            NodeId value = loaded(bytes, {part.value, part.shift_bits, true});
            if (part.at_bits != 0)
                value = make({{.opcode = Opcode::Shl, .slot = load.slot}, {value, constant(part.at_bits)}});
            whole =
                whole == kNone ? value : make({{.opcode = Opcode::Or, .slot = load.slot}, {whole, value}});
        }
        if (!load.is_signed || load.size == 8) return whole;
        return make({{.opcode = Opcode::SignExtend, .size = load.size, .slot = load.slot}, {whole}});
    }

    void finish_branch(Node& node) {
        const NodeId a = function_.input(node, 0);
        const NodeId b = function_.input(node, 1);
        if (!function_.is_constant(a) || !function_.is_constant(b)) return;
        const bool is_equal = function_.constant(a) == function_.constant(b);
        const bool is_first = is_equal == (node.condition == JumpOp::Eq);
        Block& block = function_.blocks[block_];
        block.successors[0] = block.successors[is_first ? 0 : 1];
        block.successors[1] = kNone;
        node.opcode = Opcode::Jump;
        node.input_count = 0;
        has_cut_edges_ = true;
    }

    /// Conditions that branches above have answered. A branch becomes one on constants.
    NodeId decide(Draft& draft) {
        const Opcode opcode = draft.node.opcode;
        if (opcode != Opcode::Compare && opcode != Opcode::Select && opcode != Opcode::Branch) return kNone;
        if (function_.is_constant(draft.a())) return kNone;
        const Condition asked{draft.node.condition, draft.node.width, draft.a(), draft.b()};
        const Answer answer = answer_at(function_, graph_, block_, asked);
        if (answer == Answer::Unknown) return kNone;
        const bool holds = answer == Answer::Holds;
        if (opcode == Opcode::Compare) return constant(holds ? 1 : 0);
        if (opcode == Opcode::Select) return draft.inputs[holds ? 2 : 3];
        draft.node.condition = holds ? JumpOp::Eq : JumpOp::Ne;
        draft.inputs[0] = draft.inputs[1] = constant(0);
        return kNone;
    }

    void number_phi(NodeId id) {
        const Node& node = function_.nodes[id];
        const auto& before = function_.blocks[block_].predecessors;
        NodeId only = kNone;
        for (std::size_t i = 0; i < before.size(); ++i) {
            const NodeId value = replacements_.find(function_.inputs[node.first_input + i]);
            const bool is_known = before[i] < block_;
            if (!is_known || (only != kNone && value != only)) {
                append(id);
                return;
            }
            only = value;
        }
        replace(id, only);
    }

    /// Inputs of phis from blocks that came later.
    void complete_phis() {
        for (const Block& block : function_.blocks) {
            for (const NodeId id : block.nodes) {
                const Node& node = function_.nodes[id];
                if (node.opcode != Opcode::Phi) continue;
                for (NodeId& value : function_.inputs_of(node)) value = replacements_.find(value);
            }
        }
    }

    // ---- equal values

    static std::uint64_t hash_of(const Draft& draft) {
        const Node& node = draft.node;
        std::uint64_t hash = static_cast<std::uint64_t>(node.opcode) << 24U |
                             static_cast<std::uint64_t>(node.width) << 16U |
                             static_cast<std::uint64_t>(node.condition) << 8U | node.size;
        hash = ValueTable::mix(hash, static_cast<std::uint64_t>(node.imm));
        for (unsigned i = 0; i < node.input_count; ++i) hash = ValueTable::mix(hash, draft.inputs[i]);
        return hash;
    }

    [[nodiscard]] bool is_equal(NodeId id, const Draft& draft) const {
        const Node& node = function_.nodes[id];
        const Node& other = draft.node;
        if (node.opcode != other.opcode || node.width != other.width || node.condition != other.condition ||
            node.size != other.size || node.imm != other.imm || node.input_count != other.input_count)
            return false;
        for (unsigned i = 0; i < node.input_count; ++i) {
            if (function_.input(node, i) != draft.inputs[i]) return false;
        }
        return true;
    }

    NodeId find_equal(const Draft& draft) {
        const NodeId found = table_.find(hash_of(draft), [&](NodeId id) { return is_equal(id, draft); });
        if (found == ValueTable::kFree) return kNone;
        const bool is_available =
            is_leaf(draft.node) || graph_.dominates(function_.nodes[found].block, block_);
        return is_available ? found : kNone;
    }

    void remember(NodeId id, const Draft& draft) {
        table_.put(hash_of(draft), id, [&](NodeId other) { return is_equal(other, draft); });
    }

    NodeId leaf(const Node& node, NodeId existing) {
        Node fresh = node;
        fresh.block = 0;
        const Draft draft(fresh, {});
        if (const NodeId found = find_equal(draft); found != kNone) return found;
        NodeId id = existing;
        if (id == kNone) id = add(draft);
        function_.nodes[id].block = 0;
        leaves_.push_back(id);
        remember(id, draft);
        return id;
    }

    NodeId add(const Draft& draft) {
        const NodeId id = function_.add(draft.node, std::span(draft.inputs.data(), draft.node.input_count));
        limits_.push_back(limit_of(function_, draft, limits_));
        may_be_refined_.push_back(false);
        return id;
    }

    NodeId make(Draft draft) override {
        if (is_leaf(draft.node)) return leaf(draft.node, kNone);
        if (const NodeId known = simplify(draft); known != kNone) return known;
        if (const NodeId known = find_equal(draft); known != kNone) return known;
        draft.node.block = block_;
        if (draft.node.slot == 0) draft.node.slot = slot_;
        const NodeId id = add(draft);
        function_.blocks[block_].nodes.push_back(id);
        remember(id, draft);
        return id;
    }

    Graph graph_;
    MemoryVersions memory_;
    Replacements replacements_;
    ValueTable table_;
    std::vector<std::uint32_t> equalities_;  ///< by block: innermost equality that holds there, or kNone
    std::vector<Equality> list_;
    std::vector<bool> may_be_refined_;
    std::vector<NodeId> leaves_;
    BlockId block_ = 0;
    std::uint32_t slot_ = 0;
    bool has_cut_edges_ = false;
};

}  // namespace

void number_values(Function& function, const engine::Bindings& bindings) {
    Numbering(function, bindings).run();
}

}  // namespace ebpf::ir
