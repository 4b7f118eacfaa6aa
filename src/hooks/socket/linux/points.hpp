// SPDX-License-Identifier: MIT
// What programs can be attached to in a process tree: a chain for each attach type of cgroup_sock_addr and
// cgroup_sock, and the place of a bind program.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>

#include "ebpf/hook_provider.h"
#include "hooks/socket/linux/asked.hpp"
#include "hooks/socket/linux/bind_point.hpp"
#include "hooks/socket/linux/chain.hpp"
#include "spec/programs.hpp"

namespace ebpf::hooks::socket {

/// Threads: any.
class Points {
  public:
    /// Attaches programs. nullptr: there are those of another context. Throws bad_alloc.
    Attachment* add(spec::AttachType type, const ebpf_hook_dispatch& dispatch, void* point) {
        Attachment* added = place(type).add(dispatch, point);
        if (added != nullptr) left_ &= ~spec::attach_bit(type);
        return added;
    }
    /// When it returns, no program runs or will.
    void remove(spec::AttachType type, const Attachment* attachment) {
        left_ |= spec::attach_bit(type);  // first: no call may slip through in between
        place(type).remove(attachment);
    }

    /// From now on, calls are refused at a place that had programs and has none any more.
    void close_when_left() { is_closed_ = true; }
    /// Whether a call is refused because of that.
    [[nodiscard]] bool refuses(spec::AttachType type) const {
        return is_closed_ && (left_ & spec::attach_bit(type)) != 0;
    }

    /// Of any attach type but Bind.
    Chain& chain(spec::AttachType type) {
        return chains_[static_cast<std::size_t>(std::countr_zero(spec::attach_bit(type)))];
    }
    BindPoint& bind() { return bind_; }
    /// What the filter of the tree asks about.
    Asked& asked() { return asked_; }

  private:
    Place& place(spec::AttachType type) {
        return type == spec::AttachType::Bind ? static_cast<Place&>(bind_) : chain(type);
    }

    static constexpr std::size_t kChains =
        1 + static_cast<std::size_t>(std::countr_zero(spec::attach_bit(spec::AttachType::Inet6RecvAccept)));
    std::array<Chain, kChains> chains_;
    BindPoint bind_;
    Asked asked_;
    std::atomic<bool> is_closed_ = false;
    std::atomic<spec::AttachTypeMask> left_ = 0;  ///< places that programs were detached from
};

}  // namespace ebpf::hooks::socket
