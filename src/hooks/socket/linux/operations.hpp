// SPDX-License-Identifier: MIT
// Calls that are asked about when programs for them were named: names, sends, the making of sockets, listen.
// Each is carried out with our copies of what the caller gave, on the open socket that we hold, unless
// registers alone decide. They return the call's result or a negative errno; nothing: it is answered
// elsewhere, or the caller has gone. They throw bad_alloc.
#pragma once

#include <optional>

#include "ebpf/contexts.h"
#include "hooks/socket/linux/callers.hpp"
#include "hooks/socket/linux/connect_pool.hpp"
#include "hooks/socket/linux/memory.hpp"
#include "hooks/socket/linux/notification.hpp"
#include "hooks/socket/linux/points.hpp"

namespace ebpf::hooks::socket {

/// What a supervisor's thread has for it.
struct Means {
    const Listener& listener;
    Callers& callers;
    Points& points;
    ConnectPool& pool;
    bool has_folder;  ///< the thread's working folder is its own
};

/// getsockname() and getpeername(): programs may change what the caller is told.
std::optional<int> tell_name(const Call& call, const Means& means);
/// sendto() with an address, sendmsg() and sendmmsg(): programs decide where datagrams of UDP go.
std::optional<int> send(const Call& call, const Means& means);
/// socket() of an internet family: programs decide; the kernel makes it.
std::optional<int> create(const Call& call, const Means& means);
/// listen(): programs decide by the address that the socket has.
std::optional<int> listen(const Call& call, const Means& means);

/// accept() and accept4(): programs decide on a connection that has come; those that they refuse are closed.
std::optional<int> accept(const Call& call, const Means& means);

/// Stores an address where the caller wants it, as the kernel does: as much as there is room for, and how
/// long it really is. `room` is what the caller said. Returns 0 or a negative errno.
int put_address(const Address& address, std::int32_t room, const Call& call, const CallerMemory& memory);
/// A context with all but the addresses.
ebpf_sock_addr_context context_of(const SocketFacts& facts);

}  // namespace ebpf::hooks::socket
