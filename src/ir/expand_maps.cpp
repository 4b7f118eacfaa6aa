// SPDX-License-Identifier: MIT
#include "ir/expand_maps.hpp"

#include <algorithm>
#include <utility>

#include "ir/block_writer.hpp"
#include "ir/normalise.hpp"
#include "spec/helpers.hpp"

namespace ebpf::ir {
namespace {

using spec::HelperId;
using spec::JumpOp;
using spec::Width;

constexpr std::uint32_t kIndexBytes = 4;
constexpr std::uint32_t kMostCopiedBytes = 64;
constexpr std::int64_t kTooBig = -7;  ///< -E2BIG, what an update beyond the array returns

class Expander : BlockWriter {
  public:
    Expander(Function& function, const engine::Bindings& bindings)
        : BlockWriter(function), bindings_(bindings), replacements_(function.nodes.size()) {}

    void run() {
        // Blocks that are made on the way hold what followed an update: they are looked at, too.
        for (BlockId id = 0; id < function_.blocks.size(); ++id) expand_block(id);
        if (is_changed_) normalise(function_, replacements_);
    }

  private:
    void expand_block(BlockId id) {
        block_ = id;
        const std::vector<NodeId> nodes = std::exchange(function_.blocks[id].nodes, {});
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const NodeId at = nodes[i];
            const Node node = function_.nodes[at];
            slot_ = node.slot;
            const engine::MapBinding* map = map_of(node);
            if (map != nullptr && is_helper(node, HelperId::map_lookup_elem) && expand_lookup(at, node, *map))
                continue;
            if (map != nullptr && is_helper(node, HelperId::map_update_elem) && can_copy(node, *map)) {
                expand_update(at, node, *map, std::span(nodes).subspan(i + 1));
                return;
            }
            function_.blocks[id].nodes.push_back(at);
        }
    }

    static bool is_helper(const Node& node, HelperId id) { return node.imm == static_cast<std::int64_t>(id); }

    /// Returns the map of a helper call whose first argument is one.
    [[nodiscard]] const engine::MapBinding* map_of(const Node& node) const {
        if (node.opcode != Opcode::CallHelper || node.input_count < 2) return nullptr;
        const Node& handle = function_.nodes[function_.input(node, 0)];
        if (handle.opcode != Opcode::MapHandle) return nullptr;
        return &bindings_.maps[static_cast<std::size_t>(handle.imm)];
    }

    static bool is_plain_array(const engine::MapBinding& map) {
        return map.shape.type == spec::MapType::Array && map.shape.key_size == kIndexBytes &&
               map.shape.max_entries != 0 && map.element_stride != 0 && map.value_address != 0;
    }

    /// Makes another node of the call, whose users stay as they are.
    void become(NodeId call, Node node, std::initializer_list<NodeId> inputs) {
        const NodeId made = append(node, inputs);
        function_.nodes[call] = function_.nodes[made];
        function_.blocks[block_].nodes.back() = call;
    }

    /// The region of what a helper's argument points to, as far as that is plain.
    [[nodiscard]] Region region_of(NodeId address) const {
        return function_.nodes[address].opcode == Opcode::FrameAddress ? Region::Frame : Region::Unknown;
    }

    NodeId load_index(NodeId key) {
        return append({.opcode = Opcode::Load, .size = kIndexBytes, .region = region_of(key)}, {key});
    }

    NodeId element_address(const Node& call, const engine::MapBinding& map, NodeId index) {
        const std::int64_t number = function_.nodes[function_.input(call, 0)].imm;
        const NodeId base = append({.opcode = Opcode::MapValue, .imm = number}, {});
        if (map.shape.max_entries == 1) return base;  // only element 0 is ever used
        const NodeId offset = append({.opcode = Opcode::Mul}, {index, constant(map.element_stride)});
        return append({.opcode = Opcode::Add}, {base, offset});
    }

