// SPDX-License-Identifier: MIT
// Executable memory on Linux.
#include "platform/executable.hpp"

#include <sys/mman.h>

#include <cerrno>

#include "platform/linux/near_text.hpp"
#include "platform/trap.hpp"

namespace ebpf::platform {

std::size_t executable_bytes(std::size_t bytes) noexcept {
    return code_page_bytes(bytes);
}

StatusOr<std::byte*> allocate_executable(std::size_t bytes) noexcept {
    const std::size_t size = code_page_bytes(bytes);
    if (size == 0) return std::unexpected(Status::OutOfMemory);
    const std::size_t all = size + 2 * kPageBytes;
    void* memory = mmap(place_near_text(all), all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
