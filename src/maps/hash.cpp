// SPDX-License-Identifier: MIT
// Hash: lookups take no lock; writers lock the map for a few stores. Elements are preallocated in the region
// and recycled by epochs.
//
// Invariants
// - A bucket is a chain of references; 0 ends it. Writers hold the map's lock, which guards ElementPool and
//   the count, too. There is one lock for all buckets: elements and their count are the map's, so that with
//   a lock a bucket every change would pay for several more atomic operations on what all writers share.
// - An element is on a chain or belongs to the pool. One that is unlinked keeps its `next` until no reader
//   can be on it, so that a reader standing on it finds the rest of its chain.
// - count <= max_entries. There are more elements than max_entries, so that replaced and deleted ones can
//   wait.
// - An element's `sequence` is odd while its value is being written in place; copies made by read() retry
//   then. A program that holds the value's address sees updates in place word by word, as with the kernel's
//   maps.
// - The hash seed and all addresses stay outside the region, which other processes may read.
#include <atomic>
#include <cstring>
#include <new>
#include <span>

#include "maps/element_pool.hpp"
#include "maps/families.hpp"
#include "maps/hash_table.hpp"
#include "maps/map.hpp"
#include "maps/region.hpp"
#include "platform/cpu.hpp"
#include "platform/random.hpp"
#include "platform/spin_lock.hpp"

namespace ebpf::maps {
namespace {

using Element = HashElement;

constexpr std::size_t kCacheLine = 64;
static_assert(spec::kMaxMapBytes / kReferenceBytes <= 0xffffffffU);
constexpr std::uint32_t kMaxElements = 1U << 31U;

// What depends on the size of keys is made once for each common one; kKeyBytes 0: any size.
class HashMap final : public Map {
  public:
    HashMap(const spec::MapShape& shape, epoch::Domain& domain) noexcept
        : Map(shape, *family_for(shape.key_size).ops, family_for(shape.key_size).lookup, domain) {}

    [[nodiscard]] bool set_up() noexcept {
        const std::uint64_t stride =
            hash_value_offset(shape_.key_size) + round_up(shape_.value_size, kValueAlignment);
        const std::uint32_t spare = ElementPool::spare_elements(shape_.max_entries, stride);
        const std::uint64_t elements = std::uint64_t{shape_.max_entries} + spare;
        if (elements > kMaxElements) return false;
        const std::uint32_t bits = bucket_bits(shape_.max_entries);
        bucket_shift_ = 32 - bits;
        const std::uint64_t elements_offset =
            round_up(kBucketsOffset + (sizeof(std::uint32_t) << bits), kCacheLine);
        const std::uint64_t bytes = elements_offset + stride * elements;
        // With small keys and values, what surrounds them is many times their size.
        if (bytes > spec::kMaxMapBytes) return false;
        if (!take_region(bytes)) return false;

        header_ = ::new (region_) RegionHeader();
        header_->shape = shape_;
        header_->element_stride = static_cast<std::uint32_t>(stride);
        header_->elements_offset = elements_offset;
        header_->buckets_offset = kBucketsOffset;
        header_->bucket_count = 1U << bits;
        // Pages arrive zeroed: empty buckets and unused elements need no initialisation.
        table_.buckets = reinterpret_cast<std::atomic<std::uint32_t>*>(region_ + kBucketsOffset);
        table_.region = region_;
        if (!pool_.set_up(*domain_, region_, elements_offset, stride, static_cast<std::uint32_t>(elements),
                          spare))
            return false;
        HashSeed& seed = table_.seed;
        if (!platform::fill_random(std::as_writable_bytes(std::span(&seed, 1)))) return false;
        seed.words[1] |= 1U;
        seed.last |= 1U;
        hash_table_ = &table_;
        return true;
    }

  private:
    struct Family {
        const MapOps* ops;
        LookupFunction lookup;
    };
    template <std::uint32_t kKeyBytes>
    static const MapOps kOps;

    template <std::uint32_t kKeyBytes>
    static constexpr Family family() noexcept {
        return {&kOps<kKeyBytes>, find_value<kKeyBytes>};
    }
    static Family family_for(std::uint32_t key_bytes) noexcept {
        switch (key_bytes) {
            case 4:
                return family<4>();
            case 8:
                return family<8>();
            case 12:
                return family<12>();
            case 16:
                return family<16>();
            case 20:
                return family<20>();
            case 24:
                return family<24>();
            default:
                return family<0>();
        }
    }

    static HashMap& self(Map& map) noexcept { return static_cast<HashMap&>(map); }
    static const HashMap& self(const Map& map) noexcept { return static_cast<const HashMap&>(map); }

