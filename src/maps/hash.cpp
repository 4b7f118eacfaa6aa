// SPDX-License-Identifier: MIT
// Hash: lookups take no lock; writers lock one bucket. Elements are preallocated in the region and recycled
// by epochs.
//
// Invariants
// - A bucket is a chain of references: an element's offset in the region in units of kReferenceBytes, never
// 0;
//   0 ends the chain. Writers hold the bucket's lock.
// - An element is on a chain, on the free list, or retired (unlinked, waiting until no reader can be on it).
// A retired
//   element keeps its `next`, so that a reader standing on it finds the rest of its chain.
// - count <= max_entries. There are more elements than max_entries, so that replaced and deleted ones can
// wait.
// - An element's `sequence` is odd while its value is being written in place; copies made by read() retry
// then. A
//   program that holds the value's address sees updates in place word by word, as with the kernel's maps.
// - The hash seed and all addresses stay outside the region, which other processes may read.
#include <atomic>
#include <cstring>
#include <new>
#include <span>

#include "base/allocate.hpp"
#include "maps/families.hpp"
#include "maps/key_hash.hpp"
#include "maps/map.hpp"
#include "maps/region.hpp"
#include "platform/cpu.hpp"
#include "platform/random.hpp"

namespace ebpf::maps {
namespace {

struct Element {
    std::atomic<std::uint32_t> next{0};  // reference
    std::atomic<std::uint32_t> sequence{0};
    std::uint32_t hash = 0;
    std::uint32_t number = 0;  // of the element, from 1; set once
    // key bytes, padded to kValueAlignment, then the value
};
static_assert(sizeof(Element) % kValueAlignment == 0);

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kReferenceBytes = 8;
static_assert(spec::kMaxMapBytes / kReferenceBytes <= 0xffffffffU && kValueAlignment % kReferenceBytes == 0);
constexpr std::uint32_t kMaxLocks = 4096;
constexpr std::uint32_t kLeastSpare = 256;  // elements beyond max_entries that may wait for readers
constexpr std::uint32_t kSpareShare = 8;    // and this part of max_entries
constexpr std::uint32_t kMaxElements = 1U << 31U;
constexpr unsigned kSpinsBeforeYield = 128;

/// A lock for a handful of stores. A holder may be preempted, so waiting ends in yields.
class SpinLock {
  public:
    void lock() noexcept {
        for (unsigned spins = 0; is_taken_.exchange(true, std::memory_order_acquire); ++spins) {
            spins < kSpinsBeforeYield ? platform::relax() : platform::yield();
        }
    }
    void unlock() noexcept { is_taken_.store(false, std::memory_order_release); }

  private:
    std::atomic<bool> is_taken_{false};
};

class LockScope {
  public:
    explicit LockScope(SpinLock& lock) noexcept : lock_(lock) { lock_.lock(); }
    ~LockScope() { lock_.unlock(); }
    LockScope(const LockScope&) = delete;
    LockScope& operator=(const LockScope&) = delete;

  private:
    SpinLock& lock_;
};

class HashMap final : public Map {
  public:
    HashMap(const spec::MapShape& shape, epoch::Domain& domain) noexcept
        : Map(shape, kOps, lookup_for(shape.key_size), domain) {}
    ~HashMap() {
        release(side_, std::size_t{element_count_} * sizeof(Side), alignof(Side));
        release(locks_, std::size_t{lock_count_} * sizeof(SpinLock), alignof(SpinLock));
    }
    HashMap(const HashMap&) = delete;
    HashMap& operator=(const HashMap&) = delete;

