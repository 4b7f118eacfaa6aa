// SPDX-License-Identifier: MIT
// Where the programs of one attach type of cgroup_sock_addr or cgroup_sock are attached.
#pragma once

#include "ebpf/contexts.h"
#include "hooks/socket/linux/attachment.hpp"

namespace ebpf::hooks::socket {

/// Threads: any.
class Chain : public Place {
  public:
    /// Runs all programs on `context` for `task`. Returns 0, or a negative errno: -EPERM - a program refused;
    /// -ENOMEM. Without programs: 0.
    int run(ebpf_sock_addr_context& context, const Task& task);
    /// The same for programs of cgroup_sock, which change nothing.
    int run(ebpf_sock_context& context, const Task& task);
};

}  // namespace ebpf::hooks::socket