    [[nodiscard]] Element* at(std::uint32_t reference) const noexcept {
        return reinterpret_cast<Element*>(table_.region + std::size_t{reference} * kReferenceBytes);
    }
    [[nodiscard]] static std::byte* key_of(Element* element) noexcept {
        return reinterpret_cast<std::byte*>(element) + sizeof(Element);
    }
    [[nodiscard]] std::byte* value_of(Element* element) const noexcept {
        return reinterpret_cast<std::byte*>(element) + hash_value_offset(shape_.key_size);
    }
    template <std::uint32_t kKeyBytes>
    [[nodiscard]] std::uint32_t key_bytes() const noexcept {
        return kKeyBytes == 0 ? shape_.key_size : kKeyBytes;
    }
    template <std::uint32_t kKeyBytes>
    [[nodiscard]] std::uint32_t hash_of(const void* key) const noexcept {
        return hash_key(key, key_bytes<kKeyBytes>(), table_.seed);
    }
    [[nodiscard]] std::atomic<std::uint32_t>& bucket_of(std::uint32_t hash) const noexcept {
        return table_.buckets[hash >> bucket_shift_];
    }
    // Where comparing keys is as cheap as comparing hashes, the stored hash is not read.
    template <std::uint32_t kKeyBytes>
    [[nodiscard]] bool is_at(Element* element, std::uint32_t hash, const void* key) const noexcept {
        if (kKeyBytes == 0 && element->hash != hash) return false;
        return keys_agree(key_of(element), key, key_bytes<kKeyBytes>());
    }

    /// Returns the element with `key` on its bucket's chain, or nullptr; `link` becomes what refers to it.
    template <std::uint32_t kKeyBytes>
    Element* find(std::uint32_t hash, const void* key, std::atomic<std::uint32_t>** link) noexcept {
        *link = &bucket_of(hash);
        std::uint32_t reference = (*link)->load(std::memory_order_acquire);
        while (reference != 0) {
            Element* found = at(reference);
            if (is_at<kKeyBytes>(found, hash, key)) return found;
            *link = &found->next;
            reference = found->next.load(std::memory_order_acquire);
        }
        return nullptr;
    }

    // find() for readers.
    template <std::uint32_t kKeyBytes>
    static void* find_value(std::uint64_t map, const void* key) noexcept {
        const HashMap& hash_map = self(*reinterpret_cast<Map*>(static_cast<std::uintptr_t>(map)));
        const std::uint32_t hash = hash_map.hash_of<kKeyBytes>(key);
        std::uint32_t reference = hash_map.bucket_of(hash).load(std::memory_order_acquire);
        while (reference != 0) {
            Element* found = hash_map.at(reference);
            if (hash_map.is_at<kKeyBytes>(found, hash, key)) {
                return reinterpret_cast<std::byte*>(found) +
                       hash_value_offset(hash_map.key_bytes<kKeyBytes>());
            }
            reference = found->next.load(std::memory_order_acquire);
        }
        return nullptr;
    }

    static Status read(Map& map, const void* key, void* value) noexcept {
        HashMap& hash_map = self(map);
        std::atomic<std::uint32_t>* link = nullptr;
        Element* found = hash_map.find<0>(hash_map.hash_of<0>(key), key, &link);
        if (found == nullptr) return Status::NotFound;
        while (true) {
            const std::uint32_t before = found->sequence.load(std::memory_order_acquire);
            copy_out(value, hash_map.value_of(found), map.shape().value_size);
            std::atomic_thread_fence(std::memory_order_acquire);
            if ((before & 1U) == 0 && found->sequence.load(std::memory_order_relaxed) == before)
                return Status::Ok;
            platform::yield();
        }
    }

    void write_in_place(Element* target, const void* value) noexcept {
        const std::uint32_t before = target->sequence.load(std::memory_order_relaxed);
        target->sequence.store(before + 1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_release);
        copy_in(value_of(target), value, shape_.value_size);
        target->sequence.store(before + 2, std::memory_order_release);
    }

    template <std::uint32_t kKeyBytes>
    void fill(Element* fresh, std::uint32_t hash, const void* key, const void* value) noexcept {
        fresh->hash = hash;
        const std::uint32_t bytes = key_bytes<kKeyBytes>();
        std::memcpy(key_of(fresh), key, bytes);
        copy_in(reinterpret_cast<std::byte*>(fresh) + hash_value_offset(bytes), value, shape_.value_size);
    }

    template <std::uint32_t kKeyBytes>
    static Status update(Map& map, const void* key, const void* value, std::uint64_t flags) noexcept {
        HashMap& hash_map = self(map);
        const std::uint32_t hash = hash_map.hash_of<kKeyBytes>(key);
        ElementPool::Batch* batch = nullptr;
        {
            const platform::LockScope scope(hash_map.lock_);
            std::atomic<std::uint32_t>* link = nullptr;
            Element* old = hash_map.find<kKeyBytes>(hash, key, &link);
            if (old == nullptr) {
                if (flags == spec::kUpdateExist) return Status::NotFound;
                return hash_map.insert<kKeyBytes>(hash, key, value);
            }
            if (flags == spec::kUpdateNoExist) return Status::AlreadyExists;
            batch = hash_map.replace<kKeyBytes>(*link, old, hash, key, value);
        }
        if (batch != nullptr) [[unlikely]]
            hash_map.pool_.hand_over(*batch);
        return Status::Ok;
    }

