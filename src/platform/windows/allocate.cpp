// SPDX-License-Identifier: MIT
// Memory of the kernel set in Windows user mode.
#include <malloc.h>

#include <cstddef>
#include <cstring>

#include "base/allocate.hpp"

namespace ebpf {

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    const std::size_t least = alignof(std::max_align_t);
    void* memory = _aligned_malloc(bytes == 0 ? 1 : bytes, alignment < least ? least : alignment);
    if (memory != nullptr) std::memset(memory, 0, bytes);
    return memory;
}

void release(void* memory, std::size_t /*bytes*/, std::size_t /*alignment*/) noexcept {
    _aligned_free(memory);
}

}  // namespace ebpf