    [[nodiscard]] bool set_up() noexcept {
        const std::uint64_t elements =
            std::uint64_t{shape_.max_entries} + kLeastSpare + shape_.max_entries / kSpareShare;
        if (elements > kMaxElements) return false;
        element_count_ = static_cast<std::uint32_t>(elements);
        std::uint32_t buckets = 1;
        while (buckets < shape_.max_entries && buckets < kMaxElements) buckets *= 2;
        bucket_mask_ = buckets - 1;
        value_offset_ = value_offset_for(shape_.key_size);
        stride_ = value_offset_ + round_up(shape_.value_size, kValueAlignment);
        const std::uint64_t buckets_offset = round_up(sizeof(RegionHeader), kValueAlignment);
        const std::uint64_t elements_offset =
            round_up(buckets_offset + std::uint64_t{buckets} * sizeof(std::uint32_t), kCacheLine);
        const std::uint64_t bytes = elements_offset + stride_ * element_count_;
        // With small keys and values, what surrounds them is many times their size.
        if (bytes + element_count_ * sizeof(Side) > spec::kMaxMapBytes) return false;
        if (!take_region(bytes)) return false;

        header_ = ::new (region_) RegionHeader();
        header_->shape = shape_;
        header_->element_stride = static_cast<std::uint32_t>(stride_);
        header_->elements_offset = elements_offset;
        header_->buckets_offset = buckets_offset;
        header_->bucket_count = buckets;
        // Pages arrive zeroed: empty buckets and unused elements need no initialisation.
        buckets_ = reinterpret_cast<std::atomic<std::uint32_t>*>(region_ + buckets_offset);
        elements_ = region_ + elements_offset;
        return set_up_side(buckets);
    }

  private:
    struct Side : epoch::Retired {
        HashMap* owner = nullptr;
        std::atomic<std::uint32_t> next_free{0};
    };

    static const MapOps kOps;

    static HashMap& self(Map& map) noexcept { return static_cast<HashMap&>(map); }

    bool set_up_side(std::uint32_t buckets) noexcept {
        side_ = static_cast<Side*>(allocate(std::size_t{element_count_} * sizeof(Side), alignof(Side)));
        if (side_ == nullptr) return false;
        lock_count_ = buckets < kMaxLocks ? buckets : kMaxLocks;
        locks_ =
            static_cast<SpinLock*>(allocate(std::size_t{lock_count_} * sizeof(SpinLock), alignof(SpinLock)));
        if (locks_ == nullptr) return false;
        for (std::uint32_t i = 0; i < lock_count_; ++i) ::new (&locks_[i]) SpinLock();
        for (std::uint32_t i = 0; i < element_count_; ++i) {
            auto* side = ::new (&side_[i]) Side();
            side->owner = this;
            side->free = recycle;
            side->next_free.store(i + 2 > element_count_ ? 0 : i + 2, std::memory_order_relaxed);
        }
        free_head_.store(1, std::memory_order_relaxed);
        if (!platform::fill_random(std::as_writable_bytes(std::span(seed_.words)))) return false;
        seed_.words[1] |= 1U;
        return true;
    }

    [[nodiscard]] Element* element(std::uint32_t number) const noexcept {
        return reinterpret_cast<Element*>(elements_ + stride_ * (number - 1));
    }
    /// Requires: `reference` is not 0.
    [[nodiscard]] Element* at(std::uint32_t reference) const noexcept {
        return reinterpret_cast<Element*>(region_ + std::size_t{reference} * kReferenceBytes);
    }
    [[nodiscard]] std::uint32_t reference_to(const Element* element) const noexcept {
        const auto offset = reinterpret_cast<const std::byte*>(element) - region_;
        return static_cast<std::uint32_t>(static_cast<std::size_t>(offset) / kReferenceBytes);
    }
    [[nodiscard]] static std::byte* key_of(Element* element) noexcept {
        return reinterpret_cast<std::byte*>(element) + sizeof(Element);
    }
    [[nodiscard]] std::byte* value_of(Element* element) const noexcept {
        return reinterpret_cast<std::byte*>(element) + value_offset_;
    }
    [[nodiscard]] std::uint32_t hash_of(const void* key) const noexcept {
        return hash_key(key, shape_.key_size, seed_);
    }
    // There are at most as many locks as buckets, so that a bucket has one lock.
    SpinLock& lock_of(std::uint32_t hash) noexcept { return locks_[hash & (lock_count_ - 1)]; }

