// SPDX-License-Identifier: MIT
// Prog array: programs to go on in by tail call. The region holds their ids; the addresses stay outside it.
#include <atomic>
#include <cstring>
#include <new>

#include "base/allocate.hpp"
#include "maps/families.hpp"
#include "maps/index_key.hpp"
#include "maps/map.hpp"
#include "maps/region.hpp"
#include "platform/pages.hpp"

namespace ebpf::maps {
namespace {

class ProgArrayMap final : public Map {
  public:
    ProgArrayMap(const spec::MapShape& shape, epoch::Domain& domain) noexcept
        : Map(shape, kOps, lookup, domain) {}
    ~ProgArrayMap() {
        release(programs_, shape_.max_entries * sizeof(*programs_), alignof(std::atomic<void*>));
    }
    ProgArrayMap(const ProgArrayMap&) = delete;
    ProgArrayMap& operator=(const ProgArrayMap&) = delete;

    [[nodiscard]] bool set_up() noexcept {
        const std::size_t bytes = shape_.max_entries * sizeof(*programs_);
        programs_ = static_cast<std::atomic<void*>*>(allocate(bytes, alignof(std::atomic<void*>)));
        if (programs_ == nullptr) return false;
        for (std::uint32_t i = 0; i < shape_.max_entries; ++i)
            ::new (&programs_[i]) std::atomic<void*>(nullptr);
        if (!take_region(platform::kPageBytes + std::uint64_t{shape_.max_entries} * sizeof(std::uint32_t)))
            return false;
        auto* header = ::new (region_) RegionHeader();
        header->shape = shape_;
        header->element_stride = sizeof(std::uint32_t);
        header->elements_offset = platform::kPageBytes;
        return true;
    }

    static ProgArrayMap* from(Map& map) noexcept {
        return map.shape().type == spec::MapType::ProgArray ? static_cast<ProgArrayMap*>(&map) : nullptr;
    }

    void* exchange(std::uint32_t index, void* program, std::uint32_t id) noexcept {
        __atomic_store_n(id_at(index), program == nullptr ? 0 : id, __ATOMIC_RELAXED);
        return programs_[index].exchange(program, std::memory_order_acq_rel);
    }

    [[nodiscard]] void* at(std::uint32_t index) const noexcept {
        return programs_[index].load(std::memory_order_acquire);
    }

  private:
    static const MapOps kOps;

    std::uint32_t* id_at(std::uint32_t index) const noexcept {
        return reinterpret_cast<std::uint32_t*>(region_ + platform::kPageBytes) + index;
    }

    // Programs cannot read the array; the verifier's helper contracts say so too.
    static void* lookup(std::uint64_t /*map*/, const void* /*key*/) noexcept { return nullptr; }

    static Status read(Map& map, const void* key, void* value) noexcept {
        const auto& self = static_cast<ProgArrayMap&>(map);
        const std::uint32_t index = index_of(key);
        if (index >= map.shape().max_entries) return Status::NotFound;
        const std::uint32_t id = __atomic_load_n(self.id_at(index), __ATOMIC_RELAXED);
        if (id == 0) return Status::NotFound;
        std::memcpy(value, &id, sizeof id);
        return Status::Ok;
    }

    // Only the runtime can turn a handle into a program: exchange_program().
    static Status update(Map& /*map*/, const void* /*key*/, const void* /*value*/,
                         std::uint64_t /*flags*/) noexcept {
        return Status::NotSupported;
    }
    static Status erase(Map& /*map*/, const void* /*key*/) noexcept { return Status::NotSupported; }

    static std::uint32_t count(const Map& map) noexcept {
        std::uint32_t used = 0;
        const auto& self = static_cast<const ProgArrayMap&>(map);
        for (std::uint32_t i = 0; i < map.shape().max_entries; ++i) used += self.at(i) != nullptr ? 1U : 0U;
        return used;
    }

    std::atomic<void*>* programs_ = nullptr;
};

constinit const MapOps ProgArrayMap::kOps{
    .destroy = destroy_family<ProgArrayMap>,
    .read = read,
    .update = update,
    .erase = erase,
    .next_key = next_index,
    .count = count,
    .visit = nullptr,
};

}  // namespace

StatusOr<Map*> create_prog_array(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    return create_family<ProgArrayMap>(shape, domain);
}

StatusOr<void*> exchange_program(Map& map, std::uint32_t index, void* program, std::uint32_t id) noexcept {
    ProgArrayMap* array = ProgArrayMap::from(map);
    if (array == nullptr) return std::unexpected(Status::WrongKind);
    if (index >= map.shape().max_entries) return std::unexpected(Status::TooBig);
    return array->exchange(index, program, id);
}

void* program_at(Map& map, std::uint32_t index) noexcept {
    const ProgArrayMap* array = ProgArrayMap::from(map);
    if (array == nullptr || index >= map.shape().max_entries) return nullptr;
    return array->at(index);
}

}  // namespace ebpf::maps
