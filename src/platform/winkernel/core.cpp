// SPDX-License-Identifier: MIT
// The core contract in a Windows driver: pages, time, random bytes, processors. Not tested on Windows: linked
// only.
#include "base/allocate.hpp"
#include "platform/clock.hpp"
#include "platform/cpu.hpp"
#include "platform/pages.hpp"
#include "platform/random.hpp"
#include "platform/winkernel/kernel.hpp"

extern "C" NTSTATUS NTAPI BCryptGenRandom(PVOID algorithm, PUCHAR buffer, ULONG bytes, ULONG flags);

namespace ebpf::platform {

std::uint64_t monotonic_ns() noexcept {
    LARGE_INTEGER frequency{};
    const LARGE_INTEGER ticks = KeQueryPerformanceCounter(&frequency);
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    const auto count = static_cast<std::uint64_t>(ticks.QuadPart);
    const auto rate = static_cast<std::uint64_t>(frequency.QuadPart);
    return count / rate * kNsPerSecond + count % rate * kNsPerSecond / rate;
}

std::uint64_t realtime_ns() noexcept {
    LARGE_INTEGER time{};
    KeQuerySystemTime(&time);
    constexpr std::uint64_t kTicksTo1970 = 116'444'736'000'000'000;  // 100 ns ticks from 1601 to 1970
    return (static_cast<std::uint64_t>(time.QuadPart) - kTicksTo1970) * 100;
}

void* allocate_pages(std::size_t bytes) noexcept {
    return allocate(bytes, kPageBytes);
}
void release_pages(void* memory, std::size_t bytes) noexcept {
    release(memory, bytes, kPageBytes);
}

void* allocate_ring_pages(std::size_t front_bytes, std::size_t ring_bytes) noexcept {
    return allocate_pages(front_bytes + 2 * ring_bytes);
}
void release_ring_pages(void* memory, std::size_t front_bytes, std::size_t ring_bytes) noexcept {
    release_pages(memory, front_bytes + 2 * ring_bytes);
}

bool fill_random(std::span<std::byte> bytes) noexcept {
    constexpr ULONG kSystemPreferred = 2;  // BCRYPT_USE_SYSTEM_PREFERRED_RNG
    return BCryptGenRandom(nullptr, reinterpret_cast<PUCHAR>(bytes.data()), static_cast<ULONG>(bytes.size()),
                           kSystemPreferred) >= 0;
}

std::uint32_t possible_cpus() noexcept {
    const auto count = static_cast<std::uint32_t>(KeNumberProcessors);
    return count == 0 ? 1 : count;
}

bool prepare_fence_all_threads() noexcept {
    return false;
}

bool fence_all_threads() noexcept {
    return false;
}

void yield() noexcept {
    relax();
}

}  // namespace ebpf::platform