    // The free list is a stack whose head carries a counter in its upper half, against reuse between load and
    // exchange.
    std::uint32_t pop_free() noexcept {
        std::uint64_t head = free_head_.load(std::memory_order_acquire);
        while (true) {
            const auto number = static_cast<std::uint32_t>(head);
            if (number == 0) return 0;
            const std::uint64_t next = side_[number - 1].next_free.load(std::memory_order_relaxed);
            const std::uint64_t tagged = ((head >> 32U) + 1) << 32U | next;
            if (free_head_.compare_exchange_weak(head, tagged, std::memory_order_acquire)) return number;
        }
    }
    void push_free(std::uint32_t number) noexcept {
        std::uint64_t head = free_head_.load(std::memory_order_relaxed);
        while (true) {
            side_[number - 1].next_free.store(static_cast<std::uint32_t>(head), std::memory_order_relaxed);
            const std::uint64_t tagged = ((head >> 32U) + 1) << 32U | number;
            if (free_head_.compare_exchange_weak(head, tagged, std::memory_order_release)) return;
        }
    }
    Element* take_element() noexcept {
        std::uint32_t number = pop_free();
        if (number == 0) {
            domain_->collect();
            number = pop_free();
        }
        if (number == 0) return nullptr;
        Element* taken = element(number);
        taken->number = number;
        return taken;
    }
    void retire(const Element* unlinked) noexcept { domain_->retire(&side_[unlinked->number - 1]); }
    static void recycle(epoch::Retired* node) noexcept {
        auto* side = static_cast<Side*>(node);
        side->owner->push_free(static_cast<std::uint32_t>(side - side->owner->side_) + 1);
    }

    /// Returns the element with `key` on its bucket's chain, or nullptr; `link` becomes what refers to it.
    Element* find(std::uint32_t hash, const void* key, std::atomic<std::uint32_t>** link) noexcept {
        *link = &buckets_[hash & bucket_mask_];
        std::uint32_t reference = (*link)->load(std::memory_order_acquire);
        while (reference != 0) {
            Element* found = at(reference);
            if (found->hash == hash && keys_agree(key_of(found), key, shape_.key_size)) return found;
            *link = &found->next;
            reference = found->next.load(std::memory_order_acquire);
        }
        return nullptr;
    }

    // find() for readers, once for each common size of keys; kKeyBytes 0: any size. Where comparing keys is
    // as cheap as comparing hashes, the stored hash is not read.
    template <std::uint32_t kKeyBytes>
    static void* lookup(std::uint64_t map, const void* key) noexcept {
        const HashMap& hash_map = self(*reinterpret_cast<Map*>(static_cast<std::uintptr_t>(map)));
        const std::uint32_t key_bytes = kKeyBytes == 0 ? hash_map.shape_.key_size : kKeyBytes;
        const std::uint32_t hash = hash_key(key, key_bytes, hash_map.seed_);
        std::uint32_t reference =
            hash_map.buckets_[hash & hash_map.bucket_mask_].load(std::memory_order_acquire);
        while (reference != 0) {
            Element* found = hash_map.at(reference);
            const bool may_agree = kKeyBytes != 0 || found->hash == hash;
            if (may_agree && keys_agree(key_of(found), key, key_bytes)) {
                return reinterpret_cast<std::byte*>(found) + value_offset_for(key_bytes);
            }
            reference = found->next.load(std::memory_order_acquire);
        }
        return nullptr;
    }
    static LookupFunction lookup_for(std::uint32_t key_bytes) noexcept {
        switch (key_bytes) {
            case 4:
                return lookup<4>;
            case 8:
                return lookup<8>;
            case 16:
                return lookup<16>;
            default:
                return lookup<0>;
        }
    }

