// SPDX-License-Identifier: MIT
// Where a program of type `bind` (eBPF for Windows') is attached: it decides on binds and is told when they
// end.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "ebpf/hook_provider.h"
#include "hooks/socket/linux/attachment.hpp"
#include "hooks/socket/linux/bound_sockets.hpp"

namespace ebpf::hooks::socket {

/// One program at most, as there. Threads: any.
class BindPoint {
  public:
    /// Returns nullptr if there is a program. Throws bad_alloc.
    Attachment* add(const ebpf_hook_dispatch& dispatch, void* point);
    /// When it returns, the program does not run and will not.
    void remove(const Attachment* attachment);
    [[nodiscard]] bool is_empty();

    /// Lets the program decide on a bind to `bound.address`, makes it what a redirecting program left, and
    /// says in `bound` which program it was. Returns 0, also without a program, or a negative errno: -EPERM,
    /// -ENOMEM.
    int decide(Bound& bound);
    /// Tells the program that permitted it that it is bound.
    void tell_bound(const Bound& bound);
    /// Tells the program that permitted it that it has ended.
    void tell_unbound(const Bound& bound);

  private:
    /// Runs the program; `context` becomes what it leaves. Returns a negative errno, or r0.
    std::int64_t run(const Bound& bound, std::uint32_t operation, ebpf_bind_context& context);
    void tell(const Bound& bound, std::uint32_t operation);

    // Held while the program runs, so that remove() waits for it.
    std::mutex mutex_;
    std::unique_ptr<Attachment> attachment_;
    std::uint64_t serial_ =
        0;  ///< counts attachments: a program is told of the end of what it permitted only
};

}  // namespace ebpf::hooks::socket
