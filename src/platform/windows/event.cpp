// SPDX-License-Identifier: MIT
// Events in Windows user mode: event objects that reset themselves.
#include "platform/event.hpp"

#include <windows.h>

#include <new>

#include "base/allocate.hpp"

namespace ebpf::platform {

struct Event {
    HANDLE handle = nullptr;
};

Event* create_event() noexcept {
    void* memory = allocate(sizeof(Event), alignof(Event));
    if (memory == nullptr) return nullptr;
    auto* event = ::new (memory) Event{CreateEventW(nullptr, FALSE, FALSE, nullptr)};
    if (event->handle != nullptr) return event;
    release(event, sizeof(Event), alignof(Event));
    return nullptr;
}

void destroy_event(Event* event) noexcept {
    if (event == nullptr) return;
    CloseHandle(event->handle);
    release(event, sizeof(Event), alignof(Event));
}

void signal_event(Event& event) noexcept {
    SetEvent(event.handle);
}

bool wait_for_event(Event& event, std::uint64_t timeout_ns) noexcept {
    constexpr std::uint64_t kNsPerMs = 1'000'000;
    constexpr std::uint64_t kMostMs = 0x7fffffff;
    const std::uint64_t rounded_up = timeout_ns / kNsPerMs + (timeout_ns % kNsPerMs != 0 ? 1 : 0);
    const auto timeout_ms = static_cast<DWORD>(rounded_up < kMostMs ? rounded_up : kMostMs);
    return WaitForSingleObject(event.handle, timeout_ms) == WAIT_OBJECT_0;
}

}  // namespace ebpf::platform
