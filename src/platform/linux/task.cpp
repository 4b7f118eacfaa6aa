// SPDX-License-Identifier: MIT
#include "platform/task.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace ebpf::platform {

std::uint64_t thread_ids() noexcept {
    const auto process = static_cast<std::uint64_t>(getpid());
    return process << 32U | static_cast<std::uint32_t>(syscall(SYS_gettid));
}

std::uint64_t user_ids() noexcept {
    return std::uint64_t{getgid()} << 32U | getuid();
}

void thread_name(std::span<char> name) noexcept {
    std::array<char, 16> text{};  // TASK_COMM_LEN
    static_cast<void>(prctl(PR_GET_NAME, text.data()));
    std::ranges::fill(name, '\0');
    std::copy_n(text.begin(), std::min(text.size(), name.size()), name.begin());
    name.back() = '\0';
}

}  // namespace ebpf::platform
