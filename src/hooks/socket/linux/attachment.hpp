// SPDX-License-Identifier: MIT
// The programs at a socket hook, and one run of them.
#pragma once

#include <atomic>
#include <cstdint>

#include "ebpf/hook_provider.h"
#include "hooks/socket/linux/target.hpp"

namespace ebpf::hooks::socket {

/// What attach() makes: the programs of an attach point, which the runtime keeps in order and combines.
struct Attachment {
    const ebpf_hook_dispatch* dispatch = nullptr;
    void* point = nullptr;
    std::atomic<std::uint64_t> calls = 0;    ///< of the programs
    std::atomic<std::uint64_t> denials = 0;  ///< of those, how many they refused
    std::atomic<std::uint64_t> changes = 0;  ///< of those, after how many the address was another
};

inline void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
}

/// For whom a program runs, as it is told.
ebpf_task as_told(const Task& task);

/// Runs the programs once for `task` and counts the call. Returns their combined r0, or -ENOMEM.
std::int64_t run_once(Attachment& attachment, const ebpf_task& task, void* context);

}  // namespace ebpf::hooks::socket
