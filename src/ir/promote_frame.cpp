// SPDX-License-Identifier: MIT
#include "ir/promote_frame.hpp"

#include <algorithm>
#include <utility>

#include "ir/frame_uses.hpp"
#include "ir/normalise.hpp"

namespace ebpf::ir {
namespace {

/// A place in the frame that becomes a value.
struct Variable {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    bool is_promotable = true;
};

constexpr std::size_t kMostVariables = 64;  ///< of one round: as many as a mask has bits
using Mask = std::uint64_t;

/// Makes disjoint ranges of accesses that overlap.
std::vector<Variable> find_variables(const Function& function, const FrameUses& uses) {
    std::vector<FrameAccess> accesses = uses.accesses;
    std::ranges::sort(accesses, {}, [](const FrameAccess& access) { return access.range.begin; });
    std::vector<Variable> variables;
    for (const FrameAccess& access : accesses) {
        if (variables.empty() || access.range.begin >= variables.back().end)
            variables.push_back({access.range.begin, access.range.begin, true});
        variables.back().end = std::max(variables.back().end, access.range.end);
    }
    const auto variable_at = [&](std::int64_t offset) -> Variable& {
        const auto after = std::ranges::upper_bound(variables, offset, {}, &Variable::begin);
        return *(after - 1);
    };
    for (const FrameAccess& access : accesses) {
        Variable& variable = variable_at(access.range.begin);
        const Opcode opcode = function.nodes[access.node].opcode;
        const bool is_plain = opcode == Opcode::Load || opcode == Opcode::Store;
        const bool is_whole = access.range.begin == variable.begin && access.range.end == variable.end;
        if (!is_plain || (opcode == Opcode::Store && !is_whole)) variable.is_promotable = false;
    }
    for (Variable& variable : variables) {
        if (variable.end - variable.begin > 8) variable.is_promotable = false;
        for (const FrameRange& range : uses.ranges) {
            if (range.begin < variable.end && variable.begin < range.end) variable.is_promotable = false;
        }
    }
    std::erase_if(variables, [](const Variable& variable) { return !variable.is_promotable; });
    if (variables.size() > kMostVariables) variables.resize(kMostVariables);
    return variables;
}

class Promoter {
  public:
    Promoter(Function& function, const FrameUses& uses, std::vector<Variable> variables)
        : function_(function),
          variables_(std::move(variables)),
          replacements_(function.nodes.size()),
          variable_of_(function.nodes.size(), kNone) {
        for (const FrameAccess& access : uses.accesses) {
            for (std::uint32_t i = 0; i < variables_.size(); ++i) {
                const bool is_inside =
                    access.range.begin >= variables_[i].begin && access.range.end <= variables_[i].end;
                if (is_inside) variable_of_[access.node] = i;
            }
        }
    }

    void run() {
        find_live();
        make_undefined();
        at_end_.assign(function_.blocks.size() * variables_.size(), kNone);
        for (BlockId id = 0; id < function_.blocks.size(); ++id) rewrite(id);
        complete_phis();
        normalise(function_, replacements_);
    }

  private:
    /// Which variables may be loaded before they are stored to, from each block's start on.
    void find_live() {
        const std::size_t count = function_.blocks.size();
        live_.assign(count, 0);
        std::vector<Mask> stores(count, 0);
        for (BlockId id = 0; id < count; ++id) {
            for (const NodeId node : function_.blocks[id].nodes) {
                if (variable_of_[node] == kNone) continue;
                const Mask bit = Mask{1} << variable_of_[node];
                if (function_.nodes[node].opcode == Opcode::Store) stores[id] |= bit;
                if (function_.nodes[node].opcode == Opcode::Load && (stores[id] & bit) == 0) live_[id] |= bit;
            }
        }
        for (bool is_changed = true; is_changed;) {
            is_changed = false;
            for (std::size_t id = count; id-- > 0;) {
                Mask live = live_[id];
                for (const BlockId after : function_.blocks[id].successors) {
                    if (after != kNone) live |= live_[after] & ~stores[id];
                }
                is_changed = is_changed || live != live_[id];
                live_[id] = live;
            }
        }
    }

    /// Bytes that nobody has written hold anything: 0.
    void make_undefined() {
        undefined_ = function_.add({.opcode = Opcode::Constant, .block = 0}, {});
        auto& entry = function_.blocks[0].nodes;
        entry.insert(entry.begin(), undefined_);
    }

    NodeId* at_end(BlockId id) { return at_end_.data() + id * variables_.size(); }

    void enter(BlockId id) {
        current_.assign(variables_.size(), kNone);
        const auto& before = function_.blocks[id].predecessors;
        if (before.empty()) return;
        bool is_complete = true;
        for (const BlockId from : before) is_complete = is_complete && from < id;
        for (std::uint32_t i = 0; i < variables_.size(); ++i) {
            const NodeId first = at_end(before[0])[i];
            if (before.size() == 1) {
                current_[i] = first;
                continue;
            }
            if ((live_[id] >> i & 1U) == 0) continue;
            bool is_same = is_complete;
            for (const BlockId from : before) is_same = is_same && at_end(from)[i] == first;
            current_[i] = is_same ? first : make_phi(id, i);
        }
    }

    NodeId make_phi(BlockId id, std::uint32_t variable) {
        Block& block = function_.blocks[id];
        const std::vector<NodeId> none(block.predecessors.size(), kNone);
        const std::uint32_t slot = function_.nodes[block.nodes.front()].slot;
        const NodeId phi = function_.add({.opcode = Opcode::Phi, .block = id, .slot = slot}, none);
        block.nodes.insert(block.nodes.begin(), phi);
        phis_.push_back({phi, variable});
        return phi;
    }

