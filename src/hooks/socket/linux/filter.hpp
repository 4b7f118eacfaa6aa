// SPDX-License-Identifier: MIT
// The seccomp filter of hooked processes: which calls are asked about and which are refused.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <vector>

#include "spec/programs.hpp"

namespace ebpf::hooks::socket {

/// What becomes of a system call whatever its arguments are: SECCOMP_RET_USER_NOTIF, or an error.
struct FilterRow {
    std::uint32_t number;
    std::uint32_t action;
};
/// Of every filter.
std::span<const FilterRow> filter_rows();

/// clone() whose flags under `mask` are `shared` is refused (EPERM).
struct SharingFlags {
    std::uint32_t mask;
    std::uint32_t shared;
};
SharingFlags refused_sharing();

/// Attach types whose calls every filter asks about.
inline constexpr spec::AttachTypeMask kAlwaysAsked =
    spec::attach_bits(spec::AttachType::Inet4Bind, spec::AttachType::Inet6Bind,
                      spec::AttachType::Inet4Connect, spec::AttachType::Inet6Connect, spec::AttachType::Bind);

/// Returns all attach types whose calls a filter asks about together with those of `hooks`.
spec::AttachTypeMask of_one_hook(spec::AttachTypeMask hooks);

/// Returns the filter: bind and connect are asked about, and the calls that programs of `hooks` decide on,
/// as far as registers tell: socket() of internet sockets, sendto() with an address; every sendmsg() and
/// sendmmsg(), whose addresses no filter sees. TCP Fast Open, which connects by sending, is not supported
/// (EOPNOTSUPP) where sends are asked about.
/// io_uring, system calls of other architectures and of x32 do not exist (ENOSYS), since they bind and
/// connect past a filter; landlock_restrict_self is refused (EPERM), since what is done for a process is not
/// held by rules that it made for itself. Processes other than threads may not share their descriptors (clone
/// with CLONE_FILES: EPERM; clone3, whose flags no filter sees: ENOSYS, upon which C libraries use clone): so
/// descriptors of a process with one thread cannot change while it waits. All else is allowed.
std::vector<sock_filter> make_filter(spec::AttachTypeMask hooks = 0);

}  // namespace ebpf::hooks::socket
