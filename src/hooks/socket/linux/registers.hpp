// SPDX-License-Identifier: MIT
// Registers of a traced process, where processors differ: how a system call is made.
#pragma once

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <array>
#include <cstddef>
#include <cstdint>

#if defined(__aarch64__)
#include <elf.h>
#endif

namespace ebpf::hooks::socket {

using CallArguments = std::array<std::uint64_t, 6>;

#if defined(__x86_64__)

using Registers = user_regs_struct;
/// The instruction that makes a system call.
inline constexpr std::array<std::uint8_t, 2> kCallInstruction = {0x0f, 0x05};

/// Changes registers so that the process, when it goes on, makes the call that stands at `instruction`.
inline void set_call(Registers& registers, std::uint64_t instruction, long number,
                     const CallArguments& arguments) {
    registers.rip = instruction;
    registers.rax = static_cast<std::uint64_t>(number);
    registers.orig_rax = ~std::uint64_t{0};  // an interrupted call is not to be started again on these
    registers.rdi = arguments[0];
    registers.rsi = arguments[1];
    registers.rdx = arguments[2];
    registers.r10 = arguments[3];
    registers.r8 = arguments[4];
    registers.r9 = arguments[5];
}
inline std::int64_t result_of(const Registers& registers) {
    return static_cast<std::int64_t>(registers.rax);
}
using Place = decltype(Registers::rip);
inline Place& place_of(Registers& registers) {
    return registers.rip;
}
inline void forget_call(int) {}

#elif defined(__aarch64__)

using Registers = user_regs_struct;
inline constexpr std::array<std::uint8_t, 4> kCallInstruction = {0x01, 0x00, 0x00, 0xd4};

inline void set_call(Registers& registers, std::uint64_t instruction, long number,
                     const CallArguments& arguments) {
    registers.pc = instruction;
    registers.regs[8] = static_cast<std::uint64_t>(number);
    for (std::size_t i = 0; i < arguments.size(); ++i) registers.regs[i] = arguments[i];
}
inline std::int64_t result_of(const Registers& registers) {
    return static_cast<std::int64_t>(registers.regs[0]);
}
using Place = decltype(Registers::pc);
inline Place& place_of(Registers& registers) {
    return registers.pc;
}
/// The kernel keeps the number of an interrupted call apart; here it is told that there is none.
inline void forget_call(int process) {
    int none = -1;
    iovec part{&none, sizeof none};
    ptrace(PTRACE_SETREGSET, process, NT_ARM_SYSTEM_CALL, &part);
}

#endif

}  // namespace ebpf::hooks::socket
