// SPDX-License-Identifier: MIT
// Registers of x86-64, and the calling conventions as data.
#pragma once

#include <array>
#include <cstdint>

#include "jit/jit.hpp"
#include "jit/target.hpp"

namespace ebpf::jit::x64 {

inline constexpr Register kRax = 0, kRcx = 1, kRdx = 2, kRbx = 3, kRsp = 4, kRbp = 5, kRsi = 6, kRdi = 7;
inline constexpr Register kR8 = 8, kR9 = 9, kR10 = 10, kR11 = 11, kR12 = 12, kR13 = 13, kR14 = 14, kR15 = 15;

struct Convention {
    /// Of C functions: the first arguments, as many as are passed in registers.
    std::array<Register, 6> arguments{};
    std::uint8_t argument_registers = 0;
    /// Of this code's own subprograms: r1..r5 and the invocation.
    std::array<Register, 6> local_arguments{};
    /// Bytes at rsp that a caller provides: home of register arguments, then further arguments.
    std::uint32_t home_bytes = 0;
    std::uint32_t red_zone_bytes = 0;  ///< below rsp, that a function which calls nothing may use
    std::uint32_t probe_bytes =
        0;  ///< the stack may grow by so much at once without being touched; 0: any amount
    RegisterFile file;
};

/// Returns the convention of an x64 architecture.
/// Source: System V ABI, AMD64 supplement, section 3.2; Microsoft, "x64 calling convention".
const Convention& convention(Architecture architecture);

}  // namespace ebpf::jit::x64
