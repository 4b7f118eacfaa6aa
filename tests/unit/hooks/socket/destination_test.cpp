// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/destination.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace ebpf::hooks::socket {
namespace {

using spec::AttachType;

Address inet(const char* text, int port, int family = AF_INET, socklen_t length = sizeof(sockaddr_in)) {
    sockaddr_in inet{};
    inet.sin_family = static_cast<sa_family_t>(family);
    inet.sin_port = htons(static_cast<std::uint16_t>(port));
    inet_pton(AF_INET, text, &inet.sin_addr);
    Address address;
    address.length = length;
    std::memcpy(&address.bytes, &inet, sizeof inet);
    return address;
}

Address inet6(const char* text, int port, socklen_t length = sizeof(sockaddr_in6)) {
    sockaddr_in6 inet6{};
    inet6.sin6_family = AF_INET6;
    inet6.sin6_port = htons(static_cast<std::uint16_t>(port));
    inet6.sin6_scope_id = 7;
    inet_pton(AF_INET6, text, &inet6.sin6_addr);
    Address address;
    address.length = length;
    std::memcpy(&address.bytes, &inet6, std::min<std::size_t>(sizeof inet6, length));
    return address;
}

void expect_hook(int socket_family, const Address& destination, AttachType attach) {
    const Route way = route_datagram(socket_family, destination);
    EXPECT_EQ(way.way, Way::Hook);
    EXPECT_EQ(way.attach, attach);
}

void expect_refused(int socket_family, const Address& destination, int error) {
    const Route way = route_datagram(socket_family, destination);
    EXPECT_EQ(way.way, Way::Refuse);
    EXPECT_EQ(way.error, -error);
}

TEST(Destination, HooksAreThoseOfTheKernel) {
    expect_hook(AF_INET, inet("127.0.0.1", 53), AttachType::Udp4Sendmsg);
    expect_hook(AF_INET, inet("127.0.0.1", 53, AF_UNSPEC), AttachType::Udp4Sendmsg);
    expect_hook(AF_INET6, inet6("::1", 53), AttachType::Udp6Sendmsg);
    expect_hook(AF_INET6, inet6("::1", 53, 24), AttachType::Udp6Sendmsg);
    expect_hook(AF_INET6, inet6("::ffff:127.0.0.1", 53), AttachType::Udp4Sendmsg);
    expect_hook(AF_INET6, inet("127.0.0.1", 53), AttachType::Udp4Sendmsg);
    EXPECT_EQ(route_datagram(AF_INET6, inet("127.0.0.1", 53, AF_UNSPEC)).way, Way::Perform);
}

TEST(Destination, OddAddressesAreRefusedAsByTheKernel) {
    for (const socklen_t length : {0U, 1U, 2U, 15U})
        expect_refused(AF_INET, inet("127.0.0.1", 53, AF_INET, length), EINVAL);
    for (const socklen_t length : {0U, 1U, 2U, 23U})
        expect_refused(AF_INET6, inet6("::1", 53, length), EINVAL);
    expect_refused(AF_INET6, inet("127.0.0.1", 53, AF_INET, 15), EINVAL);
    expect_refused(AF_INET, inet6("::1", 53), EAFNOSUPPORT);
    expect_refused(AF_INET, inet("127.0.0.1", 53, AF_UNIX), EAFNOSUPPORT);
    expect_refused(AF_INET6, inet("127.0.0.1", 53, AF_UNIX), EINVAL);
    expect_refused(AF_INET, inet("127.0.0.1", 0), EINVAL);
    expect_refused(AF_INET6, inet6("::1", 0), EINVAL);
    expect_refused(AF_INET6, inet6("::ffff:127.0.0.1", 0), EINVAL);
}

TEST(Destination, GoesToAContextAndBack) {
    Address destination = inet("127.0.0.1", 53);
    ebpf_sock_addr_context context{};
    read_destination(destination, inet("127.0.0.9", 1000), AttachType::Udp4Sendmsg, context);
    EXPECT_EQ(context.user_family, unsigned{AF_INET});
    EXPECT_EQ(context.user_ip4, htonl(0x7f000001));
    EXPECT_EQ(context.user_port, htons(53));
    EXPECT_EQ(context.msg_src[0], htonl(0x7f000009));
    context.user_port = htons(54);
    EXPECT_EQ(write_destination(context, AttachType::Udp4Sendmsg, destination), 0);
    EXPECT_EQ(port_of(destination), 54);

    Address six = inet6("fe80::1", 53);
    context = {};
    read_destination(six, inet6("fe80::2", 1), AttachType::Udp6Sendmsg, context);
    EXPECT_EQ(context.user_ip6[0], htonl(0xfe800000));
    EXPECT_EQ(context.msg_src[1], htonl(0xfe800000));
    EXPECT_EQ(context.msg_src[4], htonl(2));
    context.user_ip6[3] = htonl(9);
    EXPECT_EQ(write_destination(context, AttachType::Udp6Sendmsg, six), 0);
    sockaddr_in6 changed{};
    std::memcpy(&changed, &six.bytes, sizeof changed);
    EXPECT_EQ(changed.sin6_addr.s6_addr[15], 9);
    EXPECT_EQ(changed.sin6_scope_id, 7U) << "what programs do not see stays";
}

TEST(Destination, Inet4InsideOfInet6) {
    Address mapped = inet6("::ffff:127.0.0.1", 53);
    ebpf_sock_addr_context context{};
    read_destination(mapped, inet6("::ffff:127.0.0.9", 1), AttachType::Udp4Sendmsg, context);
    EXPECT_EQ(context.user_family, unsigned{AF_INET});
    EXPECT_EQ(context.user_ip4, htonl(0x7f000001));
    EXPECT_EQ(context.user_port, htons(53));
    EXPECT_EQ(context.msg_src[0], htonl(0x7f000009));
    context.user_ip4 = htonl(0x7f000002);
    context.user_port = htons(54);
    EXPECT_EQ(write_destination(context, AttachType::Udp4Sendmsg, mapped), 0);
    const Address wanted = inet6("::ffff:127.0.0.2", 54);
    EXPECT_EQ(std::memcmp(&mapped.bytes, &wanted.bytes, sizeof(sockaddr_in6)), 0);

    context = {};
    read_destination(inet6("::ffff:127.0.0.1", 53), inet6("::", 1), AttachType::Udp4Sendmsg, context);
    EXPECT_EQ(context.msg_src[0], 0U);
}

TEST(Destination, Inet6DoesNotBecomeInet4) {
    Address six = inet6("::1", 53);
    ebpf_sock_addr_context context{};
    read_destination(six, inet6("::", 1), AttachType::Udp6Sendmsg, context);
    context.user_ip6[2] = htonl(0xffff);
    context.user_ip6[3] = htonl(0x7f000001);
    EXPECT_EQ(write_destination(context, AttachType::Udp6Sendmsg, six), -524);
}

}  // namespace
}  // namespace ebpf::hooks::socket
