// SPDX-License-Identifier: MIT
// Executable memory on Linux.
#include "platform/executable.hpp"

#include <sys/mman.h>
#include <sys/random.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "platform/trap.hpp"

namespace ebpf::platform {
namespace {

// Processors predict calls over short distances faster, so that code goes near the process's own: below it,
// as the heap grows above. Where exactly is random.
constexpr std::uintptr_t kNearest = std::uintptr_t{64} << 20U;
constexpr std::uintptr_t kWindow = std::uintptr_t{512} << 20U;

std::uintptr_t start_of_window() noexcept {
    std::uint32_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) random = 0;
    const auto own = reinterpret_cast<std::uintptr_t>(&executable_bytes);
    if (own < 4 * kWindow) return 0;
    return ((own - kNearest - random % kWindow) / kPageBytes) * kPageBytes;
}

/// Returns where memory might be free; it need not be.
void* place_for(std::size_t bytes) noexcept {
    static const std::uintptr_t start = start_of_window();
    static std::atomic<std::uintptr_t> used{0};
    if (start == 0 || bytes > kWindow) return nullptr;
    const std::uintptr_t before = used.fetch_add(bytes, std::memory_order_relaxed) % kWindow;
    return reinterpret_cast<void*>(start - before - bytes);
}

}  // namespace

std::size_t executable_bytes(std::size_t bytes) noexcept {
    return code_page_bytes(bytes);
}

StatusOr<std::byte*> allocate_executable(std::size_t bytes) noexcept {
    const std::size_t size = code_page_bytes(bytes);
    if (size == 0) return std::unexpected(Status::OutOfMemory);
    const std::size_t all = size + 2 * kPageBytes;
    void* memory = mmap(place_for(all), all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return std::unexpected(Status::OutOfMemory);
    std::byte* code = static_cast<std::byte*>(memory) + kPageBytes;
    if (mprotect(code, size, PROT_READ | PROT_WRITE) != 0) {
        munmap(memory, size + 2 * kPageBytes);
        return std::unexpected(Status::OutOfMemory);
    }
    fill_with_traps(code, size);
    return code;
}

// SELinux (execmem), PaX and PR_SET_MDWE answer EACCES or EPERM here.
Status seal_executable(std::byte* code, std::size_t bytes) noexcept {
    const std::size_t size = code_page_bytes(bytes);
    if (mprotect(code, size, PROT_READ | PROT_EXEC) != 0) {
        return errno == ENOMEM ? Status::OutOfMemory : Status::NoPermission;
    }
    auto* begin = reinterpret_cast<char*>(code);
    __builtin___clear_cache(begin, begin + size);
    return Status::Ok;
}

void release_executable(std::byte* code, std::size_t bytes) noexcept {
    if (code != nullptr) munmap(code - kPageBytes, code_page_bytes(bytes) + 2 * kPageBytes);
}

}  // namespace ebpf::platform
