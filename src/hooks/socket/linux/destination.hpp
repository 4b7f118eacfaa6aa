// SPDX-License-Identifier: MIT
// Where datagrams are sent to: as route(), read_address() and write_address() of address.hpp, for what
// sendto() and sendmsg() are given.
#pragma once

#include "ebpf/contexts.h"
#include "hooks/socket/linux/address.hpp"

namespace ebpf::hooks::socket {

/// Decides by the family of a UDP socket and our copy of the address; as the kernel does, IPv4 addresses
/// inside IPv6 ones go to the programs of IPv4. Source: Linux net/ipv4/udp.c, udp_sendmsg(); net/ipv6/udp.c,
/// udpv6_sendmsg().
Route route_datagram(int socket_family, const Address& destination);

/// Fills a context with where a datagram goes and `source`, the address that the socket has.
/// Requires: route_datagram() said Hook.
void read_destination(const Address& destination, const Address& source, spec::AttachType attach,
                      ebpf_sock_addr_context& context);
/// Makes `destination` what the context says. Returns 0, or a negative errno: -524 (ENOTSUPP of the kernel) -
/// an IPv6 address became an IPv4 one.
int write_destination(const ebpf_sock_addr_context& context, spec::AttachType attach, Address& destination);

}  // namespace ebpf::hooks::socket
