// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/filter.hpp"

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

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

}  // namespace

std::span<const FilterRow> filter_rows() {
    return kRows;
}

SharingFlags refused_sharing() {
    return {kMask, kShared};
}

std::vector<sock_filter> make_filter() {
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
    filter.insert(filter.end(),
                  {
                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
                      load(offsetof(seccomp_data, args)),  // the flags, of which the low half counts
                      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kMask),
                      when(BPF_JEQ, kShared),
                      give(SECCOMP_RET_ERRNO | EPERM),
                      give(SECCOMP_RET_ALLOW),
                  });
    return filter;
}

}  // namespace ebpf::hooks::socket
