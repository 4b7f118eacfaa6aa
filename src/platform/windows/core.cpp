// SPDX-License-Identifier: MIT
// The core contract in Windows user mode: pages, time, random bytes, processors.
#include <windows.h>
// after windows.h, whose types it needs
#include <bcrypt.h>

#include "platform/clock.hpp"
#include "platform/cpu.hpp"
#include "platform/pages.hpp"
#include "platform/random.hpp"

namespace ebpf::platform {

std::uint64_t monotonic_ns() noexcept {
    LARGE_INTEGER ticks{};
    LARGE_INTEGER frequency{};
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    const auto count = static_cast<std::uint64_t>(ticks.QuadPart);
    const auto rate = static_cast<std::uint64_t>(frequency.QuadPart);
    return count / rate * kNsPerSecond + count % rate * kNsPerSecond / rate;
}

std::uint64_t realtime_ns() noexcept {
    FILETIME time{};
    GetSystemTimeAsFileTime(&time);
    constexpr std::uint64_t kTicksTo1970 = 116'444'736'000'000'000;  // 100 ns ticks from 1601 to 1970
    const std::uint64_t ticks = (std::uint64_t{time.dwHighDateTime} << 32U) | time.dwLowDateTime;
    return (ticks - kTicksTo1970) * 100;
}

void* allocate_pages(std::size_t bytes) noexcept {
    return VirtualAlloc(nullptr, bytes, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
}

void release_pages(void* memory, std::size_t /*bytes*/) noexcept {
    if (memory != nullptr) VirtualFree(memory, 0, MEM_RELEASE);
}

void* allocate_ring_pages(std::size_t front_bytes, std::size_t ring_bytes) noexcept {
    return allocate_pages(front_bytes + 2 * ring_bytes);
}
void release_ring_pages(void* memory, std::size_t front_bytes, std::size_t ring_bytes) noexcept {
    release_pages(memory, front_bytes + 2 * ring_bytes);
}

bool fill_random(std::span<std::byte> bytes) noexcept {
    return BCryptGenRandom(nullptr, reinterpret_cast<PUCHAR>(bytes.data()), static_cast<ULONG>(bytes.size()),
                           BCRYPT_USE_SYSTEM_PREFERRED_RNG) >= 0;
}

std::uint32_t possible_cpus() noexcept {
    SYSTEM_INFO info{};
    GetSystemInfo(&info);
    return info.dwNumberOfProcessors < 1 ? 1U : info.dwNumberOfProcessors;
}

// FlushProcessWriteBuffers() would do it, but under Wine, where this is tested, it may do nothing.
bool prepare_fence_all_threads() noexcept {
    return false;
}

bool fence_all_threads() noexcept {
    return false;
}

void yield() noexcept {
    SwitchToThread();
}

}  // namespace ebpf::platform
