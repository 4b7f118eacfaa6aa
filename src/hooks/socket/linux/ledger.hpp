// SPDX-License-Identifier: MIT
// Which calls of a listener have been received and not answered, in memory that outlives the receiver.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/error.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// What both processes see. Zero is no call: the kernel starts the numbers of a listener at a random place.
struct LedgerPage {
    static constexpr std::size_t kSlots = 4095;

    std::atomic<std::uint64_t> latest;  ///< the last call that was noted
    std::array<std::atomic<std::uint64_t>, kSlots> calls;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// A call that was received cannot be received again, by nobody. So that the caller gets an answer also when
/// the receiver is killed, the receiver notes the call here, and who holds the listener besides it answers
/// what it finds noted. The receiver trusts nothing that it reads here: others can write it. Threads: any.
class Ledger {
  public:
    /// Makes one, that cannot become shorter. Errors: Environment.
    static Result<Ledger> create();
    /// Maps the ledger behind a descriptor of anybody's. Errors: InvalidArgument - it is none, or could
    /// become shorter; Environment.
    static Result<Ledger> open(int descriptor);
    Ledger(Ledger&& other) noexcept;
    Ledger& operator=(Ledger&&) = delete;
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;
    ~Ledger();

    [[nodiscard]] int number() const { return memory_.number(); }

    /// Notes a call. `is_over` says whether a noted one need not be answered any more. A ledger without room
    /// notes nothing.
    template <typename IsOver>
    void note(std::uint64_t call, IsOver is_over) const {
        page_->latest.store(call, std::memory_order_relaxed);
        for (std::size_t i = 0; i < kTries; ++i) {
            std::atomic<std::uint64_t>& slot = slot_of(call, i);
            std::uint64_t noted = slot.load(std::memory_order_relaxed);
            if ((noted == 0 || is_over(noted)) && slot.compare_exchange_strong(noted, call)) return;
        }
    }
    void strike(std::uint64_t call) const {
        for (std::size_t i = 0; i < kTries; ++i) {
            std::uint64_t noted = call;
            if (slot_of(call, i).compare_exchange_strong(noted, 0)) return;
        }
    }
    /// Calls `answer` for every call that may have been received and not answered: those noted, and those
    /// that the kernel numbered next, in case the receiver was killed before it noted one. Strikes them all.
    template <typename Answer>
    void sweep(Answer answer) const {
        for (auto& slot : page_->calls) {
            if (const std::uint64_t call = slot.exchange(0); call != 0) answer(call);
        }
        const std::uint64_t latest = page_->latest.load(std::memory_order_relaxed);
        if (latest == 0) return;
        for (std::uint64_t next = 1; next <= kReceivers; ++next) answer(latest + next);
    }

  private:
    static constexpr std::size_t kTries = 64;
    static constexpr std::uint64_t kReceivers = 64;  ///< more threads never receive at a time

    Ledger(platform::Descriptor memory, LedgerPage* page) : memory_(std::move(memory)), page_(page) {}
    static Result<Ledger> map(platform::Descriptor memory);
    [[nodiscard]] std::atomic<std::uint64_t>& slot_of(std::uint64_t call, std::size_t attempt) const {
        return page_->calls[(call + attempt) % LedgerPage::kSlots];
    }

    platform::Descriptor memory_;
    LedgerPage* page_;
};

}  // namespace ebpf::hooks::socket
