// SPDX-License-Identifier: MIT
// Elements of a hash map that are on no chain: unused, free, or waiting for readers to leave.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "epoch/epoch.hpp"
#include "maps/hash_table.hpp"

namespace ebpf::maps {

/// Invariants: an element that has been unlinked is gathered, then waits in a batch that the domain holds,
/// then is returned, then free. Free elements and gathered ones are lists through HashElement::link, as is
/// each batch.
/// Threads: calls marked "locked" are made under the map's lock, hand_over() is not; the domain gives
/// elements back on any thread.
class ElementPool {
  public:
    /// Elements of one callback.
    struct Batch : epoch::Retired {
        ElementPool* pool = nullptr;
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        std::atomic<bool> is_waiting{false};
    };

    /// How many elements beyond max_entries a map has, so that some can wait.
    static std::uint32_t spare_elements(std::uint32_t max_entries, std::uint64_t stride) noexcept;

    ElementPool() = default;
    ~ElementPool();
    ElementPool(const ElementPool&) = delete;
    ElementPool& operator=(const ElementPool&) = delete;

    /// `elements`: offset of the first in the region, whose memory is zero. Called once, first. Returns false
    /// if memory is short.
    [[nodiscard]] bool set_up(epoch::Domain& domain, std::byte* region, std::uint64_t elements,
                              std::uint64_t stride, std::uint32_t count, std::uint32_t spare) noexcept;

    /// Returns an element, or nullptr if all are in use or wait. Locked.
    HashElement* take() noexcept {
        if (free_ == 0) [[unlikely]]
            return take_slowly();
        auto* const taken = at(free_);
        free_ = taken->link;
        return taken;
    }
    /// Takes back an element that readers may still be on. Returns a batch for hand_over() now and then, else
    /// nullptr. Locked.
    [[nodiscard]] Batch* retire(HashElement& unlinked) noexcept {
        unlinked.link = gathered_;
        gathered_ = reference_to(unlinked);
        if (gathered_count_++ == 0) gathered_last_ = gathered_;
        return gathered_count_ < batch_elements_ ? nullptr : fill_batch();
    }
    /// Passes a batch to the domain and collects. Not locked, for that takes its time.
    void hand_over(Batch& batch) noexcept {
        domain_->retire(&batch);
        domain_->collect();
    }

    /// Requires: `reference` is not 0.
    [[nodiscard]] HashElement* at(std::uint32_t reference) const noexcept {
        return reinterpret_cast<HashElement*>(region_ + std::size_t{reference} * kReferenceBytes);
    }
    [[nodiscard]] std::uint32_t reference_to(const HashElement& element) const noexcept {
        const auto offset = reinterpret_cast<const std::byte*>(&element) - region_;
        return static_cast<std::uint32_t>(static_cast<std::size_t>(offset) / kReferenceBytes);
    }

  private:
    HashElement* take_slowly() noexcept;
    Batch* fill_batch() noexcept;
    static void give_back(epoch::Retired* node) noexcept;

    std::uint32_t free_ = 0;
    std::uint32_t gathered_ = 0;
    std::uint32_t gathered_last_ = 0;
    std::uint32_t gathered_count_ = 0;
    std::uint32_t batch_elements_ = 0;
    std::byte* region_ = nullptr;
    epoch::Domain* domain_ = nullptr;
    std::byte* unused_ = nullptr;  // elements from here on have never been used
    std::byte* end_ = nullptr;
    std::uint64_t stride_ = 0;
    std::atomic<std::uint32_t> returned_{0};
    Batch* batches_ = nullptr;  // a ring, since the domain frees in the order of retiring
    std::uint32_t batch_count_ = 0;
    std::uint32_t next_batch_ = 0;
};

}  // namespace ebpf::maps
