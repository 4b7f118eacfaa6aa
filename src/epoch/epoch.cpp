// SPDX-License-Identifier: MIT
#include "epoch/epoch.hpp"

#include <new>

#include "base/allocate.hpp"
#include "base/assert.hpp"
#include "platform/cpu.hpp"

namespace ebpf::epoch {
namespace {

constexpr std::size_t kCollectEvery = 64;  // retired nodes between attempts to free
constexpr std::uint32_t kMaxSlots = 1U << 16U;

}  // namespace

StatusOr<Domain*> Domain::create(std::uint32_t slots) noexcept {
    if (slots == 0 || slots > kMaxSlots) return std::unexpected(Status::InvalidArgument);
    void* memory = allocate(sizeof(Domain), alignof(Domain));
    if (memory == nullptr) return std::unexpected(Status::OutOfMemory);
    auto* domain = ::new (memory) Domain();
    domain->slots_ = slots;
    domain->participant_count_ = slots + kReaders;
    const std::size_t bytes = domain->participant_count_ * sizeof(Participant);
    auto* participants = static_cast<Participant*>(allocate(bytes, alignof(Participant)));
    if (participants == nullptr) {
        domain->~Domain();
        release(memory, sizeof(Domain), alignof(Domain));
        return std::unexpected(Status::OutOfMemory);
    }
    for (std::uint32_t i = 0; i < domain->participant_count_; ++i) ::new (&participants[i]) Participant();
    domain->participants_ = participants;
    domain->fences_for_all_ = platform::prepare_fence_all_threads();
    return domain;
}

void Domain::destroy(Domain* domain) noexcept {
    if (domain == nullptr) return;
    EBPF_ASSERT(domain->oldest_inside() == ~std::uint64_t{0});
    // free() may retire more: go on until nothing is left.
    while (domain->pending() != 0) domain->collect();
    release(domain->participants_, domain->participant_count_ * sizeof(Participant), alignof(Participant));
    domain->~Domain();
    release(domain, sizeof(Domain), alignof(Domain));
}

bool Domain::try_lease(Slot slot) noexcept {
    std::atomic<bool>& is_leased = participants_[slot].is_leased;
    return !is_leased.load(std::memory_order_relaxed) && !is_leased.exchange(true, std::memory_order_acquire);
}

StatusOr<Slot> Domain::lease_slot() noexcept {
    for (Slot slot = 0; slot < slots_; ++slot) {
        if (try_lease(slot)) return slot;
    }
    return std::unexpected(Status::Busy);
}

Slot Domain::lease_reader() noexcept {
    while (true) {
        for (Slot slot = slots_; slot < participant_count_; ++slot) {
            if (try_lease(slot)) return slot;
        }
        platform::yield();
    }
}

void Domain::give_back(Slot slot) noexcept {
    EBPF_ASSERT(participants_[slot].depth == 0);
    participants_[slot].is_leased.store(false, std::memory_order_release);
}

void Domain::retire(Retired* node) noexcept {
    node->next = incoming_.load(std::memory_order_relaxed);
    while (!incoming_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                            std::memory_order_relaxed)) {
    }
    if ((pending_.fetch_add(1, std::memory_order_relaxed) + 1) % kCollectEvery == 0) collect();
}

std::uint64_t Domain::oldest_inside() const noexcept {
    std::uint64_t oldest = ~std::uint64_t{0};
    for (std::uint32_t i = 0; i < participant_count_; ++i) {
        const std::uint64_t entered = participants_[i].epoch.load(std::memory_order_acquire);
        if (entered != 0 && entered < oldest) oldest = entered;
    }
    return oldest;
}

void Domain::take_incoming() noexcept {
    // The stack holds the newest first; turn it round, so that nodes are freed in the order they were
    // retired.
    Retired* fresh = incoming_.exchange(nullptr, std::memory_order_acquire);
    const std::uint64_t epoch = global_.fetch_add(1, std::memory_order_seq_cst);
    Retired* oldest = nullptr;
    Retired* newest = fresh;
    while (fresh != nullptr) {
        Retired* node = fresh;
        fresh = node->next;
        node->next = oldest;
        node->epoch = epoch;
        oldest = node;
    }
    if (oldest == nullptr) return;
    (waiting_last_ == nullptr ? waiting_first_ : waiting_last_->next) = oldest;
    waiting_last_ = newest;
}

std::size_t Domain::free_older_than(std::uint64_t limit) noexcept {
    std::size_t freed = 0;
    // Epochs ascend along the list.
    while (waiting_first_ != nullptr && waiting_first_->epoch < limit) {
        Retired* node = waiting_first_;
        waiting_first_ = node->next;
        if (waiting_first_ == nullptr) waiting_last_ = nullptr;
        node->free(node);
        ++freed;
    }
    pending_.fetch_sub(freed, std::memory_order_relaxed);
    return freed;
}

bool Domain::try_collect(std::size_t& freed) noexcept {
    if (is_collecting_.exchange(true, std::memory_order_acquire)) return false;
    take_incoming();
    // Without a fence nothing is known about readers: what was taken waits for the next time.
    freed = fence() ? free_older_than(oldest_inside()) : 0;
    is_collecting_.store(false, std::memory_order_release);
    return true;
}

bool Domain::fence() const noexcept {
    if (fences_for_all_) return platform::fence_all_threads();
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return true;
}

std::size_t Domain::collect() noexcept {
    std::size_t freed = 0;
    try_collect(freed);
    return freed;
}

void Domain::synchronise() noexcept {
    std::size_t freed = 0;
    // Takes what was retired before, which is all below the epoch that begins with it.
    while (!try_collect(freed)) platform::yield();
    const std::uint64_t target = global_.load(std::memory_order_seq_cst);
    while (oldest_inside() < target) platform::yield();
    while (!try_collect(freed)) platform::yield();
}

}  // namespace ebpf::epoch
