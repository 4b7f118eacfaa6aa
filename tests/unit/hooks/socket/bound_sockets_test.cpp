// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/bound_sockets.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;
using namespace std::chrono_literals;

Descriptor open_socket(int type = SOCK_DGRAM, int protocol = 0, int family = AF_INET) {
    return Descriptor(::socket(family, type | SOCK_CLOEXEC, protocol));
}

Bound bound_by(int process, std::uint8_t protocol = IPPROTO_UDP) {
    Bound bound;
    bound.task.process = process;
    bound.protocol = protocol;
    return bound;
}

/// What is found closed until there are `wanted`, or for `limit`.
std::vector<Bound> wait_for(BoundSockets& sockets, std::size_t wanted, std::chrono::milliseconds limit) {
    std::vector<Bound> all;
    const auto end = std::chrono::steady_clock::now() + limit;
    while (all.size() < wanted && std::chrono::steady_clock::now() < end) {
        pollfd source{sockets.descriptor(), POLLIN, 0};
        poll(&source, 1, std::min(sockets.timeout(), 100));
        sockets.take_closed([&](const Bound& bound) { all.push_back(bound); });
    }
    return all;
}

TEST(BoundSockets, NothingToWaitFor) {
    BoundSockets sockets;
    EXPECT_TRUE(sockets.is_empty());
    EXPECT_EQ(sockets.timeout(), -1);
    sockets.take_closed([](const Bound&) { ADD_FAILURE() << "nothing was added"; });
}

TEST(BoundSockets, TellsOfTheLastCloseOnly) {
    for (const int family : {AF_INET, AF_INET6}) {
        for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
            const std::uint8_t protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
            BoundSockets sockets;
            Descriptor socket = open_socket(type, 0, family);
            if (!socket.is_open()) continue;  // no IPv6 here
            Descriptor second(dup(socket.number()));
            ASSERT_TRUE(sockets.add(socket, bound_by(7, protocol)));
            EXPECT_EQ(sockets.add(socket, bound_by(8, protocol)).error(), -EINVAL);
            socket.reset();
            EXPECT_TRUE(wait_for(sockets, 1, 120ms).empty());
            second.reset();
            const auto closed = wait_for(sockets, 1, 5s);
            ASSERT_EQ(closed.size(), 1U);
            EXPECT_EQ(closed[0].task.process, 7);
            EXPECT_TRUE(sockets.is_empty());
        }
    }
}

// No message comes of them: UDP-Lite, and sockets of other network namespaces.
TEST(BoundSockets, FindsThoseThatTheKernelDoesNotTellOf) {
    BoundSockets sockets;
    Descriptor lite = open_socket(SOCK_DGRAM, IPPROTO_UDPLITE);
    if (!lite.is_open()) GTEST_SKIP() << "the kernel has no UDP-Lite";
    ASSERT_TRUE(sockets.add(lite, bound_by(1, IPPROTO_UDPLITE)));
    EXPECT_LE(sockets.timeout(), 50);
    lite.reset();
    EXPECT_EQ(wait_for(sockets, 1, 5s).size(), 1U);
    EXPECT_EQ(sockets.timeout(), -1);
}

// More messages than the kernel keeps for a reader.
TEST(BoundSockets, LosesNoneThatWereClosedAtOnce) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    BoundSockets sockets;
    std::vector<Descriptor> open;
    std::size_t total = 0;
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 1000; ++i) {
            Descriptor socket = open_socket();
            if (!socket.is_open()) break;
            ASSERT_TRUE(sockets.add(socket, bound_by(1)));
            open.push_back(std::move(socket));
        }
        total += open.size();
        open.clear();
    }
    EXPECT_GE(total, 2000U);
    EXPECT_EQ(wait_for(sockets, total, 10s).size(), total);
    EXPECT_TRUE(sockets.is_empty());
}

TEST(BoundSockets, Forgets) {
    BoundSockets sockets;
    const Descriptor socket = open_socket();
    ASSERT_TRUE(sockets.add(socket, bound_by(3)));
    EXPECT_EQ(sockets.remove(socket).task.process, 3);
    EXPECT_TRUE(sockets.is_empty());
    EXPECT_TRUE(sockets.add(socket, bound_by(4)));
}

}  // namespace
}  // namespace ebpf::hooks::socket
