// SPDX-License-Identifier: MIT
// AttachPoint: the programs at one place of a hook. Private to src/runtime.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "ebpf/hook_provider.h"
#include "platform/spin_lock.hpp"
#include "runtime/objects.hpp"
#include "runtime/provider.hpp"

namespace ebpf::runtime {

class Reason;

/// The links at one place of a hook, in the order in which their programs run: what providers know as
/// `point`.
///
/// Invariants: the list is changed under the state's lock by one store for each change, and read without lock
/// inside epochs, so that a reader sees each change wholly or not at all; a link that was taken out still
/// leads to those behind it. A provider that is attached finds at least one link. In the phases Attaching and
/// Detaching one thread is in the provider's function or about to be; only that one leaves the phase, and
/// nobody else changes the list. Lifetime: until the last link that points here is destroyed.
struct AttachPoint {
    /// Suspended: the provider has gone or refused to attach again. Gone: no links are left.
    enum class Phase : std::uint8_t { Attaching, Attached, Detaching, Suspended, Gone };

    AttachPoint(State& owner, const ebpf_attach_request& where) noexcept : state(&owner), request(where) {}
    AttachPoint(const AttachPoint&) = delete;
    AttachPoint& operator=(const AttachPoint&) = delete;
    ~AttachPoint() = default;

    [[nodiscard]] bool is_attached() const noexcept {
        return phase.load(std::memory_order_acquire) == Phase::Attached;
    }
    /// Whether a thread attaches or detaches it.
    [[nodiscard]] bool is_moving() const noexcept {
        const Phase now = phase.load(std::memory_order_relaxed);
        return now == Phase::Attaching || now == Phase::Detaching;
    }

    // The next seven under the state's lock.
    /// Enters phase Attaching or Detaching, so that the provider is not forgotten meanwhile.
    void begin(Phase moving) noexcept;
    /// Leaves that phase.
    void finish(Phase now) noexcept;
    /// Makes it a place of `its`.
    void join(Provider& its) noexcept;
    /// The link of `program` here, or nullptr.
    [[nodiscard]] const LinkObject* link_of(const ProgramObject& program) const noexcept;
    /// Whether a further link may join. Errors: see Context::create_link().
    Status admit(const LinkObject& link, Reason& reason) const noexcept;
    /// Puts a link behind those of its and lower priorities.
    void insert(LinkObject& link) noexcept;
    void remove(const LinkObject& link) noexcept;

    /// Calls the provider's attach(). Returns 0 or what it returned. Requires: phase Attaching, no lock.
    int bring_up(std::span<char> reason) noexcept;
    /// Calls the provider's detach(). Requires: phase Detaching, no lock.
    void take_down() noexcept;

    /// Whether the next program runs after `result` of `link`, or (EBPF_COMBINE_ALL) whether it permits.
    [[nodiscard]] bool goes_on(const LinkObject& link, std::uint64_t result) const noexcept {
        constexpr unsigned kBits = 32;
        const auto value = static_cast<std::uint32_t>(result);
        return value < kBits && (link.actions_ >> value & 1U) != 0;
    }

    // What invocations read.
    std::atomic<LinkObject*> first{nullptr};
    State* state;
    bool runs_all = false;

    std::atomic<Phase> phase{Phase::Attaching};  // stored under the state's lock
    ebpf_attach_request request;
    ProviderIdentity hook;
    platform::SpinLock counters_lock;  // held around the provider's counters(); take_down() takes it first
    void* attachment = nullptr;        // the provider's

    // Under the state's lock.
    Provider* provider = nullptr;  // unless Gone
    AttachPoint* next = nullptr;   // in Provider::points
    std::uint32_t programs = 0;    // in the list
    std::uint32_t links = 0;       // that point here, also those that were detached
    bool is_to_resume = false;     // register_provider() has not come to it yet
};

}  // namespace ebpf::runtime
