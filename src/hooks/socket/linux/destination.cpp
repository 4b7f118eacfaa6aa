// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/destination.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ebpf::hooks::socket {
namespace {

using spec::AttachType;

// Source: Linux net/ipv6/af_inet6.c, SIN6_LEN_RFC2133; include/linux/errno.h, ENOTSUPP.
constexpr socklen_t kShortestInet6 = 24;
constexpr int kNotSupported = 524;
constexpr std::size_t kInet4Place = 12;  // inside an IPv6 address

Route refuse(int error) {
    return {Way::Refuse, {}, -error};
}

template <typename T>
T read_as(const Address& address) {
    T value{};
    std::memcpy(&value, &address.bytes, sizeof value);
    return value;
}

bool is_mapped(const Address& address) {
    if (address.family() != AF_INET6) return false;
    const auto inet6 = read_as<sockaddr_in6>(address);
    return IN6_IS_ADDR_V4MAPPED(&inet6.sin6_addr);
}

/// The IPv4 address inside an IPv6 one.
Address inner(const Address& address) {
    const auto inet6 = read_as<sockaddr_in6>(address);
    sockaddr_in inet{};
    inet.sin_family = AF_INET;
    inet.sin_port = inet6.sin6_port;
    std::memcpy(&inet.sin_addr, inet6.sin6_addr.s6_addr + kInet4Place, sizeof inet.sin_addr);
    Address taken;
    taken.length = sizeof inet;
    std::memcpy(&taken.bytes, &inet, sizeof inet);
    return taken;
}

void put_inner(const Address& from, Address& address) {
    auto inet6 = read_as<sockaddr_in6>(address);
    const auto inet = read_as<sockaddr_in>(from);
    inet6.sin6_port = inet.sin_port;
    std::memcpy(inet6.sin6_addr.s6_addr + kInet4Place, &inet.sin_addr, sizeof inet.sin_addr);
    std::memcpy(&address.bytes, &inet6, std::min<std::size_t>(sizeof inet6, address.length));
}

Route hook(AttachType attach, const Address& destination) {
    return port_of(destination) == 0 ? refuse(EINVAL) : Route{Way::Hook, attach, 0};
}

}  // namespace

Route route_datagram(int socket_family, const Address& destination) {
    const bool is_inet6 = socket_family == AF_INET6;
    if (destination.length < sizeof(sa_family_t)) return refuse(EINVAL);
    const int family = destination.family();
    if (is_inet6 && family == AF_UNSPEC) return {Way::Perform, {}, 0};  // as if there were no address
    if (is_inet6 && family == AF_INET6) {
        if (destination.length < kShortestInet6) return refuse(EINVAL);
        return hook(is_mapped(destination) ? AttachType::Udp4Sendmsg : AttachType::Udp6Sendmsg, destination);
    }
    if (is_inet6 && family != AF_INET) return refuse(EINVAL);
    if (destination.length < sizeof(sockaddr_in)) return refuse(EINVAL);
    if (family != AF_INET && family != AF_UNSPEC) return refuse(EAFNOSUPPORT);
    return hook(AttachType::Udp4Sendmsg, destination);
}

void read_destination(const Address& destination, const Address& source, AttachType attach,
                      ebpf_sock_addr_context& context) {
    const bool is_inside = attach == AttachType::Udp4Sendmsg && is_mapped(destination);
    read_address(is_inside ? inner(destination) : destination, attach, context);
    ebpf_sock_addr_context own{};
    if (attach == AttachType::Udp4Sendmsg) {
        const bool is_inet4 = source.family() == AF_INET;
        if (is_inet4 || is_mapped(source)) read_address(is_inet4 ? source : inner(source), attach, own);
        context.msg_src[0] = own.user_ip4;
        return;
    }
    if (source.family() == AF_INET6) read_address(source, attach, own);
    std::memcpy(&context.msg_src[1], own.user_ip6, sizeof own.user_ip6);
}

int write_destination(const ebpf_sock_addr_context& context, AttachType attach, Address& destination) {
    if (attach == AttachType::Udp4Sendmsg && is_mapped(destination)) {
        Address inside = inner(destination);
        if (write_address(context, attach, inside)) put_inner(inside, destination);
        return 0;
    }
    write_address(context, attach, destination);
    return attach == AttachType::Udp6Sendmsg && is_mapped(destination) ? -kNotSupported : 0;
}

}  // namespace ebpf::hooks::socket
