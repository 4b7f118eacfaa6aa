// SPDX-License-Identifier: MIT
// The running Linux kernel as a second opinion: does its verifier accept a program? Needs CAP_BPF and
// CAP_NET_ADMIN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::support {

/// A program as the kernel gets it. Maps are referred to by index, as in verifier::Request.
struct KernelQuestion {
    spec::ProgramType type = spec::ProgramType::Xdp;  ///< one of Linux's
    std::uint32_t attach_type = 0;
    bool is_gpl = true;
    std::span<const std::byte> bytecode;
    std::span<const spec::MapShape> maps;  ///< created for the question, empty
};

struct KernelVerdict {
    bool is_accepted = false;
    std::string reason;  ///< of a refusal: the line of the kernel's log that names it, or its error
    std::string log;     ///< of a refusal: all of it
};

/// Asks the kernel and forgets the program again.
/// Returns nothing, with `failure` set, if the kernel could not be asked: a map could not be created.
std::optional<KernelVerdict> kernel_verdict(const KernelQuestion& question, std::string& failure);

/// Returns why programs cannot be loaded here (no privileges, no such system call); nothing if they can.
std::optional<std::string> kernel_is_closed();

/// Gives up CAP_PERFMON and CAP_SYS_ADMIN of the calling thread for good, so that the kernel also refuses
/// programs that leak addresses or read stack bytes that were not written. Returns false if that is not
/// possible.
bool drop_performance_monitoring();

}  // namespace ebpf::support
