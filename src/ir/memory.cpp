// SPDX-License-Identifier: MIT
#include "ir/memory.hpp"

#include <algorithm>

#include "ir/frame_uses.hpp"
#include "spec/helpers.hpp"

namespace ebpf::ir {
namespace {

RegionSet writes_of_helper(const Node& node) {
    const spec::HelperSpec* row = spec::find_helper(static_cast<std::uint32_t>(node.imm));
    if (row == nullptr) return RegionSet::all();
    if (row->id == static_cast<std::uint32_t>(spec::HelperId::map_lookup_elem)) return {};
    if (row->effects.calls_back != spec::CallbackKind::None) return RegionSet::all();
    RegionSet set = RegionSet::shared();
    if (row->effects.moves_packet) set |= {Region::Context};
    if (std::ranges::find(row->arguments, spec::ArgKind::WriteMemory) != row->arguments.end())
        set |= {Region::Frame};
    return set;
}

/// Returns whether an address of the frame is put into memory or passed to other code of the program.
bool does_frame_escape(const Function& function) {
    const std::vector<bool> is_address = find_frame_addresses(function);
    for (const Block& block : function.blocks) {
        for (const NodeId id : block.nodes) {
            const Node& node = function.nodes[id];
            const bool passes_on = runs_program_code(node);
            const bool stores = is_memory_access(node) && node.input_count > 1;
            if (!passes_on && !stores) continue;
            const auto inputs = function.inputs_of(node);
            for (std::size_t i = stores ? 1 : 0; i < inputs.size(); ++i) {
                if (is_address[inputs[i]]) return true;
            }
        }
    }
    return false;
}

}  // namespace

bool is_memory_access(const Node& node) {
    return node.opcode == Opcode::Load || node.opcode == Opcode::Store || node.opcode == Opcode::Atomic ||
           node.opcode == Opcode::LoadAcquire || node.opcode == Opcode::StoreRelease;
}

bool runs_program_code(const Node& node) {
    if (node.opcode == Opcode::CallLocal) return true;
    if (node.opcode != Opcode::CallHelper) return false;
    const spec::HelperSpec* row = spec::find_helper(static_cast<std::uint32_t>(node.imm));
    return row == nullptr || row->effects.calls_back != spec::CallbackKind::None;
}

RegionSet writes_of(const Node& node) {
    if (node.opcode == Opcode::Store || node.opcode == Opcode::StoreRelease)
        return node.region == Region::Unknown ? RegionSet::all() : RegionSet{node.region};
    if (node.opcode == Opcode::Atomic || node.opcode == Opcode::LoadAcquire) {
        if (node.region == Region::Frame) return {Region::Frame};
        RegionSet set = RegionSet::shared();
        set |= node.region == Region::Unknown ? RegionSet::all() : RegionSet{node.region};
        return set;
    }
    if (node.opcode == Opcode::CallHelper) return writes_of_helper(node);
    if (node.opcode == Opcode::CallLocal || node.opcode == Opcode::TailCall) return RegionSet::all();
    return {};
}

MemoryModel::MemoryModel(const Function& function, const engine::Bindings& bindings) : function_(function) {
    for (std::uint32_t i = 0; i < bindings.maps.size(); ++i) {
        std::uint32_t first = 0;
        // A map that is not known by address may be any other one.
        while (bindings.maps[first].handle != bindings.maps[i].handle && bindings.maps[first].handle != 0)
            ++first;
        map_number_.push_back(bindings.maps[i].handle == 0 ? kNone : first);
    }
    // Without subprograms nobody else is there to know it.
    const bool has_calls = std::ranges::any_of(
        function.nodes, [](const Node& node) { return node.block != kNone && runs_program_code(node); });
    is_frame_known_to_others_ = function.frame_bytes != 0 && has_calls && does_frame_escape(function);
}

MemoryModel::Origin MemoryModel::origin_of(NodeId id, unsigned depth) const {
    constexpr unsigned kDeepest = 6;
    const Node& node = function_.nodes[id];
    if (node.opcode == Opcode::FrameAddress) return {Place::Object::OwnFrame, 0};
    if (node.opcode == Opcode::MapValue || node.opcode == Opcode::MapLookup) {
        const auto index = static_cast<std::size_t>(node.imm & 0xffffffff);
        if (index >= map_number_.size() || map_number_[index] == kNone) return {};
        return {Place::Object::Map, map_number_[index]};
    }
    if (node.opcode == Opcode::Parameter) return {Place::Object::Outside, 0};
    if (depth == kDeepest || node.width != spec::Width::W64) return {};
    if (node.opcode == Opcode::Add) {
        // Of a sum that is an address one side is a number; what is known of it is known of the other.
        const Origin a = origin_of(function_.input(node, 0), depth + 1);
        const Origin b = origin_of(function_.input(node, 1), depth + 1);
        const auto is_own = [](const Origin& origin) {
            return origin.object == Place::Object::OwnFrame || origin.object == Place::Object::Map;
        };
        if (is_own(a) != is_own(b)) return is_own(a) ? a : b;
    }
    return {};
}

Place MemoryModel::place_of(const Node& access) const {
    Place place;
    place.base = function_.input(access, 0);
    place.offset = access.imm;
    place.size = access.size;
    place.region = access.region;
    const Node& base = function_.nodes[place.base];
    place.is_fixed = base.opcode == Opcode::FrameAddress || base.opcode == Opcode::MapValue;
    if (base.opcode == Opcode::FrameAddress) place.offset += base.imm;
    if (base.opcode == Opcode::MapValue) place.offset += base.imm >> 32U;
    const Origin origin = origin_of(place.base, 0);
    place.object = origin.object;
    place.map = origin.map;
    if (place.object == Place::Object::OwnFrame && place.is_fixed) place.region = Region::Frame;
    return place;
}

bool MemoryModel::may_overlap(const Place& a, const Place& b) const {
    if (a.region != Region::Unknown && b.region != Region::Unknown && a.region != b.region) return false;
    using Object = Place::Object;
    const bool is_known = a.object != Object::Unknown && b.object != Object::Unknown;
    if (is_known && a.object != b.object) {
        // A map's value may well be what a parameter points to.
        if (a.object == Object::OwnFrame || b.object == Object::OwnFrame) return false;
    } else if (is_known && a.object == Object::Map && a.map != b.map) {
        return false;
    }
    const bool is_comparable =
        a.base == b.base || (a.is_fixed && b.is_fixed && a.object == b.object && a.object != Object::Unknown);
    if (!is_comparable) return true;
    return a.offset < b.offset + std::int64_t{b.size} && b.offset < a.offset + std::int64_t{a.size};
}

bool MemoryModel::may_write(const Node& node, const Place& place) const {
    const RegionSet set = writes_of(node);
    if (!set.has(place.region)) return false;
    const bool is_own = place.object == Place::Object::OwnFrame;
    if (node.opcode == Opcode::Store || node.opcode == Opcode::StoreRelease)
        return may_overlap(place_of(node), place);
    // Besides changing its own place an atomic orders all that others see.
    if (node.opcode == Opcode::Atomic || node.opcode == Opcode::LoadAcquire)
        return !is_own || may_overlap(place_of(node), place);
    if (runs_program_code(node) && is_own) return is_frame_known_to_others_;
    return true;
}

}  // namespace ebpf::ir
