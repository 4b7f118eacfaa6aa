// SPDX-License-Identifier: MIT
#include "maps/element_pool.hpp"

#include <new>

#include "base/allocate.hpp"

namespace ebpf::maps {
namespace {

// These, a part of max_entries, and, as long as they are small, more: the more may wait, the less a
// collection costs each.
constexpr std::uint32_t kLeastSpare = 256;
constexpr std::uint32_t kSpareShare = 8;
constexpr std::uint64_t kMoreSpare = 768;
constexpr std::uint64_t kMoreSpareBytes = std::uint64_t{1} << 16U;
// While one batch is gathered, others wait.
constexpr std::uint32_t kBatchShare = 4;
constexpr std::uint32_t kMostInBatch = 256;
constexpr std::uint32_t kSmallBatches = 4;

}  // namespace

std::uint32_t ElementPool::spare_elements(std::uint32_t max_entries, std::uint64_t stride) noexcept {
    const std::uint64_t small = kMoreSpareBytes / stride;
    return kLeastSpare + max_entries / kSpareShare +
           static_cast<std::uint32_t>(small < kMoreSpare ? small : kMoreSpare);
}

ElementPool::~ElementPool() {
    release(batches_, batch_count_ * sizeof(Batch), alignof(Batch));
}

bool ElementPool::set_up(epoch::Domain& domain, std::byte* region, std::uint64_t elements,
                         std::uint64_t stride, std::uint32_t count, std::uint32_t spare) noexcept {
    domain_ = &domain;
    region_ = region;
    stride_ = stride;
    unused_ = region + elements;
    end_ = unused_ + stride * count;
    const std::uint32_t share = spare / kBatchShare;
    batch_elements_ = share < kMostInBatch ? share : kMostInBatch;
    // As many as there are full ones, and some that were not worth the wait.
    batch_count_ = count / batch_elements_ + kSmallBatches;
    void* const memory = allocate(batch_count_ * sizeof(Batch), alignof(Batch));
    if (memory == nullptr) return false;
    batches_ = static_cast<Batch*>(memory);
    for (std::uint32_t i = 0; i < batch_count_; ++i) {
        Batch* const batch = ::new (&batches_[i]) Batch();
        batch->pool = this;
        batch->free = give_back;
    }
    return true;
}

HashElement* ElementPool::take_slowly() noexcept {
    free_ = returned_.exchange(0, std::memory_order_acquire);
    if (free_ != 0) return take();
    if (unused_ != end_) {
        auto* const taken = reinterpret_cast<HashElement*>(unused_);
        unused_ += stride_;
        return taken;
    }
    // All that is left is waiting.
    if (Batch* const batch = gathered_count_ == 0 ? nullptr : fill_batch()) domain_->retire(batch);
    domain_->collect();
    free_ = returned_.exchange(0, std::memory_order_acquire);
    return free_ == 0 ? nullptr : take();
}

// While every batch waits, elements go on being gathered.
ElementPool::Batch* ElementPool::fill_batch() noexcept {
    Batch& batch = batches_[next_batch_];
    if (batch.is_waiting.load(std::memory_order_acquire)) return nullptr;
    if (++next_batch_ == batch_count_) next_batch_ = 0;
    batch.is_waiting.store(true, std::memory_order_relaxed);
    batch.first = gathered_;
    batch.last = gathered_last_;
    gathered_ = 0;
    gathered_count_ = 0;
    return &batch;
}

// Elements are only added here, or all taken: a head that comes back is no danger.
void ElementPool::give_back(epoch::Retired* node) noexcept {
    auto& batch = *static_cast<Batch*>(node);
    ElementPool& pool = *batch.pool;
    HashElement* const last = pool.at(batch.last);
    const std::uint32_t first = batch.first;
    std::uint32_t head = pool.returned_.load(std::memory_order_relaxed);
    do {
        last->link = head;
    } while (!pool.returned_.compare_exchange_weak(head, first, std::memory_order_release,
                                                   std::memory_order_relaxed));
    batch.is_waiting.store(false, std::memory_order_release);
}

}  // namespace ebpf::maps
