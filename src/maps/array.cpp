// SPDX-License-Identifier: MIT
// Array: max_entries values from index 0 on, all existing from the start, at fixed addresses.
// Values begin at a page boundary, so that they can be mapped by clients as Linux's BPF_F_MMAPABLE arrays
// are.
#include <new>

#include "base/allocate.hpp"
#include "maps/families.hpp"
#include "maps/index_key.hpp"
#include "maps/map.hpp"
#include "maps/region.hpp"
#include "platform/pages.hpp"

namespace ebpf::maps {
namespace {

class ArrayMap final : public Map {
  public:
    ArrayMap(const spec::MapShape& shape, epoch::Domain& domain) noexcept : Map(shape, kOps, domain) {}

    [[nodiscard]] bool set_up() noexcept {
        stride_ = round_up(shape_.value_size, kValueAlignment);
        if (!take_region(platform::kPageBytes + stride_ * shape_.max_entries)) return false;
        auto* header = ::new (region_) RegionHeader();
        header->shape = shape_;
        header->element_stride = static_cast<std::uint32_t>(stride_);
        header->elements_offset = platform::kPageBytes;
        direct_value_ = region_ + platform::kPageBytes;
        return true;
    }

  private:
    static const MapOps kOps;

    static ArrayMap& self(Map& map) noexcept { return static_cast<ArrayMap&>(map); }

    static void* lookup(Map& map, const void* key) noexcept {
        const std::uint32_t index = index_of(key);
        if (index >= map.shape().max_entries) return nullptr;
        return static_cast<std::byte*>(map.direct_value()) + index * self(map).stride_;
    }

    static Status read(Map& map, const void* key, void* value) noexcept {
        const void* found = lookup(map, key);
        if (found == nullptr) return Status::NotFound;
        copy_out(value, found, map.shape().value_size);
        return Status::Ok;
    }

    // Errors as Linux's: -E2BIG out of range, -EEXIST since every element exists.
    static Status update(Map& map, const void* key, const void* value, std::uint64_t flags) noexcept {
        void* found = lookup(map, key);
        if (found == nullptr) return Status::TooBig;
        if (flags == spec::kUpdateNoExist) return Status::AlreadyExists;
        copy_in(found, value, map.shape().value_size);
        return Status::Ok;
    }

    static Status erase(Map& /*map*/, const void* /*key*/) noexcept { return Status::InvalidArgument; }

    static std::uint32_t count(const Map& map) noexcept { return map.shape().max_entries; }

    std::uint64_t stride_ = 0;
};

constinit const MapOps ArrayMap::kOps{
    .destroy = destroy_family<ArrayMap>,
    .lookup = lookup,
    .read = read,
    .update = update,
    .erase = erase,
    .next_key = next_index,
    .count = count,
};

}  // namespace

StatusOr<Map*> create_array(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    return create_family<ArrayMap>(shape, domain);
}

}  // namespace ebpf::maps
