// SPDX-License-Identifier: MIT
// Map: key/value storage that programs and requests share. One file per family; common checks are made here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "epoch/epoch.hpp"
#include "spec/maps.hpp"

namespace ebpf::maps {

class Map;
struct HashTable;

/// The lookup of one map as engines call it, too: `map` is the address of the Map. Chosen by family and size
/// of keys.
using LookupFunction = void* (*)(std::uint64_t map, const void* key) noexcept;

/// Called with each element that Map::visit() comes to; false ends the visit.
using VisitFunction = bool (*)(void* state, const void* key, void* value) noexcept;

/// What a family implements besides. Keys and values have the sizes of the shape; flags have been checked.
struct MapOps {
    void (*destroy)(Map& map) noexcept;
    Status (*read)(Map& map, const void* key, void* value) noexcept;
    Status (*update)(Map& map, const void* key, const void* value, std::uint64_t flags) noexcept;
    Status (*erase)(Map& map, const void* key) noexcept;
    Status (*next_key)(Map& map, const void* key, void* next) noexcept;
    std::uint32_t (*count)(const Map& map) noexcept;
    std::uint32_t (*visit)(Map& map, VisitFunction function,
                           void* state) noexcept;  ///< nullptr: not supported
};

/// Checks a shape against its row of map_types.def.
/// Errors: NotSupported - unknown type; InvalidArgument - sizes or flags; TooBig - beyond kMaxMapBytes.
Status validate_shape(const spec::MapShape& shape) noexcept;

/// A map. Its memory is one page-aligned region with offsets inside (docs/memory.md).
/// Threads: any, for every member; calls marked "inside" must be made inside an epoch of `domain`.
class Map {
  public:
    /// Makes an empty map (an array: all zero). Errors: those of validate_shape, OutOfMemory.
    static StatusOr<Map*> create(const spec::MapShape& shape, epoch::Domain& domain) noexcept;
    /// Frees the map at once. Requires: no reader can hold it or its values any more; a prog array is empty.
    static void destroy(Map* map) noexcept;

    Map(const Map&) = delete;
    Map& operator=(const Map&) = delete;

    [[nodiscard]] const spec::MapShape& shape() const noexcept { return shape_; }

    /// Returns the address of the value under `key`, or nullptr. Inside; valid until the epoch is left.
    void* lookup(const void* key) noexcept { return lookup_(handle(), key); }
    /// What lookup() calls, with handle() as its first argument.
    [[nodiscard]] LookupFunction lookup_function() const noexcept { return lookup_; }
    /// What engines and helpers know the map by: its address.
    [[nodiscard]] std::uint64_t handle() const noexcept { return reinterpret_cast<std::uintptr_t>(this); }
    /// Copies the value under `key` out; not torn by updates made through update(). Errors: NotFound. Inside.
    Status read(const void* key, void* value) noexcept { return ops_->read(*this, key, value); }
    /// Stores a value; `flags` is kUpdateAny, kUpdateNoExist or kUpdateExist.
    /// Errors: AlreadyExists, NotFound, TooBig - max_entries reached or index out of range, OutOfMemory - too
    /// many
    ///   elements wait for readers to leave, InvalidArgument - flags, NotSupported - not this way. Inside.
    Status update(const void* key, const void* value, std::uint64_t flags) noexcept {
        if (flags > spec::kUpdateExist) [[unlikely]]
            return Status::InvalidArgument;
        return ops_->update(*this, key, value, flags);
    }
    /// Deletes the element under `key`. Errors: NotFound, InvalidArgument - an array. Inside.
    Status erase(const void* key) noexcept { return ops_->erase(*this, key); }
    /// Copies the key after `key` (nullptr or a key that is not there: the first). Errors: NotFound - no
    /// more. Inside.
    Status next_key(const void* key, void* next) noexcept { return ops_->next_key(*this, key, next); }
    /// Number of elements that exist (an array: max_entries).
    [[nodiscard]] std::uint32_t count() const noexcept { return ops_->count(*this); }
    /// Calls `function` with `state` and each element's key and value, both aligned to 8 bytes, until it
    /// returns false; at most max_entries times. Returns how often. Meanwhile `function` itself and other
    /// threads may change the map: elements that are there all the time are visited once, as far as the bound
    /// allows, others once or never. Errors: NotSupported - the elements are not bytes. Inside.
    StatusOr<std::uint32_t> visit(VisitFunction function, void* state) noexcept;
    /// Address of element 0's value if direct value access is possible (an array of bytes), else nullptr.
    [[nodiscard]] void* direct_value() const noexcept { return direct_value_; }
    /// Bytes from one value to the next if direct value access is possible, else 0.
    [[nodiscard]] std::uint32_t value_stride() const noexcept { return value_stride_; }
    /// Returns what code that looks up in place reads (a hash map), else nullptr.
    [[nodiscard]] const HashTable* hash_table() const noexcept { return hash_table_; }
    /// The map's memory.
    [[nodiscard]] std::span<const std::byte> region() const noexcept { return {region_, region_bytes_}; }

  protected:
    Map(const spec::MapShape& shape, const MapOps& ops, LookupFunction finder, epoch::Domain& domain) noexcept
        : lookup_(finder), shape_(shape), ops_(&ops), domain_(&domain) {}
    ~Map() = default;
    /// Takes the region's memory; false when memory is short.
    [[nodiscard]] bool take_region(std::uint64_t bytes) noexcept;
    /// The same for a ring: `front_bytes` and then room for `ring_bytes` twice
    /// (platform::allocate_ring_pages()); a page in front of the region is the family's own.
    [[nodiscard]] bool take_ring_region(std::uint64_t front_bytes, std::uint64_t ring_bytes) noexcept;
    void free_region() noexcept;

    LookupFunction lookup_;
    spec::MapShape shape_;
    std::uint32_t value_stride_ = 0;
    const MapOps* ops_;
    epoch::Domain* domain_;
    std::byte* region_ = nullptr;
    std::size_t region_bytes_ = 0;
    std::size_t ring_bytes_ = 0;  ///< 0: no ring
    void* direct_value_ = nullptr;
    const HashTable* hash_table_ = nullptr;
};

/// Puts `program` (opaque; `id` is what readers of the map see) at `index` of a prog array and returns what
/// was there. nullptr empties the element. The caller keeps the references; an old one may be used until its
/// epoch has passed. Errors: WrongKind - not a prog array, TooBig - index out of range.
StatusOr<void*> exchange_program(Map& map, std::uint32_t index, void* program, std::uint32_t id) noexcept;

/// Returns the program at `index` of a prog array, or nullptr (also: out of range, not a prog array). Inside.
void* program_at(Map& map, std::uint32_t index) noexcept;

}  // namespace ebpf::maps
