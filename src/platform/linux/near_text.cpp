// SPDX-License-Identifier: MIT
#include "platform/linux/near_text.hpp"

#include <sys/random.h>

#include <atomic>
#include <cstdint>

#include "platform/executable.hpp"
#include "platform/pages.hpp"

namespace ebpf::platform {
namespace {

// Below the process's own code, as the heap grows above. Where exactly is random.
constexpr std::uintptr_t kNearest = std::uintptr_t{64} << 20U;
constexpr std::uintptr_t kWindow = std::uintptr_t{512} << 20U;

std::uintptr_t start_of_window() noexcept {
    std::uint32_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) random = 0;
    const auto own = reinterpret_cast<std::uintptr_t>(&executable_bytes);
    if (own < 4 * kWindow) return 0;
    return ((own - kNearest - random % kWindow) / kPageBytes) * kPageBytes;
}

}  // namespace

void* place_near_text(std::size_t bytes) noexcept {
    static const std::uintptr_t start = start_of_window();
    static std::atomic<std::uintptr_t> used{0};
    if (start == 0 || bytes > kWindow) return nullptr;
    const std::uintptr_t before = used.fetch_add(bytes, std::memory_order_relaxed) % kWindow;
    return reinterpret_cast<void*>(start - before - bytes);
}

}  // namespace ebpf::platform
