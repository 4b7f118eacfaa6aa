// SPDX-License-Identifier: MIT
// SpinLock: for the handful of stores with which writers change a map or a table. Hook invocations take only
// those of maps that they write.
#pragma once

#include <atomic>

#include "platform/cpu.hpp"

namespace ebpf::platform {

/// A lock for a handful of stores. A holder may be preempted, so waiting ends in yields.
/// Threads: any; not recursive.
class SpinLock {
  public:
    void lock() noexcept {
        while (is_taken_.exchange(true, std::memory_order_acquire)) wait();
    }
    void unlock() noexcept { is_taken_.store(false, std::memory_order_release); }

  private:
    static constexpr unsigned kSpinsBeforeYield = 128;

    [[gnu::noinline]] void wait() const noexcept {
        for (unsigned spins = 0; is_taken_.load(std::memory_order_relaxed); ++spins) {
            spins < kSpinsBeforeYield ? platform::relax() : platform::yield();
        }
    }

    std::atomic<bool> is_taken_{false};
};

/// Holds a SpinLock for the length of a scope.
class LockScope {
  public:
    explicit LockScope(SpinLock& lock) noexcept : lock_(lock) { lock_.lock(); }
    ~LockScope() { lock_.unlock(); }
    LockScope(const LockScope&) = delete;
    LockScope& operator=(const LockScope&) = delete;

  private:
    SpinLock& lock_;
};

}  // namespace ebpf::platform
