// SPDX-License-Identifier: MIT
#include "ir/drop_stores.hpp"

#include <algorithm>
#include <vector>

#include "ir/memory.hpp"
#include "ir/normalise.hpp"

namespace ebpf::ir {
namespace {

constexpr std::size_t kFarthest = 48;  ///< nodes that a store looks ahead

class StoreDropper {
  public:
    StoreDropper(Function& function, const engine::Bindings& bindings)
        : function_(function), model_(function, bindings) {}

    void run() {
        bool is_changed = false;
        for (Block& block : function_.blocks) {
            std::vector<NodeId> kept;
            for (std::size_t i = 0; i < block.nodes.size(); ++i) {
                const Node& node = function_.nodes[block.nodes[i]];
                if (node.opcode == Opcode::Store && is_unseen(block, i)) {
                    is_changed = true;
                } else {
                    kept.push_back(block.nodes[i]);
                }
            }
            block.nodes = kept;
        }
        if (is_changed) normalise(function_);
    }

  private:
    [[nodiscard]] bool is_unseen(const Block& block, std::size_t at) const {
        const Place place = model_.place_of(function_.nodes[block.nodes[at]]);
        const bool is_private = place.object == Place::Object::OwnFrame && !model_.is_frame_known_to_others();
        const std::size_t end = std::min(block.nodes.size(), at + kFarthest);
        for (std::size_t i = at + 1; i < end; ++i) {
            const Node& node = function_.nodes[block.nodes[i]];
            if (node.opcode == Opcode::Return) return is_private;
            if (node.opcode == Opcode::Store) {
                if (covers(model_.place_of(node), place)) return true;
                continue;
            }
            if (may_read(node, place)) return false;
        }
        return false;
    }

    static bool covers(const Place& later, const Place& place) {
        const bool is_same =
            later.base == place.base || (later.is_fixed && place.is_fixed && later.object == place.object &&
                                         later.map == place.map && place.object != Place::Object::Unknown);
        return is_same && later.offset <= place.offset &&
               place.offset + std::int64_t{place.size} <= later.offset + std::int64_t{later.size};
    }

    /// Whether what the node does may depend on the bytes, or make them seen.
    [[nodiscard]] bool may_read(const Node& node, const Place& place) const {
        if (node.opcode == Opcode::Load) return model_.may_overlap(model_.place_of(node), place);
        return node.opcode == Opcode::MapLookup || has_effect(node);
    }

    Function& function_;
    MemoryModel model_;
};

}  // namespace

void drop_stores(Function& function, const engine::Bindings& bindings) {
    StoreDropper(function, bindings).run();
}

}  // namespace ebpf::ir
