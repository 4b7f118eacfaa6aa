// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/filter.hpp"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "hooks/socket/linux/asked.hpp"

namespace ebpf::hooks::socket {
namespace {

/// Runs the few instructions that the filter is made of.
std::uint32_t run(const std::vector<sock_filter>& filter, const seccomp_data& data) {
    std::uint32_t loaded = 0;
    for (std::size_t at = 0; at < filter.size(); ++at) {
        const sock_filter& one = filter[at];
        switch (one.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                std::memcpy(&loaded, reinterpret_cast<const char*>(&data) + one.k, sizeof loaded);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                loaded &= one.k;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                at += loaded == one.k ? one.jt : one.jf;
                break;
            case BPF_JMP | BPF_JSET | BPF_K:
                at += (loaded & one.k) != 0 ? one.jt : one.jf;
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                at += loaded >= one.k ? one.jt : one.jf;
                break;
            case BPF_RET | BPF_K:
                return one.k;
            default:
                ADD_FAILURE() << "instruction " << at;
                return 0;
        }
    }
    ADD_FAILURE() << "the filter does not end";
    return 0;
}

std::uint32_t answer_to(long number, std::uint32_t architecture, std::uint64_t first_argument = 0) {
    seccomp_data data{};
    data.args[0] = first_argument;
    data.nr = static_cast<int>(number);
    data.arch = architecture;
    return run(make_filter(), data);
}

#if defined(__x86_64__)
constexpr std::uint32_t kOurs = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kOurs = AUDIT_ARCH_AARCH64;
#endif
constexpr std::uint32_t kMissing = SECCOMP_RET_ERRNO | ENOSYS;

TEST(Filter, AsksAboutBindAndConnectOnly) {
    EXPECT_EQ(answer_to(SYS_bind, kOurs), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(answer_to(SYS_connect, kOurs), SECCOMP_RET_USER_NOTIF);
    for (const long number : {SYS_socket, SYS_sendmsg, SYS_listen, SYS_read, SYS_exit_group, SYS_seccomp})
        EXPECT_EQ(answer_to(number, kOurs), SECCOMP_RET_ALLOW) << number;
}

using spec::AttachType;

/// The answer of a filter for programs of all hooks to a call.
std::uint32_t full_answer_to(long number, std::array<std::uint64_t, 6> arguments,
                             spec::AttachTypeMask hooks = spec::kAnyAttach) {
    seccomp_data data{};
    std::copy(arguments.begin(), arguments.end(), data.args);
    data.nr = static_cast<int>(number);
    data.arch = kOurs;
    return run(make_filter(hooks), data);
}

TEST(Filter, AsksForProgramsThatWereNamedOnly) {
    const std::pair<AttachType, long> rows[] = {
        {AttachType::Inet4Getsockname, SYS_getsockname}, {AttachType::Inet6Getsockname, SYS_getsockname},
        {AttachType::Inet4Getpeername, SYS_getpeername}, {AttachType::Inet6Getpeername, SYS_getpeername},
        {AttachType::Inet4Listen, SYS_listen},           {AttachType::Inet6Listen, SYS_listen},
        {AttachType::Inet4RecvAccept, SYS_accept},       {AttachType::Inet6RecvAccept, SYS_accept4},
        {AttachType::Udp4Sendmsg, SYS_sendmsg},          {AttachType::Udp6Sendmsg, SYS_sendmmsg}};
    for (const auto& [type, number] : rows) {
        EXPECT_EQ(full_answer_to(number, {}, 0), SECCOMP_RET_ALLOW) << number;
        EXPECT_EQ(full_answer_to(number, {}, spec::attach_bit(type)), SECCOMP_RET_USER_NOTIF) << number;
        EXPECT_EQ(full_answer_to(number, {}, ~of_one_hook(spec::attach_bit(type))), SECCOMP_RET_ALLOW)
            << number;
    }
    EXPECT_EQ(full_answer_to(SYS_bind, {}), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(full_answer_to(SYS_clone, {CLONE_FILES}), std::uint32_t{SECCOMP_RET_ERRNO | EPERM});
    EXPECT_EQ(full_answer_to(SYS_clone, {SIGCHLD}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(full_answer_to(SYS_read, {}), SECCOMP_RET_ALLOW);
}

TEST(Asked, IsSettledOnce) {
    Asked asked;
    EXPECT_TRUE(asked.want(AttachType::Udp4Sendmsg));
    EXPECT_TRUE(asked.want(AttachType::InetSockCreate));
    const spec::AttachTypeMask hooks = asked.settle();
    EXPECT_EQ(hooks, spec::attach_bits(AttachType::Udp4Sendmsg, AttachType::Udp6Sendmsg,
                                       AttachType::InetSockCreate));
    EXPECT_TRUE(asked.want(AttachType::Udp6Sendmsg)) << "the filter cannot tell it from the other one";
    EXPECT_TRUE(asked.want(AttachType::Inet4Bind));
    EXPECT_TRUE(asked.want(AttachType::Bind));
    EXPECT_FALSE(asked.want(AttachType::Inet4Listen));
    EXPECT_FALSE(asked.want(AttachType::Inet6Getpeername));
    EXPECT_EQ(asked.settle(), hooks);
}

TEST(Filter, AsksAboutSendtoWithAnAddress) {
    EXPECT_EQ(full_answer_to(SYS_sendto, {3, 4, 5, 0, 0, 0}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(full_answer_to(SYS_sendto, {3, 4, 5, 0, 0, 16}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(full_answer_to(SYS_sendto, {3, 4, 5, 0, 1, 16}), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(full_answer_to(SYS_sendto, {3, 4, 5, 0, 1ULL << 32U, 16}), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(full_answer_to(SYS_sendto, {3, 4, 5, 0, 1, 16}, 0), SECCOMP_RET_ALLOW);
    constexpr std::uint32_t kNotSupported = SECCOMP_RET_ERRNO | EOPNOTSUPP;
    EXPECT_EQ(full_answer_to(SYS_sendto, {3, 4, 5, MSG_FASTOPEN, 1, 16}), kNotSupported);
    EXPECT_EQ(full_answer_to(SYS_sendmsg, {3, 4, MSG_FASTOPEN | MSG_DONTWAIT}), kNotSupported);
    EXPECT_EQ(full_answer_to(SYS_sendmmsg, {3, 4, 5, MSG_FASTOPEN}), kNotSupported);
}

TEST(Filter, AsksAboutInternetSockets) {
    EXPECT_EQ(full_answer_to(SYS_socket, {AF_INET}), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(full_answer_to(SYS_socket, {AF_INET6}), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(full_answer_to(SYS_socket, {0xffff'ffff'0000'0000 | AF_INET}), SECCOMP_RET_USER_NOTIF)
        << "the kernel takes the lower half";
    EXPECT_EQ(full_answer_to(SYS_socket, {AF_UNIX}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(full_answer_to(SYS_socket, {AF_INET}, 0), SECCOMP_RET_ALLOW);
}

TEST(Filter, ClosesTheWaysAround) {
    for (const long number : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register})
        EXPECT_EQ(answer_to(number, kOurs), kMissing) << number;
    EXPECT_EQ(answer_to(SYS_landlock_restrict_self, kOurs), std::uint32_t{SECCOMP_RET_ERRNO | EPERM});
    EXPECT_EQ(answer_to(SYS_bind, AUDIT_ARCH_I386), kMissing);
    EXPECT_EQ(answer_to(361, AUDIT_ARCH_I386), kMissing);  // bind
    EXPECT_EQ(answer_to(102, AUDIT_ARCH_I386), kMissing);  // socketcall
    EXPECT_EQ(answer_to(SYS_read, AUDIT_ARCH_ARM), kMissing);
    EXPECT_EQ(answer_to(SYS_bind | 0x40000000, kOurs), kMissing);  // x32
    EXPECT_EQ(answer_to(-1, kOurs), kMissing);
}

TEST(Filter, OnlyThreadsShareDescriptors) {
    constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    EXPECT_EQ(answer_to(SYS_clone, kOurs, kThread), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer_to(SYS_clone, kOurs, CLONE_VM | CLONE_VFORK | SIGCHLD), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer_to(SYS_clone, kOurs, SIGCHLD), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer_to(SYS_clone, kOurs, CLONE_FILES | SIGCHLD), std::uint32_t{SECCOMP_RET_ERRNO | EPERM});
    EXPECT_EQ(answer_to(SYS_clone, kOurs, CLONE_VM | CLONE_FILES | CLONE_VFORK),
              std::uint32_t{SECCOMP_RET_ERRNO | EPERM});
    EXPECT_EQ(answer_to(SYS_clone3, kOurs), kMissing);
}

}  // namespace
}  // namespace ebpf::hooks::socket
