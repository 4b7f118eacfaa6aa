// SPDX-License-Identifier: MIT
#include "jit/x64/convention.hpp"

namespace ebpf::jit::x64 {
namespace {

// Without rsp all registers are allocatable; vector registers serve for moves between slots. Registers that
// need no prefix come first, those that a callee saves last.
const Convention system_v{
    .arguments = {kRdi, kRsi, kRdx, kRcx, kR8, kR9},
    .argument_registers = 6,
    .local_arguments = {kRdi, kRsi, kRdx, kRcx, kR8, kR9},
    .home_bytes = 0,
    .red_zone_bytes = 128,
    .probe_bytes = 0,
    .file = {.allocatable = {kRax, kRcx, kRdx, kRsi, kRdi, kR8, kR9, kR10, kR11, kRbx, kRbp, kR12, kR13, kR14,
                             kR15},
             .callee_saved = registers(kRbx, kRbp, kR12, kR13, kR14, kR15),
             .call_clobbered = registers(kRax, kRcx, kRdx, kRsi, kRdi, kR8, kR9, kR10, kR11)}};

const Convention windows{.arguments = {kRcx, kRdx, kR8, kR9, kNoRegister, kNoRegister},
                         .argument_registers = 4,
                         .local_arguments = {kRcx, kRdx, kR8, kR9, kR10, kR11},
                         .home_bytes = 32,
                         .red_zone_bytes = 0,
                         .probe_bytes = 4096,
                         .file = {.allocatable = {kRax, kRcx, kRdx, kR8, kR9, kR10, kR11, kRbx, kRsi, kRdi,
                                                  kRbp, kR12, kR13, kR14, kR15},
                                  .callee_saved = registers(kRbx, kRbp, kRsi, kRdi, kR12, kR13, kR14, kR15),
                                  .call_clobbered = registers(kRax, kRcx, kRdx, kR8, kR9, kR10, kR11)}};

}  // namespace

const Convention& convention(Architecture architecture) {
    return architecture == Architecture::X64Windows ? windows : system_v;
}

}  // namespace ebpf::jit::x64
