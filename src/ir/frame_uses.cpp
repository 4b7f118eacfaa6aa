// SPDX-License-Identifier: MIT
#include "ir/frame_uses.hpp"

#include <algorithm>
#include <optional>

#include "ir/facts.hpp"
#include "ir/memory.hpp"
#include "ir/opcode.hpp"
#include "ir/simplify.hpp"
#include "spec/helpers.hpp"

namespace ebpf::ir {
namespace {

class Finder {
  public:
    Finder(const Function& function, const Graph& graph, const engine::Bindings& bindings)
        : function_(function),
          graph_(graph),
          bindings_(bindings),
          is_address_(find_frame_addresses(function)),
          limits_(find_limits(function)) {}

    FrameUses find() {
        for (const Block& block : function_.blocks) {
            for (const NodeId id : block.nodes) {
                const Node& node = function_.nodes[id];
                const auto inputs = function_.inputs_of(node);
                for (unsigned i = 0; i < inputs.size(); ++i) {
                    if (is_address_[inputs[i]]) note(id, node, i, inputs[i]);
                }
            }
        }
        return std::move(uses_);
    }

  private:
    void note(NodeId id, const Node& node, unsigned i, NodeId address) {
        const bool is_harmless = opcode_spec(node.opcode).is_pure || node.opcode == Opcode::Phi ||
                                 node.opcode == Opcode::Branch || node.opcode == Opcode::Return;
        if (is_harmless) return;
        if (is_memory_access(node) && i == 0) return note_access(id, node, address);
        if (node.opcode == Opcode::MapLookup) {
            const auto index = static_cast<std::size_t>(node.imm);
            return note_read(address, bindings_.maps[index].shape.key_size);
        }
        if (node.opcode == Opcode::CallHelper) return note_helper(node, i, address);
        uses_.is_wild = true;
    }

    /// Returns the offset of an address that is fixed in the frame.
    [[nodiscard]] std::optional<std::int64_t> fixed_offset(NodeId address) const {
        const Node& node = function_.nodes[address];
        if (node.opcode != Opcode::FrameAddress) return {};
        return node.imm;
    }

    void note_access(NodeId id, const Node& node, NodeId address) {
        const bool is_read = node.opcode != Opcode::Store && node.opcode != Opcode::StoreRelease;
        const bool is_written = node.opcode != Opcode::Load && node.opcode != Opcode::LoadAcquire;
        if (const auto offset = fixed_offset(address)) {
            const std::int64_t begin = *offset + node.imm;
            uses_.accesses.push_back({id, {begin, begin + node.size, is_read, is_written}});
            return;
        }
        const auto range = indexed_range(node, address);
        if (!range) {
            uses_.is_wild = true;
            return;
        }
        uses_.ranges.push_back({range->begin, range->end, is_read, is_written});
    }

    /// What an access to the frame at an index in known bounds may touch.
    [[nodiscard]] std::optional<FrameRange> indexed_range(const Node& node, NodeId address) const {
        const Node& sum = function_.nodes[address];
        if (sum.opcode != Opcode::Add || sum.width != spec::Width::W64) return {};
        for (unsigned side = 0; side < 2; ++side) {
            const auto offset = fixed_offset(function_.input(sum, side));
            if (!offset) continue;
            const NodeId index = function_.input(sum, 1 - side);
            const std::uint64_t limit =
                std::min(limits_[index], limit_at(function_, graph_, node.block, index, limits_[index]));
            if (limit >= kMaxFrameBytes) return {};
            const std::int64_t begin = *offset + node.imm;
            return FrameRange{begin, begin + static_cast<std::int64_t>(limit) + node.size, false, false};
        }
        return {};
    }

    void note_read(NodeId address, std::uint32_t bytes) {
        const auto offset = fixed_offset(address);
        if (!offset) {
            uses_.is_wild = true;
            return;
        }
        uses_.ranges.push_back({*offset, *offset + bytes, true, false});
    }

    void note_helper(const Node& node, unsigned i, NodeId address) {
        const spec::HelperSpec* row = spec::find_helper(static_cast<std::uint32_t>(node.imm));
        if (row == nullptr || i >= row->arguments.size()) {
            uses_.is_wild = true;
            return;
        }
        const spec::ArgKind kind = row->arguments[i];
        if (kind == spec::ArgKind::Anything || kind == spec::ArgKind::Scalar) return;
        const auto bytes = bytes_of_argument(*row, node, i);
        if (!bytes) {
            uses_.is_wild = true;
            return;
        }
        note_read(address, *bytes);
        if (kind == spec::ArgKind::WriteMemory && !uses_.ranges.empty())
            uses_.ranges.back().is_written = true;
    }

    [[nodiscard]] std::optional<std::uint32_t> bytes_of_argument(const spec::HelperSpec& row,
                                                                 const Node& node, unsigned i) const {
        const spec::ArgKind kind = row.arguments[i];
        if (kind == spec::ArgKind::MapKey || kind == spec::ArgKind::MapValue) {
            const auto map = std::ranges::find(row.arguments, spec::ArgKind::Map);
            if (map == row.arguments.end()) return {};
            const NodeId handle = function_.input(node, static_cast<unsigned>(map - row.arguments.begin()));
            if (function_.nodes[handle].opcode != Opcode::MapHandle) return {};
            const auto& shape = bindings_.maps[static_cast<std::size_t>(function_.nodes[handle].imm)].shape;
            return kind == spec::ArgKind::MapKey ? shape.key_size : shape.value_size;
        }
        const bool has_size = kind == spec::ArgKind::ReadMemory || kind == spec::ArgKind::WriteMemory;
        if (!has_size || i + 1U >= node.input_count) return {};
        const NodeId size = function_.input(node, i + 1);
        if (!function_.is_constant(size) || function_.constant(size) > kMaxFrameBytes) return {};
        return static_cast<std::uint32_t>(function_.constant(size));
    }

    const Function& function_;
    const Graph& graph_;
    const engine::Bindings& bindings_;
    std::vector<bool> is_address_;
    std::vector<std::uint64_t> limits_;
    FrameUses uses_;
};

}  // namespace

std::vector<bool> find_frame_addresses(const Function& function) {
    std::vector<bool> is_address(function.nodes.size());
    for (bool is_changed = function.frame_bytes != 0; is_changed;) {
        is_changed = false;
        for (const Block& block : function.blocks) {
            for (const NodeId id : block.nodes) {
                const Node& node = function.nodes[id];
                if (is_address[id]) continue;
                const bool passes = node.opcode == Opcode::Phi ||
                                    (opcode_spec(node.opcode).is_pure && node.opcode != Opcode::Compare);
                bool is_new = node.opcode == Opcode::FrameAddress;
                for (const NodeId input : function.inputs_of(node))
                    is_new = is_new || (passes && is_address[input]);
                if (!is_new) continue;
                is_address[id] = true;
                is_changed = is_changed || node.opcode == Opcode::Phi;
            }
        }
    }
    return is_address;
}

FrameUses find_frame_uses(const Function& function, const Graph& graph, const engine::Bindings& bindings) {
    return Finder(function, graph, bindings).find();
}

}  // namespace ebpf::ir
