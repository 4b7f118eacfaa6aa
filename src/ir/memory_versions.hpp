// SPDX-License-Identifier: MIT
// Versions of memory while value numbering walks over a function: when two loads see the same contents.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "ir/graph.hpp"
#include "ir/memory.hpp"
#include "ir/value_table.hpp"

namespace ebpf::ir {

/// A value that memory is known to hold.
struct KnownContents {
    NodeId value = kNone;     ///< a load of the same place, or what a store put there
    unsigned shift_bits = 0;  ///< of a store: where in its value the loaded bytes begin
    bool is_stored = false;
};

/// Some bytes of what memory is known to hold.
struct StoredPart {
    NodeId value = kNone;     ///< what the store stored
    unsigned shift_bits = 0;  ///< where in it the bytes begin
    unsigned at_bits = 0;     ///< where in what is loaded they begin
    std::uint8_t size = 0;    ///< bytes: 1, 2 or 4
};

/// Blocks must be entered in order and each node with effects on memory noted when it is passed.
class MemoryVersions {
  public:
    MemoryVersions(const Function& function, const Graph& graph, const engine::Bindings& bindings);

    void enter(BlockId block);
    /// Notes a node that may write; what it is must not change afterwards.
    void note_write(NodeId id);
    void leave(BlockId block);

    /// Returns what the load (or PacketLoad) would read, if that is known and available in the current block.
    /// If it is not, later calls may be answered with `id`.
    std::optional<KnownContents> look_up(NodeId id);
    /// Returns what the load would read where several stores put it together, none of which covers it, the
    /// last one in the current block: processors wait long for the value of such a load. Empty if that is not
    /// so.
    [[nodiscard]] std::vector<StoredPart> look_up_parts(NodeId id) const;

  private:
    using Version = std::uint32_t;
    using Versions = std::array<Version, kRegionCount>;

    /// How a version came to be.
    struct Definition {
        NodeId node = kNone;  ///< kNone: where paths meet, or the function's entry
        Version before = 0;   ///< of the same region
    };
    struct LoadEntry {
        NodeId base;
        std::int64_t offset;
        std::uint8_t size;
        bool is_signed;
        bool is_packet_load;
        Version version;
        NodeId load;
    };

    Version make_version(NodeId node, Version before);
    [[nodiscard]] RegionSet writes_in_loop(BlockId header) const;
    [[nodiscard]] Place place_of(const Node& load) const;
    static std::uint64_t hash_of(const LoadEntry& entry);
    static bool is_same(const LoadEntry& a, const LoadEntry& b);
    static std::optional<KnownContents> stored(const Function& function, const Place& from, const Node& store,
                                               const Place& place);

    const Function& function_;
    const Graph& graph_;
    MemoryModel model_;
    std::vector<RegionSet> writes_;  ///< by block
    std::vector<Definition> definitions_;
    std::vector<Versions> at_end_;  ///< by block
    Versions current_{};
    BlockId block_ = 0;
    ValueTable table_;
    std::vector<LoadEntry> loads_;
};

}  // namespace ebpf::ir
