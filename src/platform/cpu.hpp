// SPDX-License-Identifier: MIT
// Processors. Implemented in platform/<os>.
#pragma once

#include <cstdint>

namespace ebpf::platform {

/// Returns how many processors the host could have ("possible" CPUs), at least 1: the length of per-CPU data.
/// Source: /sys/devices/system/cpu/possible on Linux, as libbpf reads it.
std::uint32_t possible_cpus() noexcept;

/// Lets another thread run: for loops that wait for one that may be preempted. Never call it in a kernel's
/// hook path.
void yield() noexcept;

/// Prepares fence_all_threads() for this process. Returns false if the host cannot do it.
/// Source: membarrier(2) on Linux.
bool prepare_fence_all_threads() noexcept;

/// Makes every thread of this process pass a full memory fence between some two of its instructions before
/// this returns; so a thread that only keeps the compiler from reordering is ordered as if it had a fence.
/// Returns false if that failed. Requires: prepare_fence_all_threads() returned true. Cost: microseconds.
bool fence_all_threads() noexcept;

/// Tells the processor that this is a spin loop.
inline void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

}  // namespace ebpf::platform
