// SPDX-License-Identifier: MIT
// The smallest machine code with a relocation: returns the 8 bytes at kFieldOffset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ebpf::engine {

#if defined(__x86_64__)
// mov rax, field; ret
inline constexpr std::uint8_t kReturnField[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xc3};
inline constexpr std::uint32_t kFieldOffset = 2;
#elif defined(__aarch64__)
// ldr x0, field; ret; field
inline constexpr std::uint8_t kReturnField[] = {0x40, 0, 0, 0x58, 0xc0, 0x03, 0x5f, 0xd6,
                                                0,    0, 0, 0,    0,    0,    0,    0};
inline constexpr std::uint32_t kFieldOffset = 8;
#endif

inline std::span<const std::byte> return_field_code() {
    return std::as_bytes(std::span(kReturnField));
}

}  // namespace ebpf::engine