    void complete_phis() {
        for (const auto& [phi, variable] : phis_) {
            const Node& node = function_.nodes[phi];
            const auto& before = function_.blocks[node.block].predecessors;
            for (std::size_t i = 0; i < before.size(); ++i) {
                const NodeId value = at_end(before[i])[variable];
                function_.inputs[node.first_input + i] = value == kNone ? undefined_ : value;
            }
        }
    }

    void rewrite(BlockId id) {
        enter(id);
        const std::vector<NodeId> nodes = std::exchange(function_.blocks[id].nodes, {});
        block_ = id;
        for (const NodeId node : nodes) {
            const std::uint32_t variable = node < variable_of_.size() ? variable_of_[node] : kNone;
            if (variable == kNone) {
                function_.blocks[id].nodes.push_back(node);
            } else if (function_.nodes[node].opcode == Opcode::Store) {
                current_[variable] = function_.input(function_.nodes[node], 1);
            } else {
                const NodeId value = current_[variable] == kNone ? undefined_ : current_[variable];
                replacements_.replace(node, loaded(function_.nodes[node], variables_[variable], value));
            }
        }
        std::ranges::copy(current_, at_end(id));
    }

    NodeId append(const Node& node, std::initializer_list<NodeId> inputs) {
        const NodeId id = function_.add(node, inputs);
        function_.blocks[block_].nodes.push_back(id);
        return id;
    }

    /// What the load makes of the variable's value.
    NodeId loaded(Node load, const Variable& variable, NodeId value) {
        const Node& address = function_.nodes[function_.input(load, 0)];
        const std::int64_t within = address.imm + load.imm - variable.begin;
        if (within != 0) {
            const NodeId count = append(
                {.opcode = Opcode::Constant, .block = block_, .slot = load.slot, .imm = within * 8}, {});
            value = append({.opcode = Opcode::Shr, .block = block_, .slot = load.slot}, {value, count});
        }
        if (load.size == 8) return value;
        const Opcode opcode = load.is_signed ? Opcode::SignExtend : Opcode::ZeroExtend;
        return append({.opcode = opcode, .size = load.size, .block = block_, .slot = load.slot}, {value});
    }

    struct PendingPhi {
        NodeId phi;
        std::uint32_t variable;
    };

    Function& function_;
    std::vector<Variable> variables_;
    Replacements replacements_;
    std::vector<std::uint32_t> variable_of_;  ///< by node: which one it accesses, or kNone
    std::vector<Mask> live_;                  ///< by block
    std::vector<NodeId> at_end_;              ///< by block and variable
    std::vector<NodeId> current_;
    std::vector<PendingPhi> phis_;
    NodeId undefined_ = kNone;
    BlockId block_ = 0;
};

/// Drops stores to bytes that nothing in the function reads. Returns whether there were any.
bool drop_unread_stores(Function& function, const FrameUses& uses) {
    std::vector<bool> is_read(kMaxFrameBytes + 1);
    const auto clamp = [](std::int64_t offset) {
        return static_cast<std::size_t>(std::clamp<std::int64_t>(-offset, 0, kMaxFrameBytes));
    };
    const auto mark = [&](const FrameRange& range) {
        for (std::size_t at = clamp(range.end) + 1; range.is_read && at <= clamp(range.begin); ++at)
            is_read[at] = true;
    };
    for (const FrameAccess& access : uses.accesses) mark(access.range);
    for (const FrameRange& range : uses.ranges) mark(range);
    std::vector<bool> is_dropped(function.nodes.size());
    bool is_any = false;
    for (const FrameAccess& access : uses.accesses) {
        if (function.nodes[access.node].opcode != Opcode::Store) continue;
        bool is_needed = false;
        for (std::size_t at = clamp(access.range.end) + 1; at <= clamp(access.range.begin); ++at)
            is_needed = is_needed || is_read[at];
        is_dropped[access.node] = !is_needed;
        is_any = is_any || !is_needed;
    }
    if (!is_any) return false;
    for (Block& block : function.blocks)
        std::erase_if(block.nodes, [&](NodeId id) { return is_dropped[id]; });
    return true;
}

/// Returns the least frame that holds what is used, and every address that is taken, whatever for.
std::uint32_t needed_bytes(const Function& function, const FrameUses& uses) {
    std::int64_t lowest = 0;
    for (const Node& node : function.nodes) {
        if (node.opcode == Opcode::FrameAddress) lowest = std::min({lowest, node.imm, std::int64_t{-8}});
    }
    for (const FrameAccess& access : uses.accesses) lowest = std::min(lowest, access.range.begin);
    for (const FrameRange& range : uses.ranges) lowest = std::min(lowest, range.begin);
    return static_cast<std::uint32_t>((-lowest + 7) / 8 * 8);
}

}  // namespace

void promote_frame(Function& function, const engine::Bindings& bindings) {
    if (function.frame_bytes == 0) return;
    FrameUses uses = find_frame_uses(function, Graph(function), bindings);
    if (uses.is_wild) return;
    auto variables = find_variables(function, uses);
    if (!variables.empty()) {
        Promoter(function, uses, std::move(variables)).run();
        uses = find_frame_uses(function, Graph(function), bindings);
        if (uses.is_wild) return;
    }
    if (drop_unread_stores(function, uses)) {
        normalise(function);
        uses = find_frame_uses(function, Graph(function), bindings);
    }
    function.frame_bytes = std::min(function.frame_bytes, needed_bytes(function, uses));
}

}  // namespace ebpf::ir
