// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <vector>

#include "ir/combine.hpp"
#include "ir/memory.hpp"
#include "ir/normalise.hpp"

namespace ebpf::ir {
namespace {

using spec::Width;

constexpr std::size_t kMostParts = 8;
constexpr unsigned kMostVisited = 48;           ///< nodes of one value
constexpr std::size_t kMostBlockNodes = 20000;  ///< searching longer blocks would take too long

/// A load whose bytes are part of a value.
struct Part {
    NodeId load = kNone;
    unsigned shift_bits = 0;  ///< where its lowest byte is in the value
    unsigned size = 0;
    bool is_swapped = false;  ///< its bytes are in the other order
};

class LoadCombiner {
  public:
    LoadCombiner(Function& function, const engine::Bindings& bindings)
        : function_(function), model_(function, bindings), replacements_(function.nodes.size()) {
        position_.resize(function.nodes.size());
        for (const Block& block : function.blocks) {
            for (std::uint32_t i = 0; i < block.nodes.size(); ++i) position_[block.nodes[i]] = i;
        }
        is_inner_.resize(function.nodes.size());
    }

    void run() {
        for (const Block& block : function_.blocks) {
            for (const NodeId id : block.nodes) {
                if (!is_joint(function_.nodes[id])) continue;
                for (const NodeId input : function_.inputs_of(function_.nodes[id])) mark_inner(input);
            }
        }
        for (BlockId id = 0; id < function_.blocks.size(); ++id) {
            if (function_.blocks[id].nodes.size() > kMostBlockNodes) continue;
            const std::vector<NodeId> nodes = function_.blocks[id].nodes;
            // Whole values before their parts: roots first.
            for (const bool is_inner : {false, true}) {
                for (const NodeId node : nodes) {
                    if (is_joint(function_.nodes[node]) && is_inner_[node] == is_inner) combine(node);
                }
            }
        }
        if (is_changed_) normalise(function_, replacements_);
    }

  private:
    /// Adding parts that have no bit in common is as good as or.
    static bool is_joint(const Node& node) {
        return node.opcode == Opcode::Or || node.opcode == Opcode::Add || node.opcode == Opcode::Xor;
    }

    void mark_inner(NodeId id) {
        const Node* node = &function_.nodes[id];
        while (node->opcode == Opcode::Shl || node->opcode == Opcode::ZeroExtend) {
            id = function_.input(*node, 0);
            node = &function_.nodes[id];
        }
        is_inner_[id] = true;
    }

    /// Collects the parts of `id`, whose bit 0 is bit `shift` of the value; bits from `end` on are cut off.
    bool collect(NodeId id, unsigned shift, unsigned end, std::vector<Part>& parts) {
        const Node& node = function_.nodes[id];
        const unsigned width = node.width == Width::W32 ? 32 : 64;
        if (parts.size() > kMostParts || ++visited_ > kMostVisited) return false;
        if (is_joint(node)) {
            end = std::min(end, shift + width);
            return collect(function_.input(node, 0), shift, end, parts) &&
                   collect(function_.input(node, 1), shift, end, parts);
        }
        if (node.opcode == Opcode::Shl) {
            const NodeId count = function_.input(node, 1);
            if (!function_.is_constant(count) || function_.constant(count) >= width) return false;
            end = std::min(end, shift + width);
            return collect(function_.input(node, 0), shift + static_cast<unsigned>(function_.constant(count)),
                           end, parts);
        }
        if (node.opcode == Opcode::ZeroExtend)
            return collect(function_.input(node, 0), shift, std::min(end, shift + node.size * 8U), parts);
        const bool is_swapped = node.opcode == Opcode::ByteSwap;
        const NodeId load = is_swapped ? function_.input(node, 0) : id;
        const Node& from = function_.nodes[load];
        if (from.opcode != Opcode::Load || from.is_signed || (is_swapped && from.size != node.size))
            return false;
        if (shift % 8 != 0 || shift + from.size * 8U > end) return false;
        parts.push_back({load, shift, from.size, is_swapped});
        return true;
    }

    struct Whole {
        NodeId first = kNone;  ///< load at the lowest address
        unsigned size = 0;
        unsigned shift_bits = 0;
        bool is_swapped = false;
    };

