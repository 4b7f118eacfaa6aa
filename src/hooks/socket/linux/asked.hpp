// SPDX-License-Identifier: MIT
// Which hooks the filter of a process tree asks about. A filter cannot be changed once it is in place.
#pragma once

#include <mutex>

#include "hooks/socket/linux/filter.hpp"
#include "spec/programs.hpp"

namespace ebpf::hooks::socket {

/// Threads: any.
class Asked {
  public:
    /// Returns whether programs of `type` can decide: the filter asks about their calls, or is not there yet.
    bool want(spec::AttachType type) {
        const std::lock_guard guard(mutex_);
        const spec::AttachTypeMask hook = of_one_hook(spec::attach_bit(type));
        if (is_settled_) return ((mask_ | kAlwaysAsked) & hook) != 0;
        mask_ |= hook;
        return true;
    }
    /// From now on the filter is there. Returns what was wanted until then.
    spec::AttachTypeMask settle() {
        const std::lock_guard guard(mutex_);
        is_settled_ = true;
        return mask_;
    }

  private:
    std::mutex mutex_;
    spec::AttachTypeMask mask_ = 0;
    bool is_settled_ = false;
};

}  // namespace ebpf::hooks::socket
