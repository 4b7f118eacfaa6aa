// SPDX-License-Identifier: MIT
// Where a program of type `bind` (eBPF for Windows') is attached: it decides on binds and is told when they
// end.
#pragma once

#include <cstdint>

#include "hooks/socket/linux/attachment.hpp"
#include "hooks/socket/linux/bound_sockets.hpp"

namespace ebpf::hooks::socket {

/// One program at most, as there. Threads: any.
class BindPoint : public Place {
  public:
    /// Lets the program decide on a bind to `bound.address`, makes it what a redirecting program left, and
    /// says in `bound` which program it was. Returns 0, also without a program, or a negative errno: -EPERM,
    /// -ENOMEM.
    int decide(Bound& bound);
    /// Tells the program that permitted it that it is bound.
    void tell_bound(const Bound& bound);
    /// Tells the program that permitted it that it has ended.
    void tell_unbound(const Bound& bound);

  private:
    void tell(const Bound& bound, std::uint32_t operation);
};

}  // namespace ebpf::hooks::socket
