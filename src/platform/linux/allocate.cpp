// SPDX-License-Identifier: MIT
// Memory of the kernel set on user-mode hosts with POSIX allocation.
#include "base/allocate.hpp"

#include <cstdlib>
#include <cstring>

namespace ebpf {

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    const std::size_t least = alignof(std::max_align_t);
    const std::size_t aligned = alignment < least ? least : alignment;
    if (bytes > static_cast<std::size_t>(-1) - aligned) return nullptr;
    const std::size_t rounded = (bytes + aligned - 1) / aligned * aligned;
    void* memory = std::aligned_alloc(aligned, rounded == 0 ? aligned : rounded);
    if (memory != nullptr) std::memset(memory, 0, bytes);
    return memory;
}

void release(void* memory, std::size_t /*bytes*/, std::size_t /*alignment*/) noexcept {
    std::free(memory);
}

}  // namespace ebpf
