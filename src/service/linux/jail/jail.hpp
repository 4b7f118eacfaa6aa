// SPDX-License-Identifier: MIT
// The jail of the verifier process: entered once, by the process itself, before it reads anything. Linux
// only.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"

// The sanitizer's shadow memory does not fit into the address space limit of a jail.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EBPF_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define EBPF_ADDRESS_SANITIZER 1
#endif

namespace ebpf::service {

/// Bounds on the process, enforced by the kernel.
struct JailLimits {
    std::uint64_t address_space_bytes = std::uint64_t{2} << 30U;
    std::uint64_t cpu_seconds = 20;
    std::uint64_t file_bytes = std::uint64_t{32} << 20U;  ///< what it may write to a file, the report
};

/// Gives up everything but computing, memory, and reading and writing files that are open already.
///
/// Demanded, and an error if the host has it not: no new privileges, rlimits (memory, CPU time, file size, no
/// further descriptors, no core), another user than root, and an allow list of system calls that kills the
/// process: no opening, no sockets, no processes, no exec, no memory that is executable. Used where the host
/// has it: namespaces of its own for network and IPC, Landlock, memory-deny-write-execute. Errors:
/// Environment. Requires: one thread; called once. After an error the process must end. Source: Linux man
/// pages prctl(2), seccomp(2), landlock(7), setrlimit(2); libseccomp.
Result<void> enter_jail(const JailLimits& limits);

}  // namespace ebpf::service
