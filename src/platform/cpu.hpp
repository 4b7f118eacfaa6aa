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

/// Tells the processor that this is a spin loop.
inline void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

}  // namespace ebpf::platform
