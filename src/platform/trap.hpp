// SPDX-License-Identifier: MIT
// What unused bytes of code pages hold. Private to src/platform.
#pragma once

#include <cstdint>
#include <cstring>

#include "platform/pages.hpp"

namespace ebpf::platform {

/// Fills `bytes` bytes (a multiple of 4) with instructions that trap wherever execution enters them.
inline void fill_with_traps(void* memory, std::size_t bytes) noexcept {
#if defined(__x86_64__)
    constexpr int kTrap = 0xcc;  // int3
#else
    constexpr int kTrap = 0;  // arm64: udf #0
#endif
    std::memset(memory, kTrap, bytes);
}

/// Rounds up to whole pages; 0 if that, with a guard page on either side, does not fit into std::size_t.
constexpr std::size_t code_page_bytes(std::size_t bytes) noexcept {
    constexpr std::size_t kMost = static_cast<std::size_t>(-1) - 4 * kPageBytes;
    return bytes > kMost ? 0 : (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

}  // namespace ebpf::platform
