// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/callers.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <span>
#include <string_view>

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;

/// Since Linux 6.13; later kernels know a longer one, too. Source: Linux include/uapi/linux/pidfd.h.
struct PidfdInfo {
    std::uint64_t mask;
    std::uint64_t cgroup;
    std::uint32_t thread;
    std::uint32_t process;
    std::uint32_t parent;
    std::uint32_t real_uid;
    std::uint32_t real_gid;
    std::uint32_t others[6];
    std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr std::uint64_t kIds = 1;
constexpr std::uint64_t kCredentials = 2;

/// Copies the first line of `file`. Returns a negative errno, or 0.
int read_name(const Descriptor& file, std::span<char> name) {
    char text[64];
    const ssize_t size = pread(file.number(), text, sizeof text, 0);
    if (size < 0) return -errno;
    std::string_view line(text, static_cast<std::size_t>(size));
    line = line.substr(0, line.rfind('\n'));
    line.substr(0, name.size() - 1).copy(name.data(), name.size() - 1);
    return 0;
}

}  // namespace

Callers::Caller& Callers::remember(int thread) {
    const auto found = callers_.find(thread);
    if (found != callers_.end()) return found->second;
    if (callers_.size() >= kMost) callers_.clear();
    return callers_[thread];
}

template <typename What>
auto Callers::with(int thread, const What& what) {
    auto result = what(remember(thread));
    if (result || result.error() != -ESRCH) return result;
    callers_.erase(thread);
    return what(remember(thread));
}

std::expected<Descriptor, int> Callers::take_descriptor(int thread, int fd) {
    return with(thread, [&](Caller& caller) -> std::expected<Descriptor, int> {
        if (!caller.task.is_open()) caller.task = open_task(thread);
        if (!caller.task.is_open()) return std::unexpected(-EPERM);
        const long taken = syscall(SYS_pidfd_getfd, caller.task.number(), fd, 0);
        if (taken < 0) return std::unexpected(-errno);
        return Descriptor(static_cast<int>(taken));
    });
}

std::expected<Task, int> Callers::who(int thread) {
    if (has_info_) {
        auto told = with(thread, [&](Caller& caller) -> std::expected<Task, int> {
            if (!caller.task.is_open()) caller.task = open_task(thread);
            if (!caller.task.is_open()) return std::unexpected(-errno);
            PidfdInfo info{};
            info.mask = kIds | kCredentials;
            if (ioctl(caller.task.number(), kGetInfo, &info) != 0) return std::unexpected(-errno);
            if ((info.mask & kCredentials) == 0) return std::unexpected(-ESRCH);
            Task task{.thread = thread,
                      .process = static_cast<int>(info.process),
                      .uid = info.real_uid,
                      .gid = info.real_gid,
                      .name = {}};
            if (!caller.name.is_open()) {
                const auto path = fmt::format("/proc/{}/comm", thread);
                caller.name = Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC));
                if (!caller.name.is_open()) return std::unexpected(-ESRCH);
            }
            if (const int error = read_name(caller.name, task.name); error != 0)
                return std::unexpected(error);
            return task;
        });
        if (told || told.error() != -ENOTTY) return told;
        has_info_ = false;
    }
    const auto status = read_status(thread);
    if (!status) return std::unexpected(status.error());
    return status->task;
}

std::string Callers::application(int thread) {
    const auto path = with(thread, [&](Caller& caller) -> std::expected<std::string, int> {
        if (!caller.path.is_open()) {
            const auto link = fmt::format("/proc/{}/exe", thread);
            caller.path = Descriptor(open(link.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        }
        std::array<char, PATH_MAX> text;
        const ssize_t size = readlinkat(caller.path.number(), "", text.data(), text.size());
        if (size < 0) return std::unexpected(errno == ENOENT ? -ESRCH : -errno);
        return std::string(text.data(), static_cast<std::size_t>(size));
    });
    return path.value_or(std::string());
}

}  // namespace ebpf::hooks::socket
