// SPDX-License-Identifier: MIT
#include "platform/task.hpp"

#include <windows.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace ebpf::platform {

std::uint64_t thread_ids() noexcept {
    return std::uint64_t{GetCurrentProcessId()} << 32U | GetCurrentThreadId();
}

std::uint64_t user_ids() noexcept {
    return 0;
}

// Threads have no names before Windows 10: the file's stands for all.
void thread_name(std::span<char> name) noexcept {
    std::array<char, MAX_PATH> path{};
    const DWORD size = GetModuleFileNameA(nullptr, path.data(), static_cast<DWORD>(path.size() - 1));
    std::string_view file(path.data(), size);
    file.remove_prefix(file.find_last_of("\\/") + 1);
    std::ranges::fill(name, '\0');
    std::copy_n(file.begin(), std::min(file.size(), name.size() - 1), name.begin());
}

}  // namespace ebpf::platform
