// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/address.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ebpf::hooks::socket {
namespace {

using spec::AttachType;

// The shortest address that the kernel takes: without the scope. Source: Linux net/ipv6/af_inet6.c,
// SIN6_LEN_RFC2133.
constexpr socklen_t kShortestInet6 = 24;

/// Families whose addresses are no internet addresses, also not inside (as SMC, RDS and RxRPC have them).
constexpr int kOtherFamilies[] = {AF_UNIX, AF_NETLINK, AF_PACKET,    AF_KEY, AF_ALG,  AF_VSOCK,
                                  AF_CAN,  AF_LLC,     AF_BLUETOOTH, AF_XDP, AF_TIPC, AF_NFC};

Route hook(AttachType attach) {
    return {Way::Hook, attach, 0};
}
Route refuse(int error) {
    return {Way::Refuse, {}, -error};
}

constexpr spec::AttachTypeMask kInet4 = spec::attach_bits(
    AttachType::Inet4Bind, AttachType::Inet4Connect, AttachType::Udp4Sendmsg, AttachType::Inet4Getsockname,
    AttachType::Inet4Getpeername, AttachType::Inet4Listen, AttachType::Inet4RecvAccept);

bool is_inet4(AttachType attach) {
    return (kInet4 & spec::attach_bit(attach)) != 0;
}

template <typename T>
T read_as(const Address& address) {
    T value{};
    std::memcpy(&value, &address.bytes, std::min<std::size_t>(sizeof value, sizeof address.bytes));
    return value;
}

template <typename T>
bool replace(Address& address, const T& value) {
    // No longer than it was: the part behind a short IPv6 address was never given.
    const std::size_t size = std::min<std::size_t>(sizeof value, address.length);
    if (std::memcmp(&address.bytes, &value, size) == 0) return false;
    std::memcpy(&address.bytes, &value, size);
    return true;
}

}  // namespace

std::optional<Route> route_family(int socket_family) {
    if (socket_family == AF_INET || socket_family == AF_INET6) return std::nullopt;
    const bool is_other = std::find(std::begin(kOtherFamilies), std::end(kOtherFamilies), socket_family) !=
                          std::end(kOtherFamilies);
    return is_other ? Route{Way::Continue, {}, 0} : refuse(EPERM);
}

Route route(Operation operation, int socket_family, const Address& address) {
    if (const auto decided = route_family(socket_family)) return *decided;
    const bool is_bind = operation == Operation::Bind;
    if (address.length < sizeof(sa_family_t)) return refuse(EINVAL);
    switch (address.family()) {
        case AF_INET:
            if (address.length < sizeof(sockaddr_in)) return refuse(EINVAL);
            return hook(is_bind ? AttachType::Inet4Bind : AttachType::Inet4Connect);
        case AF_INET6:
            if (socket_family != AF_INET6) return refuse(EAFNOSUPPORT);
            if (address.length < kShortestInet6) return refuse(EINVAL);
            return hook(is_bind ? AttachType::Inet6Bind : AttachType::Inet6Connect);
        case AF_UNSPEC:
            // connect: dissolves an association. bind: an old spelling of AF_INET, for IPv4 sockets.
            if (!is_bind) return {Way::Perform, {}, 0};
            if (socket_family != AF_INET) return refuse(EAFNOSUPPORT);
            if (address.length < sizeof(sockaddr_in)) return refuse(EINVAL);
            return hook(AttachType::Inet4Bind);
        default:
            return refuse(EAFNOSUPPORT);
    }
}

void read_address(const Address& address, AttachType attach, ebpf_sock_addr_context& context) {
    context.user_family = address.family();
    if (is_inet4(attach)) {
        const auto inet = read_as<sockaddr_in>(address);
        context.user_ip4 = inet.sin_addr.s_addr;
        context.user_port = inet.sin_port;
        return;
    }
    const auto inet6 = read_as<sockaddr_in6>(address);
    static_assert(sizeof context.user_ip6 == sizeof inet6.sin6_addr);
    std::memcpy(context.user_ip6, &inet6.sin6_addr, sizeof context.user_ip6);
    context.user_port = inet6.sin6_port;
}

bool write_address(const ebpf_sock_addr_context& context, AttachType attach, Address& address) {
    if (is_inet4(attach)) {
        auto inet = read_as<sockaddr_in>(address);
        inet.sin_addr.s_addr = context.user_ip4;
        inet.sin_port = context.user_port;
        return replace(address, inet);
    }
    auto inet6 = read_as<sockaddr_in6>(address);
    std::memcpy(&inet6.sin6_addr, context.user_ip6, sizeof context.user_ip6);
    inet6.sin6_port = context.user_port;
    return replace(address, inet6);
}

// Both families have the port at the same place.
std::uint16_t port_of(const Address& address) {
    static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
    return ntohs(read_as<sockaddr_in>(address).sin_port);
}

}  // namespace ebpf::hooks::socket
