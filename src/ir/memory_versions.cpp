// SPDX-License-Identifier: MIT
#include "ir/memory_versions.hpp"

#include <algorithm>
#include <bit>

namespace ebpf::ir {
namespace {

constexpr unsigned index_of(Region region) {
    return static_cast<unsigned>(region);
}

}  // namespace

MemoryVersions::MemoryVersions(const Function& function, const Graph& graph, const engine::Bindings& bindings)
    : function_(function), graph_(graph), model_(function, bindings), table_(function.nodes.size() / 4) {
    writes_.resize(function.blocks.size());
    at_end_.resize(function.blocks.size());
    for (BlockId block = 0; block < function.blocks.size(); ++block) {
        for (const NodeId id : function.blocks[block].nodes) writes_[block] |= writes_of(function.nodes[id]);
    }
    definitions_.push_back({});
}

MemoryVersions::Version MemoryVersions::make_version(NodeId node, Version before) {
    definitions_.push_back({node, before});
    return static_cast<Version>(definitions_.size() - 1);
}

/// Requires: `header` has a predecessor that comes after it. Everything, unless that is a plain loop.
RegionSet MemoryVersions::writes_in_loop(BlockId header) const {
    const std::uint32_t loop = graph_.loop_of(header);
    if (loop == kNone || graph_.loops()[loop].header != header) return RegionSet::all();
    for (const BlockId before : function_.blocks[header].predecessors) {
        if (before >= header && !graph_.dominates(header, before)) return RegionSet::all();
    }
    RegionSet set;
    for (BlockId block = header; block < graph_.loops()[loop].end; ++block) set |= writes_[block];
    return set;
}

void MemoryVersions::enter(BlockId block) {
    block_ = block;
    if (block == 0) return;
    const auto& predecessors = function_.blocks[block].predecessors;
    const bool has_back_edge =
        std::ranges::any_of(predecessors, [block](BlockId before) { return before >= block; });
    const RegionSet changing = has_back_edge ? writes_in_loop(block) : RegionSet{};
    for (unsigned i = 0; i < kRegionCount; ++i) {
        std::optional<Version> only;
        bool is_one = !changing.has(static_cast<Region>(i));
        for (const BlockId before : predecessors) {
            if (before >= block) continue;
            is_one = is_one && (!only || *only == at_end_[before][i]);
            only = at_end_[before][i];
        }
        current_[i] = is_one && only ? *only : make_version(kNone, 0);
    }
}

void MemoryVersions::note_write(NodeId id) {
    const RegionSet set = writes_of(function_.nodes[id]);
    for (unsigned i = 0; i < kRegionCount; ++i) {
        if (set.has(static_cast<Region>(i))) current_[i] = make_version(id, current_[i]);
    }
}

void MemoryVersions::leave(BlockId block) {
    at_end_[block] = current_;
}

Place MemoryVersions::place_of(const Node& load) const {
    if (load.opcode != Opcode::PacketLoad) return model_.place_of(load);
    Place place;
    place.base = load.input_count == 0 ? kNone : function_.input(load, 0);
    place.offset = load.imm;
    place.size = load.size;
    place.region = Region::Packet;
    return place;
}

std::uint64_t MemoryVersions::hash_of(const LoadEntry& entry) {
    std::uint64_t hash = ValueTable::mix(entry.base, static_cast<std::uint64_t>(entry.offset));
    hash = ValueTable::mix(hash, entry.version);
    return ValueTable::mix(hash,
                           entry.size * 4U + (entry.is_signed ? 2U : 0U) + (entry.is_packet_load ? 1U : 0U));
}

bool MemoryVersions::is_same(const LoadEntry& a, const LoadEntry& b) {
    return a.base == b.base && a.offset == b.offset && a.version == b.version && a.size == b.size &&
           a.is_signed == b.is_signed && a.is_packet_load == b.is_packet_load;
}

/// What of a store's value a load of `place` would see, if the store covers it.
std::optional<KnownContents> MemoryVersions::stored(const Function& function, const Place& from,
                                                    const Node& store, const Place& place) {
    const bool is_same_object =
        from.base == place.base || (from.is_fixed && place.is_fixed && from.object == place.object &&
                                    from.map == place.map && from.object != Place::Object::Unknown);
    if (!is_same_object || store.opcode == Opcode::Atomic) return {};
    const std::int64_t within = place.offset - from.offset;
    if (within < 0 || within + std::int64_t{place.size} > std::int64_t{from.size}) return {};
    return KnownContents{function.input(store, 1), static_cast<unsigned>(within) * 8U, true};
}

std::optional<KnownContents> MemoryVersions::look_up(NodeId id) {
    constexpr unsigned kMostSteps = 32;
    const Node& node = function_.nodes[id];
    const Place place = place_of(node);
    const bool is_packet_load = node.opcode == Opcode::PacketLoad;
    LoadEntry entry{
        place.base, place.offset, node.size, node.is_signed, is_packet_load, current_[index_of(place.region)],
        id};
    const auto is_entry = [&](std::uint32_t at) { return is_same(loads_[at], entry); };
    for (unsigned step = 0; step < kMostSteps; ++step) {
        const std::uint32_t found = table_.find(hash_of(entry), is_entry);
        if (found != ValueTable::kFree) {
            const NodeId load = loads_[found].load;
            if (graph_.dominates(function_.nodes[load].block, block_)) return KnownContents{load, 0, false};
        }
        const Definition& definition = definitions_[entry.version];
        if (definition.node == kNone) break;
        const Node& writer = function_.nodes[definition.node];
        if (is_packet_load || model_.may_write(writer, place)) {
            const bool is_store = writer.opcode == Opcode::Store || writer.opcode == Opcode::StoreRelease;
            if (!is_store || is_packet_load) break;
            const Place from = model_.place_of(writer);
            if (auto known = stored(function_, from, writer, place)) return known;
            break;
        }
        entry.version = definition.before;
    }
    loads_.push_back(entry);
    table_.put(hash_of(entry), static_cast<std::uint32_t>(loads_.size() - 1), is_entry);
    return {};
}

std::vector<StoredPart> MemoryVersions::look_up_parts(NodeId id) const {
    constexpr unsigned kMostSteps = 8;
    constexpr std::size_t kMostParts = 4;
    const Node& node = function_.nodes[id];
    if (node.opcode != Opcode::Load) return {};
    const Place place = model_.place_of(node);
    if (place.object != Place::Object::OwnFrame || !place.is_fixed) return {};
    std::vector<StoredPart> parts;
    unsigned missing = (1U << place.size) - 1;  // by byte
    Version version = current_[index_of(Region::Frame)];
    for (unsigned step = 0; step < kMostSteps && missing != 0; ++step) {
        const Definition& definition = definitions_[version];
        version = definition.before;
        if (definition.node == kNone) return {};
        const Node& writer = function_.nodes[definition.node];
        if (!model_.may_write(writer, place)) continue;
        if (writer.opcode != Opcode::Store) return {};
        // What was stored long ago is in the cache, where one load finds it.
        if (parts.empty() && writer.block != block_) return {};
        const Place from = model_.place_of(writer);
        if (from.object != place.object || !from.is_fixed) return {};
        for (unsigned at = 0; at < place.size; ++at) {
            const auto is_taken = [&](unsigned byte) {
                const std::int64_t within = place.offset + byte - from.offset;
                return byte < place.size && (missing >> byte & 1U) != 0 && within >= 0 &&
                       within < std::int64_t{from.size};
            };
            if (!is_taken(at)) continue;
            const unsigned first = at;
            for (; is_taken(at); ++at) missing &= ~(1U << at);
            const unsigned size = at - first;
            if (!std::has_single_bit(size) || parts.size() == kMostParts) return {};
            const auto within = static_cast<unsigned>(place.offset + first - from.offset);
            parts.push_back(
                {function_.input(writer, 1), within * 8, first * 8, static_cast<std::uint8_t>(size)});
        }
    }
    if (missing != 0) return {};
    return parts;
}

}  // namespace ebpf::ir
