// SPDX-License-Identifier: MIT
// How the registry makes a map of each family.
#pragma once

#include <new>

#include "base/allocate.hpp"
#include "base/status.hpp"
#include "maps/map.hpp"

namespace ebpf::maps {

StatusOr<Map*> create_array(const spec::MapShape& shape, epoch::Domain& domain) noexcept;
StatusOr<Map*> create_hash(const spec::MapShape& shape, epoch::Domain& domain) noexcept;
StatusOr<Map*> create_prog_array(const spec::MapShape& shape, epoch::Domain& domain) noexcept;
StatusOr<Map*> create_ring_buffer(const spec::MapShape& shape, epoch::Domain& domain) noexcept;

/// Makes a `Family` object and lets it set itself up; undoes everything when memory is short.
template <typename Family>
StatusOr<Map*> create_family(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    void* memory = allocate(sizeof(Family), alignof(Family));
    if (memory == nullptr) return std::unexpected(Status::OutOfMemory);
    auto* map = ::new (memory) Family(shape, domain);
    if (!map->set_up()) {
        Map::destroy(map);
        return std::unexpected(Status::OutOfMemory);
    }
    return map;
}

/// Ends a `Family` object made by create_family().
template <typename Family>
void destroy_family(Map& map) noexcept {
    auto* family = static_cast<Family*>(&map);
    family->~Family();
    release(family, sizeof(Family), alignof(Family));
}

}  // namespace ebpf::maps
