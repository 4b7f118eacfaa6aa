// SPDX-License-Identifier: MIT
// Where the programs of one attach type of cgroup_sock_addr are attached.
#pragma once

#include <memory>
#include <shared_mutex>

#include "ebpf/contexts.h"
#include "ebpf/hook_provider.h"
#include "hooks/socket/linux/attachment.hpp"

namespace ebpf::hooks::socket {

/// Threads: any.
class Chain {
  public:
    /// Returns nullptr if programs are attached. Throws bad_alloc.
    Attachment* add(const ebpf_hook_dispatch& dispatch, void* point);
    /// When it returns, no program runs or will.
    void remove(const Attachment* attachment);

    /// Runs all programs on `context` for `task`. Returns 0, or a negative errno: -EPERM - a program refused;
    /// -ENOMEM. Without programs: 0.
    int run(ebpf_sock_addr_context& context, const Task& task);
    [[nodiscard]] bool is_empty();

  private:
    // Shared by those that run programs, so that remove() waits for them.
    std::shared_mutex mutex_;
    std::unique_ptr<Attachment> attachment_;
};

}  // namespace ebpf::hooks::socket
