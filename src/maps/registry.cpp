// SPDX-License-Identifier: MIT
// The generic part of maps: validation against the table and the choice of family.
#include <bit>
#include <new>

#include "maps/families.hpp"
#include "maps/map.hpp"
#include "maps/region.hpp"
#include "platform/pages.hpp"

namespace ebpf::maps {

Status validate_shape(const spec::MapShape& shape) noexcept {
    const spec::MapTypeSpec* row = spec::find_map_type(static_cast<std::uint32_t>(shape.type));
    if (row == nullptr) return Status::NotSupported;
    if (shape.max_entries == 0) return Status::InvalidArgument;
    if ((row->key_rule == spec::KeyRule::NoKey) != (shape.key_size == 0)) return Status::InvalidArgument;
    if ((row->value_rule == spec::ValueRule::Records) != (shape.value_size == 0))
        return Status::InvalidArgument;
    if ((shape.flags & ~row->allowed_flags) != 0) return Status::InvalidArgument;
    const std::uint32_t both = spec::kMapReadOnlyProgram | spec::kMapWriteOnlyProgram;
    if ((shape.flags & both) == both) return Status::InvalidArgument;
    if (row->key_rule == spec::KeyRule::U32Index && shape.key_size != 4) return Status::InvalidArgument;
    if (row->value_rule == spec::ValueRule::U32Handle && shape.value_size != 4)
        return Status::InvalidArgument;
    if (row->value_rule == spec::ValueRule::Records &&
        (!std::has_single_bit(shape.max_entries) || shape.max_entries % spec::kRingPageBytes != 0))
        return Status::InvalidArgument;
    if (shape.key_size > spec::kMaxKeyBytes || shape.value_size > spec::kMaxValueBytes) return Status::TooBig;
    const std::uint64_t element = std::uint64_t{shape.key_size} + shape.value_size;
    if (element * shape.max_entries > spec::kMaxMapBytes) return Status::TooBig;
    return Status::Ok;
}

StatusOr<Map*> Map::create(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    if (const Status status = validate_shape(shape); status != Status::Ok) return std::unexpected(status);
    switch (shape.type) {
        case spec::MapType::Hash:
            return create_hash(shape, domain);
        case spec::MapType::Array:
            return create_array(shape, domain);
        case spec::MapType::ProgArray:
            return create_prog_array(shape, domain);
        case spec::MapType::RingBuffer:
            return create_ring_buffer(shape, domain);
    }
    return std::unexpected(Status::NotSupported);
}

void Map::destroy(Map* map) noexcept {
    if (map == nullptr) return;
    map->free_region();
    map->ops_->destroy(*map);
}

StatusOr<std::uint32_t> Map::visit(VisitFunction function, void* state) noexcept {
    if (ops_->visit == nullptr) return std::unexpected(Status::NotSupported);
    return ops_->visit(*this, function, state);
}

bool Map::take_region(std::uint64_t bytes) noexcept {
    region_bytes_ = static_cast<std::size_t>(round_up(bytes, platform::kPageBytes));
    region_ = static_cast<std::byte*>(platform::allocate_pages(region_bytes_));
    return region_ != nullptr;
}

bool Map::take_ring_region(std::uint64_t front_bytes, std::uint64_t ring_bytes) noexcept {
    const auto front = static_cast<std::size_t>(front_bytes);
    const auto ring = static_cast<std::size_t>(ring_bytes);
    void* memory = platform::allocate_ring_pages(platform::kPageBytes + front, ring);
    if (memory == nullptr) return false;
    region_ = static_cast<std::byte*>(memory) + platform::kPageBytes;
    region_bytes_ = front + 2 * ring;
    ring_bytes_ = ring;
    return true;
}

void Map::free_region() noexcept {
    if (region_ != nullptr && ring_bytes_ != 0) {
        const std::size_t front = platform::kPageBytes + region_bytes_ - 2 * ring_bytes_;
        platform::release_ring_pages(region_ - platform::kPageBytes, front, ring_bytes_);
    } else {
        platform::release_pages(region_, region_bytes_);
    }
    region_ = nullptr;
}

}  // namespace ebpf::maps
