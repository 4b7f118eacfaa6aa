// SPDX-License-Identifier: MIT
// The core contract on Linux: pages, time, random bytes, processors.
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "platform/clock.hpp"
#include "platform/cpu.hpp"
#include "platform/pages.hpp"
#include "platform/random.hpp"

namespace ebpf::platform {
namespace {

std::uint64_t clock_ns(clockid_t clock) noexcept {
    timespec now{};
    clock_gettime(clock, &now);
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t monotonic_ns() noexcept {
    return clock_ns(CLOCK_MONOTONIC);
}
std::uint64_t realtime_ns() noexcept {
    return clock_ns(CLOCK_REALTIME);
}

void* allocate_pages(std::size_t bytes) noexcept {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

void release_pages(void* memory, std::size_t bytes) noexcept {
    if (memory != nullptr) munmap(memory, bytes);
}

// The memory belongs to a file, so that it can be mapped twice, and by other processes.
void* allocate_ring_pages(std::size_t front_bytes, std::size_t ring_bytes) noexcept {
    const std::size_t file_bytes = front_bytes + ring_bytes;
    const std::size_t all_bytes = file_bytes + ring_bytes;
    const int file = memfd_create("ebpf-ring", MFD_CLOEXEC);
    if (file < 0) return nullptr;
    void* memory = MAP_FAILED;
    if (ftruncate(file, static_cast<off_t>(file_bytes)) == 0)
        memory = mmap(nullptr, all_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) {
        constexpr int kFlags = MAP_SHARED | MAP_FIXED;
        auto* end = static_cast<std::byte*>(memory) + file_bytes;
        const bool is_mapped =
            mmap(memory, file_bytes, PROT_READ | PROT_WRITE, kFlags, file, 0) != MAP_FAILED &&
            mmap(end, ring_bytes, PROT_READ | PROT_WRITE, kFlags, file, static_cast<off_t>(front_bytes)) !=
                MAP_FAILED;
        if (!is_mapped) {
            munmap(memory, all_bytes);
            memory = MAP_FAILED;
        }
    }
    close(file);
    return memory == MAP_FAILED ? nullptr : memory;
}

void release_ring_pages(void* memory, std::size_t front_bytes, std::size_t ring_bytes) noexcept {
    release_pages(memory, front_bytes + 2 * ring_bytes);
}

bool fill_random(std::span<std::byte> bytes) noexcept {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = getrandom(bytes.data() + done, bytes.size() - done, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        done += static_cast<std::size_t>(got);
    }
    return true;
}

std::uint32_t possible_cpus() noexcept {
    // The file holds ranges such as "0-3" or "0,2-7"; the highest number decides.
    std::FILE* file = std::fopen("/sys/devices/system/cpu/possible", "re");
    unsigned highest = 0;
    bool is_known = false;
    if (file != nullptr) {
        unsigned number = 0;
        while (std::fscanf(file, "%u", &number) == 1) {
            highest = number > highest ? number : highest;
            is_known = true;
            const int separator = std::fgetc(file);
            if (separator != '-' && separator != ',') break;
        }
        std::fclose(file);
    }
    if (is_known) return highest + 1;
    const long configured = sysconf(_SC_NPROCESSORS_CONF);
    return configured < 1 ? 1U : static_cast<std::uint32_t>(configured);
}

bool prepare_fence_all_threads() noexcept {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

bool fence_all_threads() noexcept {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void yield() noexcept {
    sched_yield();
}

}  // namespace ebpf::platform
