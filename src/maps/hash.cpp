// SPDX-License-Identifier: MIT
// Hash: lookups take no lock; writers lock one bucket. Elements are preallocated in the region and recycled
// by epochs.
//
// Invariants
// - A bucket is a chain of element numbers (number + 1; 0 ends it). Writers hold the bucket's lock.
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
#include "maps/map.hpp"
#include "maps/region.hpp"
#include "platform/cpu.hpp"
#include "platform/random.hpp"

namespace ebpf::maps {
namespace {

struct Element {
    std::atomic<std::uint32_t> next{0};
    std::atomic<std::uint32_t> sequence{0};
    std::uint32_t hash = 0;
    std::uint32_t reserved = 0;
    // key bytes, padded to kValueAlignment, then the value
};
static_assert(sizeof(Element) % kValueAlignment == 0);

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

std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

/// Keyed hash by multiply-and-fold, eight bytes a step; the secret seed keeps clients from choosing
/// collisions blindly.
std::uint32_t hash_key(const void* key, std::size_t bytes, std::span<const std::uint64_t, 2> seed) noexcept {
    constexpr std::uint64_t kOdd1 = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
    constexpr std::uint64_t kOdd2 = 0xd1b54a32d192ed03;  // odd, bits evenly spread
    const auto* at = static_cast<const unsigned char*>(key);
    std::uint64_t state = seed[0] ^ (bytes * kOdd1);
    for (; bytes >= 8; at += 8, bytes -= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        state = fold(state ^ word ^ kOdd2, seed[1] | 1U);
    }
    std::uint64_t tail = 0;
    std::memcpy(&tail, at, bytes);
    state = fold(state ^ tail, kOdd2);
    state = fold(state ^ seed[1], kOdd1);
    return static_cast<std::uint32_t>(state ^ (state >> 32U));
}

class HashMap final : public Map {
  public:
    HashMap(const spec::MapShape& shape, epoch::Domain& domain) noexcept : Map(shape, kOps, domain) {}
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
        value_offset_ = sizeof(Element) + round_up(shape_.key_size, kValueAlignment);
        stride_ = value_offset_ + round_up(shape_.value_size, kValueAlignment);
        const std::uint64_t buckets_offset = round_up(sizeof(RegionHeader), kValueAlignment);
        const std::uint64_t elements_offset =
            round_up(buckets_offset + std::uint64_t{buckets} * sizeof(std::uint32_t), kValueAlignment);
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
        // Pages arrive zeroed: empty buckets need no initialisation.
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
        return platform::fill_random(std::as_writable_bytes(std::span(seed_)));
    }

