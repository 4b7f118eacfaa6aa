// SPDX-License-Identifier: MIT
// Executable memory in Windows user mode. A process with the policy "arbitrary code guard" is refused it.
#include "platform/executable.hpp"

#include <windows.h>

#include "platform/trap.hpp"

namespace ebpf::platform {

std::size_t executable_bytes(std::size_t bytes) noexcept {
    return code_page_bytes(bytes);
}

// Pages that are reserved and not committed are the guards.
StatusOr<std::byte*> allocate_executable(std::size_t bytes) noexcept {
    const std::size_t size = code_page_bytes(bytes);
    if (size == 0) return std::unexpected(Status::OutOfMemory);
    void* memory = VirtualAlloc(nullptr, size + 2 * kPageBytes, MEM_RESERVE, PAGE_NOACCESS);
    if (memory == nullptr) return std::unexpected(Status::OutOfMemory);
    std::byte* code = static_cast<std::byte*>(memory) + kPageBytes;
    if (VirtualAlloc(code, size, MEM_COMMIT, PAGE_READWRITE) == nullptr) {
        VirtualFree(memory, 0, MEM_RELEASE);
        return std::unexpected(Status::OutOfMemory);
    }
    fill_with_traps(code, size);
    return code;
}

Status seal_executable(std::byte* code, std::size_t bytes) noexcept {
    const std::size_t size = code_page_bytes(bytes);
    DWORD before = 0;
    if (VirtualProtect(code, size, PAGE_EXECUTE_READ, &before) == 0) {
        return GetLastError() == ERROR_NOT_ENOUGH_MEMORY ? Status::OutOfMemory : Status::NoPermission;
    }
    FlushInstructionCache(GetCurrentProcess(), code, size);
    return Status::Ok;
}

void release_executable(std::byte* code, std::size_t /*bytes*/) noexcept {
    if (code != nullptr) VirtualFree(code - kPageBytes, 0, MEM_RELEASE);
}

}  // namespace ebpf::platform