    bool expand_lookup(NodeId at, const Node& call, const engine::MapBinding& map) {
        const NodeId key = function_.input(call, 1);
        if (is_plain_array(map)) {
            const NodeId index = load_index(key);
            const NodeId address = element_address(call, map, index);
            const NodeId none = constant(0);
            const NodeId entries = constant(map.shape.max_entries);
            become(at, {.opcode = Opcode::Select, .width = Width::W32, .condition = JumpOp::Lt},
                   {index, entries, address, none});
            return true;
        }
        if (map.lookup == nullptr) return false;
        const std::int64_t number = function_.nodes[function_.input(call, 0)].imm;
        become(at, {.opcode = Opcode::MapLookup, .imm = number}, {key});
        return true;
    }

    /// Whether the update cannot fail but for its index, and is no more than a few moves.
    [[nodiscard]] bool can_copy(const Node& call, const engine::MapBinding& map) const {
        constexpr unsigned kFlags = 3;
        const NodeId flags = function_.input(call, kFlags);
        if (!is_plain_array(map) || map.shape.value_size > kMostCopiedBytes || !function_.is_constant(flags))
            return false;
        const std::uint64_t flag = function_.constant(flags);
        return flag == spec::kUpdateAny || flag == spec::kUpdateExist;
    }

    /// if (index < entries) { *element = *value; result = 0; } else result = -E2BIG;
    void expand_update(NodeId at, const Node& call, const engine::MapBinding& map,
                       std::span<const NodeId> after) {
        const BlockId from = block_;
        const auto inside = static_cast<BlockId>(function_.blocks.size());
        const BlockId outside = inside + 1;
        const BlockId rest = inside + 2;
        function_.blocks.resize(function_.blocks.size() + 3);
        const NodeId index = load_index(function_.input(call, 1));
        const NodeId entries = constant(map.shape.max_entries);
        append({.opcode = Opcode::Branch, .width = Width::W32, .condition = JumpOp::Lt}, {index, entries});
        move_rest(from, rest, after);
        connect(from, 0, inside);
        connect(from, 1, outside);
        connect(inside, 0, rest);
        connect(outside, 0, rest);
        block_ = inside;
        copy_value(function_.input(call, 2), element_address(call, map, index), map.shape.value_size);
        const NodeId done = constant(0);
        append({.opcode = Opcode::Jump}, {});
        block_ = outside;
        const NodeId refused = constant(static_cast<std::uint64_t>(kTooBig));
        append({.opcode = Opcode::Jump}, {});
        const NodeId result =
            function_.add({.opcode = Opcode::Phi, .block = rest, .slot = slot_}, {done, refused});
        auto& nodes = function_.blocks[rest].nodes;
        nodes.insert(nodes.begin(), result);
        replacements_.replace(at, result);
        is_changed_ = true;
    }

    /// Reads everything before it writes: the helper's caller may pass the element itself.
    void copy_value(NodeId from, NodeId to, std::uint32_t bytes) {
        std::vector<std::pair<NodeId, std::uint32_t>> parts;
        for (std::uint32_t at = 0; at < bytes;) {
            std::uint8_t size = sizeof(std::uint64_t);
            while (size > bytes - at) size /= 2;
            parts.emplace_back(
                append({.opcode = Opcode::Load, .size = size, .region = region_of(from), .imm = at}, {from}),
                at);
            at += size;
        }
        for (const auto& [value, at] : parts) {
            const std::uint8_t size = function_.nodes[value].size;
            append({.opcode = Opcode::Store, .size = size, .region = Region::MapValue, .imm = at},
                   {to, value});
        }
    }

    const engine::Bindings& bindings_;
    Replacements replacements_;
    bool is_changed_ = false;  ///< there are new blocks
};

}  // namespace

void expand_maps(Function& function, const engine::Bindings& bindings) {
    Expander(function, bindings).run();
}

}  // namespace ebpf::ir
