// SPDX-License-Identifier: MIT
// A program at a socket hook, and one run of it.
#pragma once

#include <atomic>
#include <cstdint>

#include "ebpf/hook_provider.h"
#include "hooks/socket/linux/target.hpp"

namespace ebpf::hooks::socket {

/// What attach() makes.
struct Attachment {
    const ebpf_hook_dispatch* dispatch = nullptr;
    void* link = nullptr;
    std::atomic<std::uint64_t> calls = 0;    ///< of the program
    std::atomic<std::uint64_t> denials = 0;  ///< of those, how many it refused
    std::atomic<std::uint64_t> changes = 0;  ///< of those, after how many the address was another
};

inline void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
}

/// For whom a program runs, as it is told.
ebpf_task as_told(const Task& task);

/// Runs the program once for `task` and counts the call. Returns r0, or -ENOMEM.
std::int64_t run_once(Attachment& attachment, const ebpf_task& task, void* context);

}  // namespace ebpf::hooks::socket
