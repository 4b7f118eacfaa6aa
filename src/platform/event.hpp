// SPDX-License-Identifier: MIT
// Events: how a thread that cannot wait tells one that can. Implemented in platform/<os>.
#pragma once

#include <cstdint>

namespace ebpf::platform {

/// Something that happens now and then.
struct Event;

/// Returns an event that has not been signalled, or nullptr.
Event* create_event() noexcept;

/// Frees an event that nobody waits for; nullptr is allowed.
void destroy_event(Event* event) noexcept;

/// Wakes a thread that waits, or the next one that will. Signals that nobody has waited for count as one.
/// Threads: any. Never blocks, so that hook paths may call it. Cost: a system call.
void signal_event(Event& event) noexcept;

/// Waits until the event is signalled; what it was signalled for may have been seen to by another thread
/// meanwhile. Returns false when the time is over. Threads: any that may block.
bool wait_for_event(Event& event, std::uint64_t timeout_ns) noexcept;

}  // namespace ebpf::platform
