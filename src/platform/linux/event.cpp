// SPDX-License-Identifier: MIT
// Events on Linux: eventfd.
#include "platform/event.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>

#include "base/allocate.hpp"
#include "platform/clock.hpp"

namespace ebpf::platform {

struct Event {
    int descriptor = -1;
};

Event* create_event() noexcept {
    void* memory = allocate(sizeof(Event), alignof(Event));
    if (memory == nullptr) return nullptr;
    auto* event = ::new (memory) Event{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (event->descriptor >= 0) return event;
    release(event, sizeof(Event), alignof(Event));
    return nullptr;
}

void destroy_event(Event* event) noexcept {
    if (event == nullptr) return;
    close(event->descriptor);
    release(event, sizeof(Event), alignof(Event));
}

void signal_event(Event& event) noexcept {
    // Fails only where the counter is full, and then the event is signalled.
    static_cast<void>(eventfd_write(event.descriptor, 1));
}

bool wait_for_event(Event& event, std::uint64_t timeout_ns) noexcept {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    const std::uint64_t start = monotonic_ns();
    while (true) {
        const std::uint64_t passed = monotonic_ns() - start;
        const std::uint64_t left = passed < timeout_ns ? timeout_ns - passed : 0;
        const timespec timeout{static_cast<time_t>(left / kNsPerSecond),
                               static_cast<long>(left % kNsPerSecond)};
        pollfd waited{event.descriptor, POLLIN, 0};
        const int count = ppoll(&waited, 1, &timeout, nullptr);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        eventfd_t signals = 0;
        static_cast<void>(eventfd_read(event.descriptor, &signals));  // another thread may have taken it
        return true;
    }
}

}  // namespace ebpf::platform
