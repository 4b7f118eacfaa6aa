// SPDX-License-Identifier: MIT
// PerSlot: what each slot of a domain has one of.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>

#include "base/allocate.hpp"

namespace ebpf::runtime {

/// Counters, written by the thread that leases a slot and read by any.
template <typename T>
class PerSlot {
  public:
    PerSlot() noexcept = default;
    ~PerSlot() { ebpf::release(all_, count_ * sizeof(T), alignof(T)); }
    PerSlot(const PerSlot&) = delete;
    PerSlot& operator=(const PerSlot&) = delete;

    /// Makes them. Call once. False when memory is short.
    [[nodiscard]] bool set_up(std::uint32_t count) noexcept {
        all_ = static_cast<T*>(allocate(count * sizeof(T), alignof(T)));
        if (all_ == nullptr) return false;
        count_ = count;
        for (std::uint32_t i = 0; i < count; ++i) ::new (&all_[i]) T();
        return true;
    }
    T& operator[](std::uint32_t slot) const noexcept { return all_[slot]; }
    [[nodiscard]] std::uint64_t sum(std::atomic<std::uint64_t> T::* counter) const noexcept {
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < count_; ++i) sum += (all_[i].*counter).load(std::memory_order_relaxed);
        return sum;
    }

  private:
    T* all_ = nullptr;
    std::uint32_t count_ = 0;
};

}  // namespace ebpf::runtime
