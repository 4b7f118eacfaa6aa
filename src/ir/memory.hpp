// SPDX-License-Identifier: MIT
// What nodes do to memory: where an access goes, which accesses may overlap, what calls may change.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/engine.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

inline constexpr unsigned kRegionCount = 6;

/// A set of regions; Unknown stands for all of memory and is in every set that is not empty.
class RegionSet {
  public:
    constexpr RegionSet() = default;
    constexpr RegionSet(std::initializer_list<Region> regions) {
        for (const Region region : regions)
            bits_ = static_cast<std::uint8_t>(bits_ | bit(region) | bit(Region::Unknown));
    }
    static constexpr RegionSet all() {
        return {Region::Frame, Region::Context, Region::Packet, Region::MapValue, Region::Memory};
    }
    /// What others than the running program may see or change.
    static constexpr RegionSet shared() { return {Region::Packet, Region::MapValue, Region::Memory}; }
    [[nodiscard]] constexpr bool has(Region region) const { return (bits_ & bit(region)) != 0; }
    [[nodiscard]] constexpr bool is_empty() const { return bits_ == 0; }
    constexpr RegionSet& operator|=(RegionSet other) {
        bits_ = static_cast<std::uint8_t>(bits_ | other.bits_);
        return *this;
    }

  private:
    static constexpr std::uint8_t bit(Region region) {
        return static_cast<std::uint8_t>(1U << static_cast<unsigned>(region));
    }
    std::uint8_t bits_ = 0;
};

/// Returns the regions whose contents the node may change, or must be seen as changing because it orders
/// accesses.
RegionSet writes_of(const Node& node);

/// Where an access goes, as far as the function's text tells.
struct Place {
    enum class Object : std::uint8_t {
        Unknown,
        OwnFrame,
        Map,      ///< the values of map `map`
        Outside,  ///< something that existed before the function was entered
    };
    NodeId base = kNone;
    std::int64_t offset = 0;
    std::uint32_t size = 0;
    Region region = Region::Unknown;
    Object object = Object::Unknown;
    bool is_fixed = false;  ///< base is the object's own address: equal for all such places of the object
    std::uint32_t map = 0;
};

/// Knows which maps are the same, and how far addresses of the frame have spread.
class MemoryModel {
  public:
    MemoryModel(const Function& function, const engine::Bindings& bindings);

    /// Requires: `access` is a Load, Store, Atomic, LoadAcquire or StoreRelease.
    [[nodiscard]] Place place_of(const Node& access) const;
    [[nodiscard]] bool may_overlap(const Place& a, const Place& b) const;
    /// Returns whether the node (with effects on memory) may change what is at `place`.
    [[nodiscard]] bool may_write(const Node& node, const Place& place) const;
    /// Returns whether other code of the program may reach the function's frame.
    [[nodiscard]] bool is_frame_known_to_others() const { return is_frame_known_to_others_; }

  private:
    struct Origin {
        Place::Object object = Place::Object::Unknown;
        std::uint32_t map = 0;
    };
    [[nodiscard]] Origin origin_of(NodeId id, unsigned depth) const;

    const Function& function_;
    std::vector<std::uint32_t> map_number_;  ///< by index: first index with the same map
    bool is_frame_known_to_others_ = false;
};

bool is_memory_access(const Node& node);

/// Returns whether the node runs other code of the program before it goes on: a subprogram, or a helper that
/// calls one back. That code may read and write whatever it knows the address of.
bool runs_program_code(const Node& node);

}  // namespace ebpf::ir
