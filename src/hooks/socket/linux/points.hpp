// SPDX-License-Identifier: MIT
// What programs can be attached to in a process tree: a chain for each attach type of cgroup_sock_addr, and
// the place of a bind program.
#pragma once

#include <array>
#include <bit>
#include <cstddef>

#include "ebpf/hook_provider.h"
#include "hooks/socket/linux/bind_point.hpp"
#include "hooks/socket/linux/chain.hpp"
#include "spec/programs.hpp"

namespace ebpf::hooks::socket {

/// Threads: any.
class Points {
  public:
    /// Attaches programs. nullptr: there are those of another context. Throws bad_alloc.
    Attachment* add(spec::AttachType type, const ebpf_hook_dispatch& dispatch, void* point) {
        return type == spec::AttachType::Bind ? bind_.add(dispatch, point) : chain(type).add(dispatch, point);
    }
    /// When it returns, no program runs or will.
    void remove(spec::AttachType type, Attachment* attachment) {
        if (type == spec::AttachType::Bind) return bind_.remove(attachment);
        chain(type).remove(attachment);
    }

    /// Of any attach type but Bind.
    Chain& chain(spec::AttachType type) {
        return chains_[static_cast<std::size_t>(std::countr_zero(spec::attach_bit(type)))];
    }
    BindPoint& bind() { return bind_; }

  private:
    static constexpr std::size_t kChains =
        1 + static_cast<std::size_t>(std::countr_zero(spec::attach_bit(spec::AttachType::Inet6Connect)));
    std::array<Chain, kChains> chains_;
    BindPoint bind_;
};

}  // namespace ebpf::hooks::socket
