// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/filter.hpp"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstring>

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
