// SPDX-License-Identifier: MIT
// Array: max_entries values from index 0 on, all existing from the start, at fixed addresses.
// Values begin at a page boundary, so that they can be mapped by clients as Linux's BPF_F_MMAPABLE arrays
// are.
#include <new>

#include "base/allocate.hpp"
#include "maps/array_layout.hpp"
#include "maps/families.hpp"
#include "maps/index_key.hpp"
#include "maps/map.hpp"
#include "maps/region.hpp"
#include "platform/pages.hpp"

namespace ebpf::maps {
namespace {

class ArrayMap final : public Map {
  public:
    ArrayMap(const spec::MapShape& shape, epoch::Domain& domain) noexcept
        : Map(shape, kOps, lookup, domain) {}

    [[nodiscard]] bool set_up() noexcept {
        value_stride_ = static_cast<std::uint32_t>(array_stride(shape_));
        const std::uint64_t bytes = std::uint64_t{value_stride_} * shape_.max_entries;
        if (!take_region(platform::kPageBytes + bytes)) return false;
        auto* header = ::new (region_) RegionHeader();
        header->shape = shape_;
        header->element_stride = value_stride_;
        header->elements_offset = platform::kPageBytes;
        direct_value_ = region_ + platform::kPageBytes;
        return true;
    }

  private:
    static const MapOps kOps;

    static void* lookup(std::uint64_t map, const void* key) noexcept {
        return find(*reinterpret_cast<Map*>(static_cast<std::uintptr_t>(map)), key);
    }

    static void* find(Map& map, const void* key) noexcept {
        const std::uint32_t index = index_of(key);
        if (index >= map.shape().max_entries) return nullptr;
        return static_cast<std::byte*>(map.direct_value()) + std::uint64_t{index} * map.value_stride();
    }

    static Status read(Map& map, const void* key, void* value) noexcept {
        const void* found = find(map, key);
        if (found == nullptr) return Status::NotFound;
        copy_out(value, found, map.shape().value_size);
        return Status::Ok;
    }

    // Errors as Linux's: -E2BIG out of range, -EEXIST since every element exists.
    static Status update(Map& map, const void* key, const void* value, std::uint64_t flags) noexcept {
        void* found = find(map, key);
        if (found == nullptr) return Status::TooBig;
        if (flags == spec::kUpdateNoExist) return Status::AlreadyExists;
        copy_in(found, value, map.shape().value_size);
        return Status::Ok;
    }

    static Status erase(Map& /*map*/, const void* /*key*/) noexcept { return Status::InvalidArgument; }

    static std::uint32_t count(const Map& map) noexcept { return map.shape().max_entries; }

    static std::uint32_t visit(Map& map, VisitFunction function, void* state) noexcept {
        auto* value = static_cast<std::byte*>(map.direct_value());
        for (std::uint32_t index = 0; index < map.shape().max_entries; ++index, value += map.value_stride()) {
            alignas(kValueAlignment) const std::uint32_t key = index;
            if (!function(state, &key, value)) return index + 1;
        }
        return map.shape().max_entries;
    }
};

constinit const MapOps ArrayMap::kOps{
    .destroy = destroy_family<ArrayMap>,
    .read = read,
    .update = update,
    .erase = erase,
    .next_key = next_index,
    .count = count,
    .visit = visit,
};

}  // namespace

StatusOr<Map*> create_array(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    return create_family<ArrayMap>(shape, domain);
}

}  // namespace ebpf::maps