    /// Returns what the parts, in order of their shifts, are together.
    std::optional<Whole> join(std::vector<Part>& parts) const {
        std::ranges::sort(parts, {}, &Part::shift_bits);
        Whole whole{kNone, 0, parts.front().shift_bits, false};
        for (const Part& part : parts) {
            if (part.shift_bits != whole.shift_bits + whole.size * 8) return {};
            whole.size += part.size;
        }
        if (whole.size != 2 && whole.size != 4 && whole.size != 8) return {};
        const Part& low = parts.front();
        const Part& high = parts.back();
        const std::int64_t start = std::min(offset_of(low), offset_of(high));
        whole.is_swapped = offset_of(high) < offset_of(low);
        whole.first = whole.is_swapped ? high.load : low.load;
        for (const Part& part : parts) {
            const auto below = static_cast<std::int64_t>((part.shift_bits - whole.shift_bits) / 8);
            const std::int64_t within = whole.is_swapped ? whole.size - below - part.size : below;
            if (offset_of(part) != start + within) return {};
            if (part.size > 1 && part.is_swapped != whole.is_swapped) return {};
        }
        return whole;
    }

    [[nodiscard]] std::int64_t offset_of(const Part& part) const { return function_.nodes[part.load].imm; }

    /// All loads see the same memory: one base, one block, no write to their bytes between them.
    [[nodiscard]] std::optional<NodeId> last_of(const std::vector<Part>& parts, const Whole& whole) const {
        const Node& first = function_.nodes[whole.first];
        NodeId earliest = whole.first;
        NodeId latest = whole.first;
        for (const Part& part : parts) {
            const Node& load = function_.nodes[part.load];
            const bool is_alike = load.block == first.block && load.region == first.region &&
                                  function_.input(load, 0) == function_.input(first, 0);
            if (!is_alike) return {};
            if (position_[part.load] < position_[earliest]) earliest = part.load;
            if (position_[part.load] > position_[latest]) latest = part.load;
        }
        Place place = model_.place_of(first);
        place.size = whole.size;
        const auto& nodes = function_.blocks[first.block].nodes;
        const auto begin = std::ranges::find(nodes, earliest);
        for (auto at = begin; *at != latest; ++at) {
            const Node& node = function_.nodes[*at];
            if (has_effect(node) && model_.may_write(node, place)) return {};
        }
        return latest;
    }

    void combine(NodeId root) {
        if (replacements_.find(root) != root) return;
        std::vector<Part> parts;
        visited_ = 0;
        if (!collect(root, 0, 64, parts) || parts.size() < 2 || parts.size() > kMostParts) return;
        const auto whole = join(parts);
        if (!whole) return;
        const auto latest = last_of(parts, *whole);
        if (!latest) return;
        make(root, *whole, *latest);
    }

    void make(NodeId root, const Whole& whole, NodeId latest) {
        Node load = function_.nodes[whole.first];
        const NodeId base = function_.input(load, 0);
        load.size = static_cast<std::uint8_t>(whole.size);
        std::vector<NodeId> fresh{function_.add(load, {base})};
        const auto add = [&](Node node, std::initializer_list<NodeId> inputs) {
            node.block = load.block;
            node.slot = load.slot;
            fresh.push_back(function_.add(node, inputs));
        };
        if (whole.is_swapped) add({.opcode = Opcode::ByteSwap, .size = load.size}, {fresh.back()});
        if (whole.shift_bits != 0) {
            const NodeId value = fresh.back();
            add({.opcode = Opcode::Constant, .imm = whole.shift_bits}, {});
            add({.opcode = Opcode::Shl}, {value, fresh.back()});
        }
        auto& nodes = function_.blocks[load.block].nodes;
        nodes.insert(std::ranges::find(nodes, latest) + 1, fresh.begin(), fresh.end());
        position_.resize(function_.nodes.size(), position_[latest]);
        is_inner_.resize(function_.nodes.size(), true);
        replacements_.replace(root, fresh.back());
        is_changed_ = true;
    }

    Function& function_;
    MemoryModel model_;
    Replacements replacements_;
    std::vector<std::uint32_t> position_;  ///< by node: order in its block, before anything was combined
    std::vector<bool> is_inner_;           ///< by node: it is part of a value that is put together
    unsigned visited_ = 0;
    bool is_changed_ = false;
};

}  // namespace

void combine_loads(Function& function, const engine::Bindings& bindings) {
    LoadCombiner(function, bindings).run();
}

}  // namespace ebpf::ir
