// SPDX-License-Identifier: MIT
// SpinLock: for the short sections in which writers change tables. Never taken by hook invocations.
#pragma once

#include <atomic>

#include "platform/cpu.hpp"

namespace ebpf::runtime {

/// A lock for few instructions' work. Waiters let other threads run, so that a preempted holder gets on.
/// Threads: any; not recursive.
class SpinLock {
  public:
    void lock() noexcept {
        for (unsigned spins = 0; is_held_.exchange(true, std::memory_order_acquire); ++spins) {
            if (spins < kSpinsBeforeYield) {
                platform::relax();
            } else {
                platform::yield();
            }
        }
    }
    void unlock() noexcept { is_held_.store(false, std::memory_order_release); }

  private:
    static constexpr unsigned kSpinsBeforeYield = 100;
    std::atomic<bool> is_held_{false};
};

/// Holds a SpinLock for the length of a scope.
class LockGuard {
  public:
    explicit LockGuard(SpinLock& lock) noexcept : lock_(lock) { lock_.lock(); }
    ~LockGuard() { lock_.unlock(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

  private:
    SpinLock& lock_;
};

}  // namespace ebpf::runtime
