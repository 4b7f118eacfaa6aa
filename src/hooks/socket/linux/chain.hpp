// SPDX-License-Identifier: MIT
// The programs of one attach type, in the order of their attachment.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ebpf/contexts.h"
#include "ebpf/hook_provider.h"
#include "hooks/socket/linux/attachment.hpp"

namespace ebpf::hooks::socket {

/// Threads: any.
class Chain {
  public:
    /// Adds a program at the end. Throws bad_alloc.
    Attachment* add(const ebpf_hook_dispatch& dispatch, void* link);
    /// When it returns, the program does not run and will not.
    void remove(Attachment* attachment);

    /// Runs all programs on `context` for `task`. Returns 0, or a negative errno: -EPERM - a program refused;
    /// -ENOMEM. Without programs: 0.
    int run(ebpf_sock_addr_context& context, const Task& task);
    [[nodiscard]] bool is_empty();

  private:
    // Held while programs run, so that remove() waits for them.
    std::mutex mutex_;
    std::vector<std::unique_ptr<Attachment>> attachments_;
};

}  // namespace ebpf::hooks::socket
