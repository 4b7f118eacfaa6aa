// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/hookable.hpp"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "base/try.hpp"
#include "hooks/socket/linux/proc.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRing = "anon_inode:[io_uring]";

/// Returns a number of a status file; 0 if there is none of that name.
int number_in(const std::string& status, std::string_view name) {
    return proc::number<int>(proc::field(status, name));
}

std::string content_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

bool is_64_bit(int process) {
    std::ifstream file(fmt::format("/proc/{}/exe", process), std::ios::binary);
    char identity[EI_NIDENT] = {};
    file.read(identity, sizeof identity);
    return file.gcount() == sizeof identity && std::memcmp(identity, ELFMAG, SELFMAG) == 0 &&
           identity[EI_CLASS] == ELFCLASS64;
}

Result<void> check_threads(int process) {
    std::error_code error;
    for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", process), error)) {
        const std::string status = content_of(task.path() / "status");
        if (number_in(status, "Seccomp") != 0) {
            return fail(Status::Busy,
                        fmt::format("process {} is confined by a seccomp filter already (a container's, a "
                                    "service's, or an outer `run`)",
                                    process));
        }
        if (const int tracer = number_in(status, "TracerPid"); tracer != 0)
            return fail(Status::Busy, fmt::format("process {} is traced by process {}", process, tracer));
    }
    if (error) return fail(Status::NotFound, fmt::format("there is no process {}", process));
    return {};
}

std::unexpected<Error> has_ring(int process) {
    return fail(Status::NotSupported,
                fmt::format("process {} uses io_uring, which makes calls past any filter", process));
}

}  // namespace

Result<void> check_kind(int process) {
    struct stat about{};
    if (process <= 0 || stat(fmt::format("/proc/{}", process).c_str(), &about) != 0)
        return fail(Status::NotFound, fmt::format("there is no process {}", process));
    if (process == 1 || process == getpid())
        return fail(Status::InvalidArgument, fmt::format("process {} cannot be hooked: it is {}", process,
                                                         process == 1 ? "the init process" : "this one"));
    if (geteuid() != 0 && about.st_uid != geteuid()) {
        return fail(Status::NoPermission,
                    fmt::format("process {} belongs to user {}, or does not let itself be traced", process,
                                about.st_uid));
    }
    for (const char* name : {"user", "pid"}) {
        if (!proc::is_same_file(fmt::format("/proc/self/ns/{}", name),
                                fmt::format("/proc/{}/ns/{}", process, name)))
            return fail(Status::NotSupported,
                        fmt::format("process {} is in another {} namespace (a container?)", process, name));
    }
    if (!is_64_bit(process))
        return fail(
            Status::NotSupported,
            fmt::format("process {} runs no 64-bit program, whose calls alone the hooks know", process));
    return check_threads(process);
}

Result<void> check_doors(int process) {
    std::error_code error;
    for (const auto& file : fs::directory_iterator(fmt::format("/proc/{}/fd", process), error)) {
        std::error_code gone;
        if (fs::read_symlink(file.path(), gone) == kRing) return has_ring(process);
    }
    if (error)
        return fail(Status::NoPermission, fmt::format("process {}: its descriptors cannot be seen", process));
    if (content_of(fmt::format("/proc/{}/maps", process)).find(kRing) != std::string::npos)
        return has_ring(process);
    for (const auto& other : fs::directory_iterator("/proc", error)) {
        const std::string name = other.path().filename();
        int pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{} || pid == process)
            continue;
        if (syscall(SYS_kcmp, process, pid, KCMP_FILES, 0, 0) == 0) {
            return fail(Status::NotSupported,
                        fmt::format("process {} shares its descriptors with process {}", process, pid));
        }
    }
    return {};
}

namespace {

/// In the child: becomes what an unconfined process of this user and group may look into, and waits.
[[noreturn]] void stand_still(uid_t user, gid_t group, int ready) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (geteuid() == 0) {
        static_cast<void>(setgroups(0, nullptr));
        if (setresgid(group, group, group) != 0 || setresuid(user, user, user) != 0) _exit(1);
    }
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
    syscall(SYS_capset, &header, none);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // forgotten with the change of user
    static_cast<void>(::write(ready, "", 1));
    for (;;) pause();
}

}  // namespace

Result<Probe> Probe::start(int process) {
    const std::string status = content_of(fmt::format("/proc/{}/status", process));
    const auto user = static_cast<uid_t>(number_in(status, "Uid"));
    const auto group = static_cast<gid_t>(number_in(status, "Gid"));
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return fail(Status::Environment, "pipe");
    const platform::Descriptor ready(ends[0]);
    platform::Descriptor told(ends[1]);
    const int child = fork();
    if (child < 0) return fail(Status::Environment, fmt::format("fork: {}", std::strerror(errno)));
    if (child == 0) stand_still(user, group, told.number());
    told.reset();
    Probe probe(child);
    char byte = 0;
    if (read(ready.number(), &byte, 1) != 1)
        return fail(Status::Environment, fmt::format("no process could be made like process {}", process));
    return probe;
}

Probe::Probe(Probe&& other) noexcept : process_(std::exchange(other.process_, 0)) {}

Probe::~Probe() {
    if (process_ == 0) return;
    kill(process_, SIGKILL);
    while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace ebpf::hooks::socket