    [[nodiscard]] Element* element(std::uint32_t number) const noexcept {
        return reinterpret_cast<Element*>(elements_ + stride_ * (number - 1));
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
    SpinLock& lock_of(std::uint32_t bucket) noexcept { return locks_[bucket & (lock_count_ - 1)]; }

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
    std::uint32_t take_element() noexcept {
        std::uint32_t number = pop_free();
        if (number == 0) {
            domain_->collect();
            number = pop_free();
        }
        return number;
    }
    static void recycle(epoch::Retired* node) noexcept {
        auto* side = static_cast<Side*>(node);
        side->owner->push_free(static_cast<std::uint32_t>(side - side->owner->side_) + 1);
    }

    /// Returns the element with `key` on `bucket`'s chain, or 0; `link` becomes what points to it.
    std::uint32_t find(std::uint32_t bucket, std::uint32_t hash, const void* key,
                       std::atomic<std::uint32_t>** link) noexcept {
        std::atomic<std::uint32_t>* at = &buckets_[bucket];
        std::uint32_t number = at->load(std::memory_order_acquire);
        while (number != 0) {
            Element* found = element(number);
            if (found->hash == hash && std::memcmp(key_of(found), key, shape_.key_size) == 0) break;
            at = &found->next;
            number = at->load(std::memory_order_acquire);
        }
        *link = at;
        return number;
    }

    static void* lookup(Map& map, const void* key) noexcept {
        HashMap& hash_map = self(map);
        const std::uint32_t hash = hash_map.hash_of(key);
        std::atomic<std::uint32_t>* link = nullptr;
        const std::uint32_t number = hash_map.find(hash & hash_map.bucket_mask_, hash, key, &link);
        return number == 0 ? nullptr : hash_map.value_of(hash_map.element(number));
    }

    static Status read(Map& map, const void* key, void* value) noexcept {
        HashMap& hash_map = self(map);
        const std::uint32_t hash = hash_map.hash_of(key);
        std::atomic<std::uint32_t>* link = nullptr;
        const std::uint32_t number = hash_map.find(hash & hash_map.bucket_mask_, hash, key, &link);
        if (number == 0) return Status::NotFound;
        Element* found = hash_map.element(number);
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
        const std::uint32_t bucket = hash & hash_map.bucket_mask_;
        const LockScope scope(hash_map.lock_of(bucket));
        std::atomic<std::uint32_t>* link = nullptr;
        const std::uint32_t old = hash_map.find(bucket, hash, key, &link);
        if (old != 0 && flags == spec::kUpdateNoExist) return Status::AlreadyExists;
        if (old == 0 && flags == spec::kUpdateExist) return Status::NotFound;
        return old == 0 ? hash_map.insert(bucket, hash, key, value)
                        : hash_map.replace(link, old, hash, key, value);
    }

    Status insert(std::uint32_t bucket, std::uint32_t hash, const void* key, const void* value) noexcept {
        if (header_->count.fetch_add(1, std::memory_order_relaxed) >= shape_.max_entries) {
            header_->count.fetch_sub(1, std::memory_order_relaxed);
            return Status::TooBig;
        }
        const std::uint32_t number = take_element();
        if (number == 0) {
            header_->count.fetch_sub(1, std::memory_order_relaxed);
            return Status::OutOfMemory;
        }
        Element* fresh = element(number);
        fill(fresh, hash, key, value);
        fresh->next.store(buckets_[bucket].load(std::memory_order_relaxed), std::memory_order_relaxed);
        buckets_[bucket].store(number, std::memory_order_release);
        return Status::Ok;
    }

    Status replace(std::atomic<std::uint32_t>* link, std::uint32_t old, std::uint32_t hash, const void* key,
                   const void* value) noexcept {
        const std::uint32_t number = take_element();
        if (number == 0) {
            write_in_place(element(old), value);
            return Status::Ok;
        }
        Element* fresh = element(number);
        fill(fresh, hash, key, value);
        fresh->next.store(element(old)->next.load(std::memory_order_relaxed), std::memory_order_relaxed);
        link->store(number, std::memory_order_release);
        domain_->retire(&side_[old - 1]);
        return Status::Ok;
    }

    static Status erase(Map& map, const void* key) noexcept {
        HashMap& hash_map = self(map);
        const std::uint32_t hash = hash_map.hash_of(key);
        const std::uint32_t bucket = hash & hash_map.bucket_mask_;
        const LockScope scope(hash_map.lock_of(bucket));
        std::atomic<std::uint32_t>* link = nullptr;
        const std::uint32_t number = hash_map.find(bucket, hash, key, &link);
        if (number == 0) return Status::NotFound;
        link->store(hash_map.element(number)->next.load(std::memory_order_relaxed),
                    std::memory_order_release);
        hash_map.header_->count.fetch_sub(1, std::memory_order_relaxed);
        hash_map.domain_->retire(&hash_map.side_[number - 1]);
        return Status::Ok;
    }

    // Order of iteration: bucket by bucket, along each chain. A key that has gone starts again, as in the
    // kernel.
    static Status next_key(Map& map, const void* key, void* next) noexcept {
        HashMap& hash_map = self(map);
        std::uint32_t bucket = 0;
        std::uint32_t number = 0;
        if (key != nullptr) {
            const std::uint32_t hash = hash_map.hash_of(key);
            std::atomic<std::uint32_t>* link = nullptr;
            const std::uint32_t at = hash_map.find(hash & hash_map.bucket_mask_, hash, key, &link);
            if (at != 0) {
                number = hash_map.element(at)->next.load(std::memory_order_acquire);
                bucket = (hash & hash_map.bucket_mask_) + 1;
            }
        }
        for (; number == 0 && bucket <= hash_map.bucket_mask_; ++bucket) {
            number = hash_map.buckets_[bucket].load(std::memory_order_acquire);
        }
        if (number == 0) return Status::NotFound;
        std::memcpy(next, key_of(hash_map.element(number)), map.shape().key_size);
        return Status::Ok;
    }

    static std::uint32_t count(const Map& map) noexcept {
        return static_cast<const HashMap&>(map).header_->count.load(std::memory_order_relaxed);
    }

    RegionHeader* header_ = nullptr;
    std::atomic<std::uint32_t>* buckets_ = nullptr;
    std::byte* elements_ = nullptr;
    std::uint64_t stride_ = 0;
    std::uint64_t value_offset_ = 0;
    std::uint32_t bucket_mask_ = 0;
    std::uint32_t element_count_ = 0;
    std::uint32_t lock_count_ = 0;
    Side* side_ = nullptr;
    SpinLock* locks_ = nullptr;
    std::uint64_t seed_[2] = {};
    alignas(64) std::atomic<std::uint64_t> free_head_{0};
};

constinit const MapOps HashMap::kOps{
    .destroy = destroy_family<HashMap>,
    .lookup = lookup,
    .read = read,
    .update = update,
    .erase = erase,
    .next_key = next_key,
    .count = count,
};

}  // namespace

StatusOr<Map*> create_hash(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    return create_family<HashMap>(shape, domain);
}

}  // namespace ebpf::maps
