// SPDX-License-Identifier: MIT
// Machine code as text, for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace ebpf::jit {

/// One instruction, or bytes that are none (operation ".byte" or ".word").
struct MachineInstruction {
    std::uint32_t offset = 0;  ///< in bytes from the code's start
    std::vector<std::byte> bytes;
    std::string operation;  ///< "mov"
    std::string operands;   ///< "rax, rbx"; may be empty
};

/// Disassembles `code` for `machine` (spec::kMachineX64, spec::kMachineArm64) as it stands at `address`.
/// Errors: NotSupported - this build has no disassembler for the machine.
/// Threads: any.
Result<std::vector<MachineInstruction>> disassemble(std::uint32_t machine, std::span<const std::byte> code,
                                                    std::uint64_t address);

}  // namespace ebpf::jit
