// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "ir/combine.hpp"
#include "ir/memory.hpp"
#include "ir/normalise.hpp"

namespace ebpf::ir {
namespace {

/// What a store puts into its bytes, as far as neighbours can be joined to it.
struct Contents {
    enum class Kind : std::uint8_t {
        Constant,
        Part,         ///< of value `from`, from bit `shift` on
        SwappedPart,  ///< that, in the other byte order
        Copy,         ///< what load `from` reads, and what follows its bytes
    };
    Kind kind = Kind::Part;
    NodeId from = kNone;
    std::uint64_t value = 0;  ///< Constant
    unsigned shift_bits = 0;
};

/// A store that waits for its neighbours, or several that have become one.
struct Waiting {
    std::vector<NodeId> stores;  ///< in program order
    std::int64_t offset = 0;
    std::uint8_t size = 0;
    Contents contents;
};

constexpr std::size_t kMostWaiting = 64;

class StoreCombiner {
  public:
    StoreCombiner(Function& function, const engine::Bindings& bindings)
        : function_(function), model_(function, bindings), is_dropped_(function.nodes.size()) {}

    void run() {
        for (BlockId id = 0; id < function_.blocks.size(); ++id) combine(id);
        if (is_changed_) normalise(function_);
    }

  private:
    void combine(BlockId id) {
        block_ = id;
        fresh_.clear();
        const std::vector<NodeId> nodes = function_.blocks[id].nodes;
        position_ = 0;
        last_write_ = 0;
        for (const NodeId node : nodes) {
            ++position_;
            pass(node);
        }
        flush();
        rebuild(nodes);
    }

    /// Keeps what waits up to date with the next node.
    void pass(NodeId id) {
        const Node node = function_.nodes[id];  // a copy: flush() adds nodes
        positions_.resize(function_.nodes.size(), 0);
        positions_[id] = position_;
        if (node.opcode == Opcode::Store) {
            if (waiting_.size() == kMostWaiting || (!waiting_.empty() && !may_join(node))) flush();
            if (waiting_.empty()) {
                base_ = function_.input(node, 0);
                region_ = node.region;
            }
            waiting_.push_back({{id}, node.imm, node.size, contents_of(node)});
            return;
        }
        if (node.opcode == Opcode::Load && !waiting_.empty()) {
            const Place place = model_.place_of(node);
            for (const Waiting& store : waiting_) {
                if (model_.may_overlap(model_.place_of(function_.nodes[store.stores.front()]), place))
                    return flush();
            }
            return;
        }
        const bool is_reader = node.opcode == Opcode::MapLookup || node.opcode == Opcode::PacketLoad;
        if (!has_effect(node) && !is_reader) return;
        flush();
        if (!writes_of(node).is_empty()) last_write_ = position_;
    }

    /// Whether the store is to the same object and none that waits has bytes in common with it.
    [[nodiscard]] bool may_join(const Node& store) const {
        if (function_.input(store, 0) != base_ || store.region != region_) return false;
        return std::ranges::none_of(waiting_, [&](const Waiting& other) {
            return other.offset < store.imm + store.size && store.imm < other.offset + other.size;
        });
    }

    [[nodiscard]] Contents contents_of(const Node& store) const {
        const NodeId id = function_.input(store, 1);
        const Node& value = function_.nodes[id];
        using Kind = Contents::Kind;
        if (value.opcode == Opcode::Constant)
            return {Kind::Constant, kNone, static_cast<std::uint64_t>(value.imm), 0};
        const bool is_shift = value.opcode == Opcode::Shr && function_.is_constant(function_.input(value, 1));
        if (is_shift) {
            const auto count = static_cast<unsigned>(function_.constant(function_.input(value, 1)));
            const unsigned width = value.width == spec::Width::W32 ? 32 : 64;
            if (count + store.size * 8U <= width) return {Kind::Part, function_.input(value, 0), 0, count};
        }
        const bool is_copy = value.opcode == Opcode::Load && value.size == store.size && !value.is_signed &&
                             value.block == block_ && positions_[id] > last_write_;
        return {is_copy ? Kind::Copy : Kind::Part, id, 0, 0};
    }

    /// Returns the contents of two neighbours together.
    [[nodiscard]] std::optional<Contents> join(const Waiting& low, const Waiting& high) const {
        using Kind = Contents::Kind;
        const unsigned bits = low.size * 8U;
        Contents a = low.contents;
        Contents b = high.contents;
        if (a.kind == Kind::Copy && b.kind == Kind::Copy) return join_copies(low, high);
        if (a.kind == Kind::Constant && b.kind == Kind::Constant) {
            const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
            return Contents{Kind::Constant, kNone, (a.value & mask) | (b.value & mask) << bits, 0};
        }
        // A whole value is its part from bit 0 on.
        if (a.kind == Kind::Copy) a.kind = Kind::Part;
        if (b.kind == Kind::Copy) b.kind = Kind::Part;
        if (a.kind == Kind::Constant || b.kind == Kind::Constant || a.from != b.from) return {};
        const bool is_plain = a.kind == Kind::Part && b.kind == Kind::Part;
        if (is_plain && b.shift_bits == a.shift_bits + bits)
            return Contents{Kind::Part, a.from, 0, a.shift_bits};
        const bool is_swapped =
            low.size == 1 ? is_plain : a.kind == Kind::SwappedPart && b.kind == Kind::SwappedPart;
        if (is_swapped && a.shift_bits == b.shift_bits + bits)
            return Contents{Kind::SwappedPart, a.from, 0, b.shift_bits};
        return {};
    }

