// SPDX-License-Identifier: MIT
// The Linux kernel as an oracle: loads a generated program with bpf() and runs it with BPF_PROG_TEST_RUN.
#pragma once

#include <optional>
#include <string>

#include "oracle_run.hpp"

namespace ebpf::oracle {

/// What the kernel makes of a program.
struct KernelRun {
    bool is_loaded = false;
    std::string log;           ///< the kernel verifier's, if the program was refused
    std::uint32_t run_ns = 0;  ///< mean time of a run, as the kernel measures it
    std::string failure;       ///< the kernel accepted it but it could not be run
    Effects effects;           ///< result: the low 32 bits of r0, which is all that the kernel returns
};

/// Returns why programs cannot be loaded here; nothing if they can.
std::optional<std::string> kernel_refuses();

/// Loads the program, runs it `repeat` times and removes it.
/// Requires: program.type is Xdp or SocketFilter, and kernel_refuses() returned nothing. Cost: a refusal's
/// log needs a second load.
KernelRun run_in_kernel(const Generated& program, bool wants_log, std::uint32_t repeat = 1);

}  // namespace ebpf::oracle