    // The lock is held. Only writers change the count.
    template <std::uint32_t kKeyBytes>
    Status insert(std::uint32_t hash, const void* key, const void* value) noexcept {
        const std::uint32_t count = header_->count.load(std::memory_order_relaxed);
        if (count >= shape_.max_entries) return Status::TooBig;
        Element* fresh = pool_.take();
        if (fresh == nullptr) return Status::OutOfMemory;
        fill<kKeyBytes>(fresh, hash, key, value);
        std::atomic<std::uint32_t>& bucket = bucket_of(hash);
        fresh->next.store(bucket.load(std::memory_order_relaxed), std::memory_order_relaxed);
        bucket.store(pool_.reference_to(*fresh), std::memory_order_release);
        header_->count.store(count + 1, std::memory_order_relaxed);
        return Status::Ok;
    }

    // The lock is held.
    template <std::uint32_t kKeyBytes>
    ElementPool::Batch* replace(std::atomic<std::uint32_t>& link, Element* old, std::uint32_t hash,
                                const void* key, const void* value) noexcept {
        Element* fresh = pool_.take();
        if (fresh == nullptr) {
            write_in_place(old, value);
            return nullptr;
        }
        fill<kKeyBytes>(fresh, hash, key, value);
        fresh->next.store(old->next.load(std::memory_order_relaxed), std::memory_order_relaxed);
        link.store(pool_.reference_to(*fresh), std::memory_order_release);
        return pool_.retire(*old);
    }

    template <std::uint32_t kKeyBytes>
    static Status erase(Map& map, const void* key) noexcept {
        HashMap& hash_map = self(map);
        const std::uint32_t hash = hash_map.hash_of<kKeyBytes>(key);
        ElementPool::Batch* batch = nullptr;
        {
            const platform::LockScope scope(hash_map.lock_);
            std::atomic<std::uint32_t>* link = nullptr;
            Element* old = hash_map.find<kKeyBytes>(hash, key, &link);
            if (old == nullptr) return Status::NotFound;
            link->store(old->next.load(std::memory_order_relaxed), std::memory_order_release);
            std::atomic<std::uint32_t>& count = hash_map.header_->count;
            count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
            batch = hash_map.pool_.retire(*old);
        }
        if (batch != nullptr) [[unlikely]]
            hash_map.pool_.hand_over(*batch);
        return Status::Ok;
    }

    // Order of iteration: bucket by bucket, along each chain. A key that has gone starts again, as in the
    // kernel.
    static Status next_key(Map& map, const void* key, void* next) noexcept {
        HashMap& hash_map = self(map);
        std::uint32_t bucket = 0;
        std::uint32_t reference = 0;
        if (key != nullptr) {
            const std::uint32_t hash = hash_map.hash_of<0>(key);
            std::atomic<std::uint32_t>* link = nullptr;
            if (const Element* found = hash_map.find<0>(hash, key, &link)) {
                reference = found->next.load(std::memory_order_acquire);
                bucket = (hash >> hash_map.bucket_shift_) + 1;
            }
        }
        for (; reference == 0 && bucket < hash_map.header_->bucket_count; ++bucket) {
            reference = hash_map.table_.buckets[bucket].load(std::memory_order_acquire);
        }
        if (reference == 0) return Status::NotFound;
        std::memcpy(next, key_of(hash_map.at(reference)), map.shape().key_size);
        return Status::Ok;
    }

    // Bucket by bucket. On a chain every step leads nearer to its end, whatever happens meanwhile: new
    // elements come first or take the place of one, and one that is gone keeps its `next`. Elements that move
    // on to later buckets could still be met for ever; hence the bound.
    static std::uint32_t visit(Map& map, VisitFunction function, void* state) noexcept {
        HashMap& hash_map = self(map);
        std::uint32_t visited = 0;
        for (std::uint32_t bucket = 0; bucket < hash_map.header_->bucket_count; ++bucket) {
            std::uint32_t reference = hash_map.table_.buckets[bucket].load(std::memory_order_acquire);
            while (reference != 0) {
                if (visited == map.shape().max_entries) return visited;
                ++visited;
                Element* element = hash_map.at(reference);
                if (!function(state, key_of(element), hash_map.value_of(element))) return visited;
                reference = element->next.load(std::memory_order_acquire);
            }
        }
        return visited;
    }

    static std::uint32_t count(const Map& map) noexcept {
        return self(map).header_->count.load(std::memory_order_relaxed);
    }

    // What lookups read comes first, what writers change has its own cache line.
    HashTable table_;
    std::uint32_t bucket_shift_ = 0;
    RegionHeader* header_ = nullptr;
    alignas(kCacheLine) platform::SpinLock lock_;
    ElementPool pool_;
};

template <std::uint32_t kKeyBytes>
constinit const MapOps HashMap::kOps{
    .destroy = destroy_family<HashMap>,
    .read = read,
    .update = update<kKeyBytes>,
    .erase = erase<kKeyBytes>,
    .next_key = next_key,
    .count = count,
    .visit = visit,
};

}  // namespace

StatusOr<Map*> create_hash(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    return create_family<HashMap>(shape, domain);
}

}  // namespace ebpf::maps
