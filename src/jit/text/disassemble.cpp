// SPDX-License-Identifier: MIT
#include "jit/text/disassemble.hpp"

#include <fmt/format.h>

#include "jit/text/machines.hpp"
#include "spec/engines.hpp"

namespace ebpf::jit {

Result<std::vector<MachineInstruction>> disassemble(std::uint32_t machine, std::span<const std::byte> code,
                                                    std::uint64_t address) {
#if EBPF_HAS_DISASSEMBLERS
    if (machine == spec::kMachineX64) return disassemble_x64(code, address);
    if (machine == spec::kMachineArm64) return disassemble_arm64(code, address);
#endif
    return fail(Status::NotSupported,
                fmt::format("this build cannot disassemble {} bytes at {:#x} for machine {}", code.size(),
                            address, machine));
}

}  // namespace ebpf::jit