    [[nodiscard]] std::optional<Contents> join_copies(const Waiting& low, const Waiting& high) const {
        const Node& a = function_.nodes[low.contents.from];
        const Node& b = function_.nodes[high.contents.from];
        if (function_.input(a, 0) != function_.input(b, 0) || a.region != b.region ||
            b.imm != a.imm + low.size)
            return {};
        // The wide load comes after all stores but one: none of them may change what it reads.
        Place source = model_.place_of(a);
        source.size = low.size * 2U;
        for (const Waiting& store : waiting_) {
            for (const NodeId id : store.stores) {
                if (model_.may_write(function_.nodes[id], source)) return {};
            }
        }
        return low.contents;
    }

    /// Joins what waits in pairs, as long as there are any, and forgets it.
    void flush() {
        if (waiting_.size() > 1) {
            std::ranges::sort(waiting_, {}, &Waiting::offset);
            for (std::uint8_t size = 1; size < 8; size = static_cast<std::uint8_t>(size * 2))
                join_pairs(size);
            for (const Waiting& store : waiting_) {
                if (store.stores.size() > 1) make(store);
            }
        }
        for (const Waiting& store : waiting_) {
            for (const NodeId id : store.stores) last_write_ = std::max(last_write_, positions_[id]);
        }
        waiting_.clear();
    }

    void join_pairs(std::uint8_t size) {
        std::vector<Waiting> joined;
        for (std::size_t i = 0; i < waiting_.size(); ++i) {
            Waiting& low = waiting_[i];
            if (i + 1 < waiting_.size() && low.size == size && waiting_[i + 1].size == size &&
                waiting_[i + 1].offset == low.offset + size) {
                const Waiting& high = waiting_[i + 1];
                if (const auto contents = join(low, high)) {
                    Waiting both{low.stores, low.offset, static_cast<std::uint8_t>(size * 2), *contents};
                    both.stores.insert(both.stores.end(), high.stores.begin(), high.stores.end());
                    joined.push_back(both);
                    ++i;
                    continue;
                }
            }
            joined.push_back(low);
        }
        // join_copies() looks at all that wait, joined or not.
        waiting_ = std::move(joined);
    }

    /// Notes the nodes of the wide store, which take the place of the last of its parts.
    void make(const Waiting& whole) {
        NodeId last = whole.stores.front();
        for (const NodeId id : whole.stores) {
            is_dropped_[id] = true;
            if (positions_[id] > positions_[last]) last = id;
        }
        Node store = function_.nodes[last];
        const NodeId base = function_.input(store, 0);
        auto& nodes = fresh_.emplace_back(Fresh{last, {}}).nodes;
        const auto add = [&](Node node, std::initializer_list<NodeId> inputs) {
            node.block = block_;
            node.slot = store.slot;
            nodes.push_back(function_.add(node, inputs));
            return nodes.back();
        };
        const NodeId value = make_value(whole, add);
        store.size = whole.size;
        store.imm = whole.offset;
        add(store, {base, value});
        is_changed_ = true;
    }

    NodeId make_value(const Waiting& whole, auto& add) {
        using Kind = Contents::Kind;
        const Contents& contents = whole.contents;
        if (contents.kind == Kind::Constant)
            return add({.opcode = Opcode::Constant, .imm = static_cast<std::int64_t>(contents.value)}, {});
        if (contents.kind == Kind::Copy) {
            Node load = function_.nodes[contents.from];
            const NodeId base = function_.input(load, 0);
            load.size = whole.size;
            return add(load, {base});
        }
        NodeId value = contents.from;
        if (contents.shift_bits != 0) {
            const NodeId count = add({.opcode = Opcode::Constant, .imm = contents.shift_bits}, {});
            value = add({.opcode = Opcode::Shr}, {value, count});
        }
        if (contents.kind == Kind::Part) return value;
        return add({.opcode = Opcode::ByteSwap, .size = whole.size}, {value});
    }

    void rebuild(const std::vector<NodeId>& nodes) {
        if (fresh_.empty()) return;
        std::ranges::sort(fresh_, {}, [&](const Fresh& fresh) { return positions_[fresh.after]; });
        auto next = fresh_.begin();
        auto& list = function_.blocks[block_].nodes;
        list.clear();
        for (const NodeId id : nodes) {
            if (!is_dropped_[id]) list.push_back(id);
            for (; next != fresh_.end() && next->after == id; ++next)
                list.insert(list.end(), next->nodes.begin(), next->nodes.end());
        }
    }

    struct Fresh {
        NodeId after;
        std::vector<NodeId> nodes;
    };

    Function& function_;
    MemoryModel model_;
    std::vector<bool> is_dropped_;
    std::vector<std::uint32_t> positions_;  ///< by node: its place in its block, from 1
    std::vector<Waiting> waiting_;
    std::vector<Fresh> fresh_;  ///< of the block
    NodeId base_ = kNone;
    Region region_ = Region::Unknown;
    BlockId block_ = 0;
    std::uint32_t position_ = 0;
    std::uint32_t last_write_ = 0;  ///< position of the last write that no longer waits
    bool is_changed_ = false;
};

}  // namespace

void combine_stores(Function& function, const engine::Bindings& bindings) {
    StoreCombiner(function, bindings).run();
}

}  // namespace ebpf::ir