    static Status read(Map& map, const void* key, void* value) noexcept {
        HashMap& hash_map = self(map);
        std::atomic<std::uint32_t>* link = nullptr;
        Element* found = hash_map.find(hash_map.hash_of(key), key, &link);
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

    void fill(Element* fresh, std::uint32_t hash, const void* key, const void* value) noexcept {
        fresh->hash = hash;
        std::memcpy(key_of(fresh), key, shape_.key_size);
        copy_in(value_of(fresh), value, shape_.value_size);
    }

    static Status update(Map& map, const void* key, const void* value, std::uint64_t flags) noexcept {
        HashMap& hash_map = self(map);
        const std::uint32_t hash = hash_map.hash_of(key);
        const LockScope scope(hash_map.lock_of(hash));
        std::atomic<std::uint32_t>* link = nullptr;
        Element* old = hash_map.find(hash, key, &link);
        if (old != nullptr && flags == spec::kUpdateNoExist) return Status::AlreadyExists;
        if (old == nullptr && flags == spec::kUpdateExist) return Status::NotFound;
        return old == nullptr ? hash_map.insert(hash, key, value)
                              : hash_map.replace(*link, old, hash, key, value);
    }

    Status insert(std::uint32_t hash, const void* key, const void* value) noexcept {
        if (header_->count.fetch_add(1, std::memory_order_relaxed) >= shape_.max_entries) {
            header_->count.fetch_sub(1, std::memory_order_relaxed);
            return Status::TooBig;
        }
        Element* fresh = take_element();
        if (fresh == nullptr) {
            header_->count.fetch_sub(1, std::memory_order_relaxed);
            return Status::OutOfMemory;
        }
        fill(fresh, hash, key, value);
        std::atomic<std::uint32_t>& bucket = buckets_[hash & bucket_mask_];
        fresh->next.store(bucket.load(std::memory_order_relaxed), std::memory_order_relaxed);
        bucket.store(reference_to(fresh), std::memory_order_release);
        return Status::Ok;
    }

    Status replace(std::atomic<std::uint32_t>& link, Element* old, std::uint32_t hash, const void* key,
                   const void* value) noexcept {
        Element* fresh = take_element();
        if (fresh == nullptr) {
            write_in_place(old, value);
            return Status::Ok;
        }
        fill(fresh, hash, key, value);
        fresh->next.store(old->next.load(std::memory_order_relaxed), std::memory_order_relaxed);
        link.store(reference_to(fresh), std::memory_order_release);
        retire(old);
        return Status::Ok;
    }

    static Status erase(Map& map, const void* key) noexcept {
        HashMap& hash_map = self(map);
        const std::uint32_t hash = hash_map.hash_of(key);
        const LockScope scope(hash_map.lock_of(hash));
        std::atomic<std::uint32_t>* link = nullptr;
        const Element* old = hash_map.find(hash, key, &link);
        if (old == nullptr) return Status::NotFound;
        link->store(old->next.load(std::memory_order_relaxed), std::memory_order_release);
        hash_map.header_->count.fetch_sub(1, std::memory_order_relaxed);
        hash_map.retire(old);
        return Status::Ok;
    }

    // Order of iteration: bucket by bucket, along each chain. A key that has gone starts again, as in the
    // kernel.
    static Status next_key(Map& map, const void* key, void* next) noexcept {
        HashMap& hash_map = self(map);
        std::uint32_t bucket = 0;
        std::uint32_t reference = 0;
        if (key != nullptr) {
            const std::uint32_t hash = hash_map.hash_of(key);
            std::atomic<std::uint32_t>* link = nullptr;
            if (const Element* found = hash_map.find(hash, key, &link)) {
                reference = found->next.load(std::memory_order_acquire);
                bucket = (hash & hash_map.bucket_mask_) + 1;
            }
        }
        for (; reference == 0 && bucket <= hash_map.bucket_mask_; ++bucket) {
            reference = hash_map.buckets_[bucket].load(std::memory_order_acquire);
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
        for (std::uint32_t bucket = 0; bucket <= hash_map.bucket_mask_; ++bucket) {
            std::uint32_t reference = hash_map.buckets_[bucket].load(std::memory_order_acquire);
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
        return static_cast<const HashMap&>(map).header_->count.load(std::memory_order_relaxed);
    }

    static constexpr std::uint64_t value_offset_for(std::uint32_t key_bytes) noexcept {
        return sizeof(Element) + round_up(key_bytes, kValueAlignment);
    }

    // What lookups read comes first.
    std::atomic<std::uint32_t>* buckets_ = nullptr;
    std::uint32_t bucket_mask_ = 0;
    HashSeed seed_;
    RegionHeader* header_ = nullptr;
    std::byte* elements_ = nullptr;
    std::uint64_t stride_ = 0;
    std::uint64_t value_offset_ = 0;
    std::uint32_t element_count_ = 0;
    std::uint32_t lock_count_ = 0;
    Side* side_ = nullptr;
    SpinLock* locks_ = nullptr;
    alignas(64) std::atomic<std::uint64_t> free_head_{0};
};

constinit const MapOps HashMap::kOps{
    .destroy = destroy_family<HashMap>,
    .read = read,
    .update = update,
    .erase = erase,
    .next_key = next_key,
    .count = count,
    .visit = visit,
};

}  // namespace

StatusOr<Map*> create_hash(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    return create_family<HashMap>(shape, domain);
}

}  // namespace ebpf::maps
