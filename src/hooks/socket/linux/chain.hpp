// SPDX-License-Identifier: MIT
// The programs of one attach type, in the order of their attachment.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "ebpf/contexts.h"
#include "ebpf/hook_provider.h"

namespace ebpf::hooks::socket {

class Chain;

/// A program in a chain: what attach() makes.
struct Attachment {
    Chain* chain = nullptr;
    const ebpf_hook_dispatch* dispatch = nullptr;
    void* link = nullptr;
    std::atomic<std::uint64_t> calls = 0;    ///< of the program
    std::atomic<std::uint64_t> denials = 0;  ///< of those, how many it refused
    std::atomic<std::uint64_t> changes = 0;  ///< of those, after how many the address was another
};

/// Threads: any.
class Chain {
  public:
    /// Adds a program at the end. Throws bad_alloc.
    Attachment* add(const ebpf_hook_dispatch& dispatch, void* link);
    /// When it returns, the program does not run and will not.
    void remove(Attachment* attachment);

    /// Runs all programs on `context` for `task`. Returns 0, or a negative errno: -EPERM - a program refused;
    /// -ENOMEM. Without programs: 0.
    int run(ebpf_sock_addr_context& context, const ebpf_task& task);
    [[nodiscard]] bool is_empty();

  private:
    // Held while programs run, so that remove() waits for them.
    std::mutex mutex_;
    std::vector<std::unique_ptr<Attachment>> attachments_;
};

}  // namespace ebpf::hooks::socket
