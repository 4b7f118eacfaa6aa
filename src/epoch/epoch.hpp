// SPDX-License-Identifier: MIT
// Epoch-based reclamation: readers take no locks; what writers unlink is freed when no reader can still see
// it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/status.hpp"

namespace ebpf::epoch {

/// Something unlinked that waits to be freed; embedded in the object, so that retiring cannot fail.
struct Retired {
    Retired* next = nullptr;
    std::uint64_t epoch = 0;
    void (*free)(Retired* self) noexcept = nullptr;
};

/// Index of a participant. Slots [0, slots()) are per-CPU slots, those above serve readers that run no
/// programs.
using Slot = std::uint32_t;

/// The readers of one execution context and what waits for them.
///
/// Invariants: a participant's `epoch` is 0 when it is outside, else the global epoch it read when it
/// entered. The global epoch only grows. A collection takes the nodes retired so far, gives them the global
/// epoch E while raising that, fences, and frees them when every participant is outside or entered at an
/// epoch above E. Why that suffices: nodes were unlinked before they were retired. A reader that entered
/// above E has read the global epoch after it was raised, thus does not find the node. Any other one
/// publishes its epoch, then fences, then reads: if its fence is before the collection's, the collection sees
/// it inside; if it is after, it does not find the node. Where the host lets the collection fence for all
/// threads, entering does without a fence of its own. Threads: any, except that one slot is used by one
/// thread at a time.
class Domain {
  public:
    /// Makes a domain with `slots` per-CPU slots. Errors: OutOfMemory, InvalidArgument - slots is 0.
    static StatusOr<Domain*> create(std::uint32_t slots) noexcept;
    /// Frees everything retired, then the domain. Requires: no participant is inside.
    static void destroy(Domain* domain) noexcept;

    /// Number of per-CPU slots.
    [[nodiscard]] std::uint32_t slots() const noexcept { return slots_; }

    /// Takes a free per-CPU slot for the calling thread. Errors: Busy - all are taken.
    StatusOr<Slot> lease_slot() noexcept;
    /// Takes a free slot for a reader that runs no programs; waits while all kReaders are taken.
    Slot lease_reader() noexcept;
    /// Gives a slot back. Requires: outside.
    void give_back(Slot slot) noexcept;

    /// Enters: what is read from here on stays until leave(). May be nested. Cost: a store, that is fenced
    /// where the host cannot fence for all threads.
    void enter(Slot slot) noexcept {
        Participant& participant = participants_[slot];
        if (participant.depth++ != 0) return;
        participant.epoch.store(global_.load(std::memory_order_acquire), std::memory_order_relaxed);
        if (fences_for_all_) {
            std::atomic_signal_fence(std::memory_order_seq_cst);
        } else {
            std::atomic_thread_fence(std::memory_order_seq_cst);
        }
    }
    void leave(Slot slot) noexcept {
        Participant& participant = participants_[slot];
        if (--participant.depth != 0) return;
        participant.epoch.store(0, std::memory_order_release);
    }

    /// Hands over something that has been unlinked; its free() runs later, on any thread that collects, in
    /// the order of retiring. free() may retire more but must not call synchronise(). Cost: a push; now and
    /// then a collect().
    void retire(Retired* node) noexcept;
    /// Frees what no reader can see. Returns how many nodes were freed. Does nothing while another thread
    /// collects.
    std::size_t collect() noexcept;
    /// Waits until every reader that is inside now has left, and frees what was retired before.
    /// Requires: the calling thread is outside, and not in a free(). Blocks: not for hook threads.
    void synchronise() noexcept;

    /// Number of nodes retired and not yet freed; for tests and statistics.
    [[nodiscard]] std::size_t pending() const noexcept { return pending_.load(std::memory_order_relaxed); }

    /// Readers that run no programs, at the same time.
    static constexpr std::uint32_t kReaders = 64;

  private:
    static constexpr std::size_t kCacheLine = 64;
    struct alignas(kCacheLine) Participant {
        std::atomic<std::uint64_t> epoch{0};
        std::uint32_t depth = 0;
        std::atomic<bool> is_leased{false};
    };

    Domain() = default;
    bool try_lease(Slot slot) noexcept;
    std::uint64_t oldest_inside() const noexcept;
    void take_incoming() noexcept;
    bool fence() const noexcept;
    std::size_t free_older_than(std::uint64_t limit) noexcept;
    bool try_collect(std::size_t& freed) noexcept;

    Participant* participants_ = nullptr;
    bool fences_for_all_ = false;  // set once
    std::uint32_t slots_ = 0;
    std::uint32_t participant_count_ = 0;
    alignas(kCacheLine) std::atomic<std::uint64_t> global_{1};
    alignas(kCacheLine) std::atomic<Retired*> incoming_{nullptr};
    std::atomic<std::size_t> pending_{0};
    std::atomic<bool> is_collecting_{false};
    Retired* waiting_first_ = nullptr;  // oldest; guarded by is_collecting_, as is the next
    Retired* waiting_last_ = nullptr;
};

/// Enters for the length of a scope.
class Guard {
  public:
    Guard(Domain& domain, Slot slot) noexcept : domain_(domain), slot_(slot) { domain_.enter(slot_); }
    ~Guard() { domain_.leave(slot_); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    Domain& domain_;
    Slot slot_;
};

/// A reader's slot, leased and entered for the length of a scope: for requests, not for hook threads.
class ReaderScope {
  public:
    explicit ReaderScope(Domain& domain) noexcept : domain_(domain), slot_(domain.lease_reader()) {
        domain_.enter(slot_);
    }
    ~ReaderScope() {
        domain_.leave(slot_);
        domain_.give_back(slot_);
    }
    ReaderScope(const ReaderScope&) = delete;
    ReaderScope& operator=(const ReaderScope&) = delete;

  private:
    Domain& domain_;
    Slot slot_;
};

}  // namespace ebpf::epoch
