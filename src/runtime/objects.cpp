// SPDX-License-Identifier: MIT
// Counting of references.
#include "runtime/objects.hpp"

#include "base/assert.hpp"
#include "platform/clock.hpp"
#include "runtime/state.hpp"

namespace ebpf::runtime {

Object::Object(State& state, ObjectKind kind, const char* name, std::uint32_t creator_uid) noexcept
    : state_(&state), creator_uid_(creator_uid), created_ns_(platform::monotonic_ns()), kind_(kind), name_{} {
    for (std::size_t i = 0; name != nullptr && i + 1 < kNameBytes && name[i] != '\0'; ++i) name_[i] = name[i];
}

bool Object::try_acquire() noexcept {
    std::uint64_t counts = counts_.load(std::memory_order_relaxed);
    do {
        if (static_cast<std::uint32_t>(counts) == 0) return false;
    } while (!counts_.compare_exchange_weak(counts, counts + kUserReference, std::memory_order_acquire,
                                            std::memory_order_relaxed));
    return true;
}

void Object::release() noexcept {
    // The user's part first: the other part keeps the object while a prog array is emptied.
    const std::uint64_t before = counts_.fetch_sub(kUserReference - kReference, std::memory_order_acq_rel);
    const bool was_last_user = before >> 32U == 1;
    if (was_last_user && kind_ == ObjectKind::Map) static_cast<MapObject*>(this)->clear_programs();
    release_internal();
}

void Object::release_internal() noexcept {
    State& state = *state_;
    const std::uint64_t before = counts_.fetch_sub(kReference, std::memory_order_acq_rel);
    EBPF_ASSERT(static_cast<std::uint32_t>(before) != 0);
    if (static_cast<std::uint32_t>(before) != 1) return;
    // Nobody can call it any more, but the hook still can: until its provider has detached.
    if (kind_ == ObjectKind::Link) static_cast<void>(static_cast<LinkObject*>(this)->detach());
    state.retire(*this);
    state.reap();
}

}  // namespace ebpf::runtime
