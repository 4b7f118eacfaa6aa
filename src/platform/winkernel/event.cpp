// SPDX-License-Identifier: MIT
// Events in a Windows driver. Not tested on Windows: linked only.
#include "platform/event.hpp"

#include <new>

#include "base/allocate.hpp"
#include "platform/winkernel/kernel.hpp"

namespace ebpf::platform {

struct Event {
    KEVENT object;
};

Event* create_event() noexcept {
    void* memory = allocate(sizeof(Event), alignof(Event));
    if (memory == nullptr) return nullptr;
    auto* event = ::new (memory) Event;
    KeInitializeEvent(&event->object, SynchronizationEvent, FALSE);
    return event;
}

void destroy_event(Event* event) noexcept {
    release(event, sizeof(Event), alignof(Event));
}

void signal_event(Event& event) noexcept {
    KeSetEvent(&event.object, IO_NO_INCREMENT, FALSE);
}

bool wait_for_event(Event& event, std::uint64_t timeout_ns) noexcept {
    constexpr std::uint64_t kMost = 0x7fffffffffffffff;
    const std::uint64_t ticks = timeout_ns / 100;
    LARGE_INTEGER timeout{};
    timeout.QuadPart = -static_cast<LONGLONG>(ticks < kMost ? ticks : kMost);  // negative: from now on
    return KeWaitForSingleObject(&event.object, Executive, KernelMode, FALSE, &timeout) == STATUS_SUCCESS;
}

}  // namespace ebpf::platform
