// SPDX-License-Identifier: MIT
// Socket addresses: which hook a call belongs to, and the way between an address and a program's context.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ebpf/contexts.h"
#include "spec/programs.hpp"

namespace ebpf::hooks::socket {

/// Our copy of the address that a call was given: the only one that is looked at and used.
struct Address {
    sockaddr_storage bytes{};
    socklen_t length = 0;

    [[nodiscard]] sa_family_t family() const { return bytes.ss_family; }
};

enum class Operation : std::uint8_t { Bind, Connect };

/// What becomes of a call.
enum class Way : std::uint8_t {
    Hook,      ///< programs decide
    Perform,   ///< nothing to decide, as no address is taken: carried out here
    Continue,  ///< a kind of socket without internet addresses: carried out by the kernel
    Refuse,    ///< `error`
};

struct Route {
    Way way = Way::Refuse;
    spec::AttachType attach = spec::AttachType::Inet4Bind;  ///< Hook
    int error = 0;                                          ///< Refuse: a negative errno
};

/// Decides by the family of the socket itself (SO_DOMAIN), which its owner cannot change, and for internet
/// sockets by our copy of the address. Kinds of sockets that may have internet addresses under another family
/// are refused.
Route route(Operation operation, int socket_family, const Address& address);
/// Decides whether a call on a socket of this family can only be carried out by the kernel. Nothing: internet
/// sockets.
std::optional<Route> route_family(int socket_family);

/// Fills the address part of a context. Requires: route() said Hook.
void read_address(const Address& address, spec::AttachType attach, ebpf_sock_addr_context& context);
/// Makes `address` what the context says; what the context does not hold (flow, scope) stays. Returns whether
/// anything changed.
bool write_address(const ebpf_sock_addr_context& context, spec::AttachType attach, Address& address);
/// Returns the port of an address that route() said Hook for, in the host's byte order.
std::uint16_t port_of(const Address& address);

}  // namespace ebpf::hooks::socket
