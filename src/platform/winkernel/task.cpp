// SPDX-License-Identifier: MIT
// Not tested on Windows: linked only.
#include "platform/task.hpp"

#include <algorithm>

#include "platform/winkernel/kernel.hpp"

namespace ebpf::platform {

std::uint64_t thread_ids() noexcept {
    const auto process = reinterpret_cast<std::uintptr_t>(PsGetCurrentProcessId());
    const auto thread = reinterpret_cast<std::uintptr_t>(PsGetCurrentThreadId());
    return std::uint64_t{process} << 32U | static_cast<std::uint32_t>(thread);
}

std::uint64_t user_ids() noexcept {
    return 0;
}

// Nothing documented gives a name in any context that hooks run in.
void thread_name(std::span<char> name) noexcept {
    std::ranges::fill(name, '\0');
}

}  // namespace ebpf::platform
