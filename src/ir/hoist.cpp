// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include "ir/graph.hpp"
#include "ir/loops.hpp"
#include "ir/memory.hpp"
#include "ir/normalise.hpp"
#include "ir/opcode.hpp"

namespace ebpf::ir {
namespace {

constexpr std::size_t kMostWriters = 64;  ///< loads are not compared with more of them
constexpr unsigned kMostHoisted = 10;     ///< for each loop: values that live through it need registers

class Hoister {
  public:
    Hoister(Function& function, const engine::Bindings& bindings)
        : function_(function), graph_(function), model_(function, bindings) {}

    void run() {
        // Inner loops first: what leaves one may then leave the one around it.
        for (std::size_t i = graph_.loops().size(); i-- > 0;) hoist(graph_.loops()[i]);
        if (is_changed_) normalise(function_);
    }

  private:
    /// Returns the only block that leads into the loop from outside, if it leads nowhere else.
    [[nodiscard]] BlockId preheader_of(const Loop& loop) const {
        BlockId found = kNone;
        for (const BlockId before : function_.blocks[loop.header].predecessors) {
            if (before >= loop.header && before < loop.end) continue;
            if (found != kNone) return kNone;
            found = before;
        }
        return found != kNone && function_.blocks[found].successors[1] == kNone ? found : kNone;
    }

    void hoist(const Loop& loop) {
        const BlockId preheader = preheader_of(loop);
        if (preheader == kNone) return;
        find_writers(loop);
        unsigned count = 0;
        for (BlockId id = loop.header; id < loop.end; ++id) {
            std::vector<NodeId> kept;
            for (const NodeId node : function_.blocks[id].nodes) {
                if (count == kMostHoisted || !may_hoist(loop, node)) {
                    kept.push_back(node);
                    continue;
                }
                auto& target = function_.blocks[preheader].nodes;
                target.insert(target.end() - 1, node);
                function_.nodes[node].block = preheader;
                is_changed_ = true;
                ++count;
            }
            function_.blocks[id].nodes = std::move(kept);
        }
    }

    void find_writers(const Loop& loop) {
        writers_.clear();
        for (BlockId id = loop.header; id < loop.end; ++id) {
            for (const NodeId node : function_.blocks[id].nodes) {
                if (!writes_of(function_.nodes[node]).is_empty()) writers_.push_back(node);
            }
        }
    }

    [[nodiscard]] bool may_hoist(const Loop& loop, NodeId id) const {
        const Node& node = function_.nodes[id];
        for (const NodeId input : function_.inputs_of(node)) {
            const BlockId block = function_.nodes[input].block;
            if (block >= loop.header && block < loop.end) return false;
        }
        const bool is_load = node.opcode == Opcode::Load;
        if (!is_load && (!opcode_spec(node.opcode).is_pure || node.input_count == 0)) return false;
        const bool is_always_done = node.block == loop.header;
        const bool is_division = node.opcode == Opcode::UDiv || node.opcode == Opcode::SDiv ||
                                 node.opcode == Opcode::UMod || node.opcode == Opcode::SMod;
        if (is_division) return is_always_done;
        return !is_load || may_hoist_load(loop, node, is_always_done);
    }

    [[nodiscard]] bool may_hoist_load(const Loop& loop, const Node& load, bool is_always_done) const {
        const Place place = model_.place_of(load);
        // What is at a fixed place can be read at any time, and so can the context.
        const bool can_always =
            place.is_fixed || (place.region == Region::Context && place.object == Place::Object::Outside);
        if (!is_always_done && !can_always) return false;
        if (writers_.size() > kMostWriters) return false;
        for (const NodeId writer : writers_) {
            if (model_.may_write(function_.nodes[writer], place)) return false;
        }
        return !is_left_early(loop, load, is_always_done);
    }

    /// A header's load is not done if something before it leaves the function.
    [[nodiscard]] bool is_left_early(const Loop& loop, const Node& load, bool is_always_done) const {
        if (!is_always_done) return false;
        for (const NodeId node : function_.blocks[loop.header].nodes) {
            if (&function_.nodes[node] == &load) return false;
            const Opcode opcode = function_.nodes[node].opcode;
            if (opcode == Opcode::PacketLoad || opcode == Opcode::TailCall || opcode == Opcode::CallLocal)
                return true;
        }
        return false;
    }

    Function& function_;
    Graph graph_;
    MemoryModel model_;
    std::vector<NodeId> writers_;  ///< what may write memory in the loop at hand
    bool is_changed_ = false;
};

}  // namespace

void hoist_from_loops(Function& function, const engine::Bindings& bindings) {
    Hoister(function, bindings).run();
}

}  // namespace ebpf::ir
