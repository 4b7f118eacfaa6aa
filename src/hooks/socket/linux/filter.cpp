// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/filter.hpp"

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace ebpf::hooks::socket {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the socket hooks do not know this processor's system calls"
#endif
constexpr std::uint32_t kX32 =
    0x40000000;  // bit of x32's system call numbers; no number of other kinds has it

constexpr std::uint32_t kMissing = SECCOMP_RET_ERRNO | ENOSYS;
constexpr FilterRow kRows[] = {
    {SYS_bind, SECCOMP_RET_USER_NOTIF},
    {SYS_connect, SECCOMP_RET_USER_NOTIF},
    {SYS_io_uring_setup, kMissing},
    {SYS_io_uring_enter, kMissing},
    {SYS_clone3, kMissing},
    {SYS_io_uring_register, kMissing},
    {SYS_landlock_restrict_self, SECCOMP_RET_ERRNO | EPERM},
};

using enum spec::AttachType;
constexpr spec::AttachTypeMask kSends = spec::attach_bits(Udp4Sendmsg, Udp6Sendmsg);
constexpr spec::AttachTypeMask kListens = spec::attach_bits(Inet4Listen, Inet6Listen);
constexpr spec::AttachTypeMask kOwnNames = spec::attach_bits(Inet4Getsockname, Inet6Getsockname);
constexpr spec::AttachTypeMask kPeerNames = spec::attach_bits(Inet4Getpeername, Inet6Getpeername);
constexpr spec::AttachTypeMask kAccepts = spec::attach_bits(Inet4RecvAccept, Inet6RecvAccept);
constexpr spec::AttachTypeMask kCreations = spec::attach_bit(InetSockCreate);

/// Calls that are asked about for a hook, whatever their arguments are.
struct HookRow {
    spec::AttachTypeMask hooks;
    std::uint32_t number;
};
constexpr HookRow kHookRows[] = {
    {kOwnNames, SYS_getsockname}, {kPeerNames, SYS_getpeername}, {kListens, SYS_listen},
    {kAccepts, SYS_accept},       {kAccepts, SYS_accept4},
};

constexpr std::uint32_t kShared = CLONE_FILES;
constexpr std::uint32_t kMask = CLONE_FILES | CLONE_THREAD;

sock_filter load(std::size_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter give(std::uint32_t action) {
    return BPF_STMT(BPF_RET | BPF_K, action);
}
/// Skips the next instruction unless the comparison holds.
sock_filter when(unsigned comparison, std::uint32_t value) {
    return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), value, 0, 1);
}

/// Where the lower half of an argument is; the upper one follows.
std::size_t argument(std::size_t index) {
    static_assert(std::endian::native == std::endian::little);
    return offsetof(seccomp_data, args) + index * sizeof(std::uint64_t);
}

/// Appends what is done with a system call: it decides, as the number is not looked at again.
void add_call(std::vector<sock_filter>& filter, std::uint32_t number,
              std::initializer_list<sock_filter> rows) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, static_cast<std::uint8_t>(rows.size())));
    filter.insert(filter.end(), rows);
}

/// Skips the next instruction unless one of the bits is set.
sock_filter when_any(std::uint32_t bits) {
    return BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
}

void add_sends(std::vector<sock_filter>& filter) {
    constexpr std::uint32_t kAsk = SECCOMP_RET_USER_NOTIF;
    constexpr std::uint32_t kNoFastOpen = SECCOMP_RET_ERRNO | EOPNOTSUPP;
    constexpr auto kSkipOne = BPF_JMP | BPF_JEQ | BPF_K;
    add_call(filter, SYS_sendto,
             {load(argument(3)), when_any(MSG_FASTOPEN), give(kNoFastOpen),  // the flags
              load(argument(4)), BPF_JUMP(kSkipOne, 0, 1, 0), give(kAsk),    // the address
              load(argument(4) + sizeof(std::uint32_t)), BPF_JUMP(kSkipOne, 0, 1, 0), give(kAsk),
              give(SECCOMP_RET_ALLOW)});
    add_call(filter, SYS_sendmsg, {load(argument(2)), when_any(MSG_FASTOPEN), give(kNoFastOpen), give(kAsk)});
    add_call(filter, SYS_sendmmsg,
             {load(argument(3)), when_any(MSG_FASTOPEN), give(kNoFastOpen), give(kAsk)});
}

void add_creations(std::vector<sock_filter>& filter) {
    add_call(filter, SYS_socket,
             {load(argument(0)), when(BPF_JEQ, AF_INET), give(SECCOMP_RET_USER_NOTIF),
              when(BPF_JEQ, AF_INET6), give(SECCOMP_RET_USER_NOTIF), give(SECCOMP_RET_ALLOW)});
}

}  // namespace

spec::AttachTypeMask of_one_hook(spec::AttachTypeMask hooks) {
    for (const spec::AttachTypeMask together :
         {kSends, kListens, kAccepts, kOwnNames, kPeerNames, kAlwaysAsked}) {
        if ((hooks & together) != 0) hooks |= together;
    }
    return hooks;
}

std::span<const FilterRow> filter_rows() {
    return kRows;
}

SharingFlags refused_sharing() {
    return {kMask, kShared};
}

std::vector<sock_filter> make_filter(spec::AttachTypeMask hooks) {
    std::vector<sock_filter> filter = {
        load(offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
        give(kMissing),
        load(offsetof(seccomp_data, nr)),
        when(BPF_JGE, kX32),
        give(kMissing),
    };
    for (const FilterRow& row : kRows) {
        filter.push_back(when(BPF_JEQ, row.number));
        filter.push_back(give(row.action));
    }
    for (const HookRow& row : kHookRows) {
        if ((hooks & row.hooks) == 0) continue;
        filter.push_back(when(BPF_JEQ, row.number));
        filter.push_back(give(SECCOMP_RET_USER_NOTIF));
    }
    if ((hooks & kSends) != 0) add_sends(filter);
    if ((hooks & kCreations) != 0) add_creations(filter);
    add_call(filter, SYS_clone,
             {load(argument(0)),  // the flags, of which the low half counts
              BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kMask), when(BPF_JEQ, kShared),
              give(SECCOMP_RET_ERRNO | EPERM), give(SECCOMP_RET_ALLOW)});
    filter.push_back(give(SECCOMP_RET_ALLOW));
    return filter;
}

}  // namespace ebpf::hooks::socket
