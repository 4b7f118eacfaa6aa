// SPDX-License-Identifier: MIT
#include "service/linux/jail/jail.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "base/try.hpp"

namespace ebpf::service {
namespace {

// Newer than Debian 12's headers. Source: Linux include/uapi/linux/prctl.h.
constexpr int kSetMdwe = 65;                  // PR_SET_MDWE
constexpr unsigned long kRefuseExecGain = 1;  // PR_MDWE_REFUSE_EXEC_GAIN
constexpr uid_t kNobody = 65534;

std::unexpected<Error> refused(const char* what, int number) {
    return fail(Status::Environment, fmt::format("jail: {}: {}", what, std::strerror(number)));
}

Result<void> demand(bool done, const char* what) {
    if (done) return {};
    return refused(what, errno);
}

// What a user without privileges may not have is left out: the allow list of system calls denies it anyway.
void leave_namespaces(bool is_root) {
    const int own = CLONE_NEWNET | CLONE_NEWIPC;
    if (is_root) {
        (void)unshare(own);
    } else {
        (void)unshare(CLONE_NEWUSER | own);
    }
}

Result<void> drop_root() {
    EBPF_TRY_VOID(demand(setgroups(0, nullptr) == 0, "setgroups"));
    EBPF_TRY_VOID(demand(setresgid(kNobody, kNobody, kNobody) == 0, "setresgid"));
    return demand(setresuid(kNobody, kNobody, kNobody) == 0, "setresuid");
}

Result<void> limit(__rlimit_resource resource, std::uint64_t value, const char* name) {
    const struct rlimit both{value, value};
    return demand(setrlimit(resource, &both) == 0, name);
}

Result<void> set_limits(const JailLimits& limits) {
#if !defined(EBPF_ADDRESS_SANITIZER)
    // AddressSanitizer reserves terabytes of address space.
    EBPF_TRY_VOID(limit(RLIMIT_AS, limits.address_space_bytes, "RLIMIT_AS"));
#endif
    EBPF_TRY_VOID(limit(RLIMIT_CPU, limits.cpu_seconds, "RLIMIT_CPU"));
    EBPF_TRY_VOID(limit(RLIMIT_FSIZE, limits.file_bytes, "RLIMIT_FSIZE"));
    EBPF_TRY_VOID(limit(RLIMIT_NOFILE, 0, "RLIMIT_NOFILE"));
    EBPF_TRY_VOID(limit(RLIMIT_CORE, 0, "RLIMIT_CORE"));
    return limit(RLIMIT_NPROC, 0, "RLIMIT_NPROC");
}

// Denies every access to files that the first ABI version knows; newer rights add nothing that seccomp leaves
// open.
void enter_landlock() {
    landlock_ruleset_attr rules{};
    rules.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1U) - 1;
    const long ruleset = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0U);
    if (ruleset < 0) return;
    (void)syscall(SYS_landlock_restrict_self, ruleset, 0U);
    close(static_cast<int>(ruleset));
}

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

int allow_calls(scmp_filter_ctx filter) {
    constexpr std::array kAllowed = {
        SCMP_SYS(read),         SCMP_SYS(pread64),     SCMP_SYS(write),         SCMP_SYS(pwrite64),
        SCMP_SYS(fstat),        SCMP_SYS(newfstatat),  SCMP_SYS(lseek),         SCMP_SYS(close),
        SCMP_SYS(munmap),       SCMP_SYS(mremap),      SCMP_SYS(brk),           SCMP_SYS(madvise),
        SCMP_SYS(futex),        SCMP_SYS(sched_yield), SCMP_SYS(clock_gettime), SCMP_SYS(restart_syscall),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(getrandom),   SCMP_SYS(exit),          SCMP_SYS(exit_group),
    };
    for (const int call : kAllowed) {
        if (const int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0); code != 0) return code;
    }
    constexpr unsigned kProtectionArgument = 2;
    for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
        const scmp_arg_cmp not_executable{kProtectionArgument, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
        if (const int code = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &not_executable);
            code != 0)
            return code;
    }
    return 0;
}

Result<void> filter_calls() {
    const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release);
    if (filter == nullptr) return refused("seccomp_init", ENOMEM);
    if (const int code = allow_calls(filter.get()); code != 0) return refused("seccomp rules", -code);
    if (const int code = seccomp_load(filter.get()); code != 0) return refused("seccomp_load", -code);
    return {};
}

}  // namespace

Result<void> enter_jail(const JailLimits& limits) {
    const bool is_root = geteuid() == 0;
    leave_namespaces(is_root);
    EBPF_TRY_VOID(demand(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs"));
    if (is_root) EBPF_TRY_VOID(drop_root());
    // After the change of user, which would undo both.
    EBPF_TRY_VOID(demand(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "dumpable"));
    EBPF_TRY_VOID(demand(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "parent death signal"));
    (void)prctl(kSetMdwe, kRefuseExecGain, 0, 0, 0);
    enter_landlock();
    EBPF_TRY_VOID(set_limits(limits));
    return filter_calls();
}

}  // namespace ebpf::service
