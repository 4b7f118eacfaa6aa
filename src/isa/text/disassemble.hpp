// SPDX-License-Identifier: MIT
// Instructions to text, in the form that the Linux kernel and bpftool print.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "isa/instruction.hpp"

namespace ebpf::isa {

/// Returns `instruction` as text, such as "r1 = *(u32 *)(r1 +0)"; empty for the second slot of a wide
/// immediate. assemble() of the text gives the instruction again. Deviates: wide immediates end in " ll", as
/// LLVM writes them: the kernel's "r0 = 0x1" could be a move as well. References that the kernel prints after
/// resolving them are written as they are encoded: map[fd:5], map[idx:0], map[idx:0][0]+8, var[id:7],
/// subprog[+3]. Threads: any. Source: Linux kernel/bpf/disasm.c.
std::string disassemble(const Instruction& instruction);

/// Returns the whole program, a line per instruction without slot numbers: input for assemble().
std::string disassemble(std::span<const Instruction> code);

/// Returns the line of `bpftool prog dump xlated` for the instruction at `slot`: "   3: (b7) r0 = 1".
std::string listing_line(std::size_t slot, const Instruction& instruction);

}  // namespace ebpf::isa
