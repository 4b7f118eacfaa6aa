// SPDX-License-Identifier: MIT
// Putting the filter into a process that runs.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "hooks/socket/hooks.hpp"
#include "hooks/socket/linux/borrowed.hpp"
#include "hooks/socket/linux/filter.hpp"
#include "hooks/socket/linux/hookable.hpp"
#include "hooks/socket/linux/target.hpp"
#include "platform/linux/descriptor.hpp"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;

constexpr std::uint64_t kFlags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
                                 SECCOMP_FILTER_FLAG_TSYNC_ESRCH | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
constexpr std::uint64_t kPageBytes = 4096;

std::unexpected<Error> refused(int process, const char* what, std::int64_t result) {
    return fail(result == -EPERM ? Status::NoPermission : Status::Environment,
                fmt::format("process {}: {}: {}", process, what, std::strerror(static_cast<int>(-result))));
}

bool has_landlock() {
    constexpr unsigned kVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
    return syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersion) >= 0;
}

/// Landlock's rules tell nobody of themselves; but they keep a thread from looking into processes outside.
Result<void> check_landlock(Borrowed& target, int process, const Probe& probe) {
    EBPF_TRY(const std::int64_t result,
             target.call(SYS_kcmp, {static_cast<std::uint64_t>(process),
                                    static_cast<std::uint64_t>(probe.process()), KCMP_VM, 0, 0, 0}));
    if (result != -EPERM) return {};
    return fail(Status::Busy,
                fmt::format("process {} is confined by Landlock (or another security module): what is "
                            "done for it would not be held by its rules",
                            process));
}

/// The filter as it lies in the target's memory at `address`.
std::vector<std::byte> filter_at(std::uint64_t address, spec::AttachTypeMask hooks) {
    const std::vector<sock_filter> rows = make_filter(hooks);
    sock_fprog program{};
    program.len = static_cast<unsigned short>(rows.size());
    program.filter = reinterpret_cast<sock_filter*>(address + sizeof program);
    std::vector<std::byte> bytes(sizeof program + rows.size() * sizeof(sock_filter));
    std::memcpy(bytes.data(), &program, sizeof program);
    std::memcpy(bytes.data() + sizeof program, rows.data(), rows.size() * sizeof(sock_filter));
    return bytes;
}

/// Takes the listener out of the target. The filter is in place whatever comes of it.
Descriptor take_listener(Borrowed& target, int process, std::uint64_t number) {
    Descriptor listener = take_descriptor(process, static_cast<int>(number));
    static_cast<void>(target.call(SYS_close, {number, 0, 0, 0, 0, 0}));
    return listener;
}

Result<Descriptor> install(Borrowed& target, int process, spec::AttachTypeMask hooks) {
    EBPF_TRY(const std::int64_t page,
             target.call(SYS_mmap, {0, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                    ~std::uint64_t{0}, 0}));
    if (page < 0) return refused(process, "a page for the filter", page);
    const auto address = static_cast<std::uint64_t>(page);
    const auto set = [&]() -> Result<std::int64_t> {
        const auto bytes = filter_at(address, hooks);
        EBPF_TRY_VOID(target.write(address, bytes));
        EBPF_TRY(const std::int64_t done, target.call(SYS_prctl, {PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0}));
        if (done < 0) return refused(process, "setting no_new_privs", done);
        EBPF_TRY(const std::int64_t number,
                 target.call(SYS_seccomp, {SECCOMP_SET_MODE_FILTER, kFlags, address, 0, 0, 0}));
        if (number < 0) return refused(process, "installing the seccomp filter", number);
        return number;
    };
    auto number = set();
    Descriptor listener;
    if (number) listener = take_listener(target, process, static_cast<std::uint64_t>(*number));
    static_cast<void>(target.call(SYS_munmap, {address, kPageBytes, 0, 0, 0, 0}));
    if (!number) return std::unexpected(std::move(number).error());
    if (!listener.is_open())
        return fail(Status::Environment, fmt::format("process {}: its listener", process));
    return listener;
}

}  // namespace

Result<HookedProcess> hook_running(int process, spec::AttachTypeMask hooks) {
    EBPF_TRY_VOID(check_kind(process));
    EBPF_TRY_VOID(check_doors(process));
    std::optional<Probe> probe;
    if (has_landlock()) {
        EBPF_TRY(auto started, Probe::start(process));
        probe.emplace(std::move(started));
    }
    Descriptor listener;
    {
        EBPF_TRY(Borrowed target, Borrowed::take(process));
        if (probe) EBPF_TRY_VOID(check_landlock(target, process, *probe));
        EBPF_TRY(listener, install(target, process, hooks));
    }
    HookedProcess hooked;
    // Once more: what the process opened before the filter was there.
    if (auto checked = check_doors(process); !checked) hooked.objection = std::move(checked).error();
    hooked.listener = fcntl(listener.number(), F_DUPFD_CLOEXEC, 0);
    if (hooked.listener < 0) return fail(Status::Environment, "dup");
    return hooked;
}

}  // namespace ebpf::hooks::socket
