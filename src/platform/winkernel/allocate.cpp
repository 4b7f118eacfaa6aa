// SPDX-License-Identifier: MIT
// Memory of the kernel set in a Windows driver. Not tested on Windows: linked only.
#include "base/allocate.hpp"

#include <cstdint>
#include <cstring>

#include "platform/winkernel/kernel.hpp"

namespace ebpf {
namespace {

constexpr ULONG kTag = 0x46504265;  // "eBPF" as pool tools show it
constexpr std::size_t kPoolAlignment = 16;

// Pool memory is aligned to 16 bytes, or to a page from a page on. Larger alignments take more and keep the
// pool's address in front of what is given out.
void* pool_allocate(std::size_t bytes) noexcept {
    return ExAllocatePoolWithTag(NonPagedPoolNx, bytes, kTag);
}

}  // namespace

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    if (bytes > static_cast<std::size_t>(-1) - alignment - sizeof(void*)) return nullptr;
    if (alignment <= kPoolAlignment) {
        void* memory = pool_allocate(bytes == 0 ? 1 : bytes);
        if (memory != nullptr) std::memset(memory, 0, bytes);
        return memory;
    }
    void* memory = pool_allocate(bytes + alignment + sizeof(void*));
    if (memory == nullptr) return nullptr;
    const auto start = reinterpret_cast<std::uintptr_t>(memory) + sizeof(void*);
    const std::uintptr_t aligned = (start + alignment - 1) / alignment * alignment;
    auto* given = reinterpret_cast<void*>(aligned);
    static_cast<void**>(given)[-1] = memory;
    std::memset(given, 0, bytes);
    return given;
}

void release(void* memory, std::size_t /*bytes*/, std::size_t alignment) noexcept {
    if (memory == nullptr) return;
    ExFreePoolWithTag(alignment <= kPoolAlignment ? memory : static_cast<void**>(memory)[-1], kTag);
}

}  // namespace ebpf
