// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace ebpf::hooks::socket {
namespace {

using spec::AttachType;

template <typename T>
Address address_of(const T& value, std::size_t length = sizeof(T)) {
    Address address;
    std::memcpy(&address.bytes, &value, sizeof value);
    address.length = static_cast<socklen_t>(length);
    return address;
}

sockaddr_in inet(std::uint16_t port, sa_family_t family = AF_INET) {
    sockaddr_in value{};
    value.sin_family = family;
    value.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    value.sin_port = htons(port);
    return value;
}

sockaddr_in6 inet6(std::uint16_t port) {
    sockaddr_in6 value{};
    value.sin6_family = AF_INET6;
    value.sin6_addr = in6addr_loopback;
    value.sin6_port = htons(port);
    value.sin6_flowinfo = 7;
    value.sin6_scope_id = 9;
    return value;
}

void expect_hook(const Route& route, AttachType type) {
    EXPECT_EQ(route.way, Way::Hook);
    EXPECT_EQ(route.attach, type);
}
void expect_refused(const Route& route, int error) {
    EXPECT_EQ(route.way, Way::Refuse);
    EXPECT_EQ(route.error, -error);
}

TEST(Route, InternetSocketsGoByTheAddressTheyWereGiven) {
    expect_hook(route(Operation::Bind, AF_INET, address_of(inet(1))), AttachType::Inet4Bind);
    expect_hook(route(Operation::Connect, AF_INET, address_of(inet(1))), AttachType::Inet4Connect);
    expect_hook(route(Operation::Bind, AF_INET6, address_of(inet6(1))), AttachType::Inet6Bind);
    expect_hook(route(Operation::Connect, AF_INET6, address_of(inet6(1))), AttachType::Inet6Connect);
    // A datagram socket of IPv6 may connect to an address of IPv4.
    expect_hook(route(Operation::Connect, AF_INET6, address_of(inet(1))), AttachType::Inet4Connect);
    // A short address of IPv6 has no scope; a long one of IPv4 is as good as any.
    expect_hook(route(Operation::Bind, AF_INET6, address_of(inet6(1), 24)), AttachType::Inet6Bind);
    expect_hook(route(Operation::Bind, AF_INET, address_of(inet(1), 110)), AttachType::Inet4Bind);
}

TEST(Route, AddressesThatTheKernelTakesForNoneAreRefused) {
    expect_refused(route(Operation::Bind, AF_INET, address_of(inet(1), 15)), EINVAL);
    expect_refused(route(Operation::Bind, AF_INET6, address_of(inet6(1), 23)), EINVAL);
    expect_refused(route(Operation::Connect, AF_INET, address_of(inet(1), 1)), EINVAL);
    expect_refused(route(Operation::Connect, AF_INET, address_of(inet(1), 0)), EINVAL);
    expect_refused(route(Operation::Connect, AF_INET, address_of(inet6(1))), EAFNOSUPPORT);
    expect_refused(route(Operation::Connect, AF_INET, address_of(inet(1, AF_UNIX))), EAFNOSUPPORT);
    expect_refused(route(Operation::Bind, AF_INET6, address_of(inet(1, AF_UNSPEC))), EAFNOSUPPORT);
}

TEST(Route, UnspecifiedFamily) {
    EXPECT_EQ(route(Operation::Connect, AF_INET, address_of(inet(1, AF_UNSPEC))).way, Way::Perform);
    EXPECT_EQ(route(Operation::Connect, AF_INET6, address_of(inet(1, AF_UNSPEC), 2)).way, Way::Perform);
    expect_hook(route(Operation::Bind, AF_INET, address_of(inet(1, AF_UNSPEC))), AttachType::Inet4Bind);
}

// It is the socket that counts: an address says what its owner likes.
TEST(Route, OtherSocketsGoToTheKernelUnlessInternetAddressesHideInThem) {
    for (const int family : {AF_UNIX, AF_NETLINK, AF_PACKET, AF_VSOCK}) {
        EXPECT_EQ(route(Operation::Bind, family, address_of(inet(1))).way, Way::Continue) << family;
    }
    for (const int family : {AF_SMC, AF_RDS, AF_RXRPC, AF_KCM, 250}) {
        expect_refused(route(Operation::Connect, family, address_of(inet(1))), EPERM);
    }
}

TEST(Address, GoesThroughAContextUnchanged) {
    for (const bool is_inet6 : {false, true}) {
        Address address = is_inet6 ? address_of(inet6(80)) : address_of(inet(80));
        const AttachType type = is_inet6 ? AttachType::Inet6Bind : AttachType::Inet4Bind;
        ebpf_sock_addr_context context{};
        read_address(address, type, context);
        EXPECT_EQ(context.user_family, is_inet6 ? AF_INET6 : AF_INET);
        EXPECT_EQ(context.user_port, htons(80));
        EXPECT_EQ(context.user_ip4, is_inet6 ? 0U : htonl(INADDR_LOOPBACK));
        EXPECT_EQ(context.user_ip6[3], is_inet6 ? htonl(1) : 0U);
        EXPECT_FALSE(write_address(context, type, address));
        EXPECT_EQ(port_of(address), 80);
    }
}

TEST(Address, TakesWhatAProgramWrote) {
    Address four = address_of(inet(80));
    ebpf_sock_addr_context context{};
    read_address(four, AttachType::Inet4Connect, context);
    context.user_ip4 = htonl(0x0a000001);
    context.user_port = htons(8080);
    EXPECT_TRUE(write_address(context, AttachType::Inet4Connect, four));
    sockaddr_in inet4{};
    std::memcpy(&inet4, &four.bytes, sizeof inet4);
    EXPECT_EQ(inet4.sin_addr.s_addr, htonl(0x0a000001));
    EXPECT_EQ(port_of(four), 8080);
    EXPECT_EQ(four.length, sizeof inet4);

    Address six = address_of(inet6(80));
    read_address(six, AttachType::Inet6Connect, context);
    context.user_ip6[0] = htonl(0x20010db8);
    context.user_port = htons(443);
    EXPECT_TRUE(write_address(context, AttachType::Inet6Connect, six));
    sockaddr_in6 changed{};
    std::memcpy(&changed, &six.bytes, sizeof changed);
    EXPECT_EQ(changed.sin6_addr.s6_addr32[0], htonl(0x20010db8));
    EXPECT_EQ(changed.sin6_port, htons(443));
    EXPECT_EQ(changed.sin6_flowinfo, 7U);
    EXPECT_EQ(changed.sin6_scope_id, 9U);
}

}  // namespace
}  // namespace ebpf::hooks::socket
