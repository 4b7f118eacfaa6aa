// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/target.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "hooks/socket/linux/proc.hpp"

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;

constexpr unsigned kPidfdThread = O_EXCL;  // since Linux 6.9
constexpr int kNetworkCookie = 71;         // SO_NETNS_COOKIE, since Linux 5.14

std::expected<std::string, int> status_text(int thread) {
    const Descriptor file(open(fmt::format("/proc/{}/status", thread).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) return std::unexpected(-ESRCH);
    std::string text(4096, '\0');
    const ssize_t size = read(file.number(), text.data(), text.size());
    if (size < 0) return std::unexpected(-errno);
    text.resize(static_cast<std::size_t>(size));
    return text;
}

std::expected<int, int> option(const Descriptor& socket, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(socket.number(), SOL_SOCKET, name, &value, &size) != 0) return std::unexpected(-errno);
    return value;
}

}  // namespace

std::expected<TaskStatus, int> read_status(int thread) {
    const auto status = status_text(thread);
    if (!status) return std::unexpected(status.error());
    TaskStatus all;
    Task& task = all.task;
    task.thread = thread;
    task.process = proc::number<int>(proc::field(*status, "Tgid"));
    task.uid = proc::number<std::uint32_t>(proc::field(*status, "Uid"));
    task.gid = proc::number<std::uint32_t>(proc::field(*status, "Gid"));
    constexpr std::string_view kName = "Name:\t";
    if (status->starts_with(kName)) {
        const std::string_view name = std::string_view(*status).substr(kName.size());
        name.substr(0, std::min(name.find('\n'), task.name.size() - 1))
            .copy(task.name.data(), task.name.size() - 1);
    }
    const auto signals = [&](std::string_view name) {
        return proc::number<std::uint64_t>(proc::field(*status, name), 16);
    };
    all.threads = proc::number<int>(proc::field(*status, "Threads"));
    all.umask = proc::number<unsigned>(proc::field(*status, "Umask"), 8);
    for (const std::string_view name : {"Uid", "Gid", "Groups"})
        all.credentials.append(proc::line(*status, name)).append("\n");
    // What is sent to a process of several threads may be another one's: a system call that is told to start
    // again is only started again by the kernel if its own thread has a signal.
    const std::uint64_t shared = all.threads == 1 ? signals("ShdPnd") : 0;
    all.deliverable_signals = (signals("SigPnd") | shared) & ~signals("SigBlk");
    return all;
}

bool has_our_user_namespace(int thread) {
    return proc::is_same_file("/proc/thread-self/ns/user", fmt::format("/proc/{}/ns/user", thread));
}

bool has_our_files(int thread) {
    return proc::is_same_file("/proc/thread-self/ns/mnt", fmt::format("/proc/{}/ns/mnt", thread)) &&
           proc::is_same_file("/", fmt::format("/proc/{}/root/", thread));
}

Descriptor open_task(int thread) {
    const long direct = syscall(SYS_pidfd_open, thread, kPidfdThread);
    if (direct >= 0 || errno != EINVAL) return Descriptor(static_cast<int>(direct));
    const auto status = read_status(thread);  // threads of a process share their descriptors, mostly
    if (!status) errno = -status.error();
    return Descriptor(status ? static_cast<int>(syscall(SYS_pidfd_open, status->task.process, 0)) : -1);
}

Descriptor take_descriptor(int process, int number) {
    const Descriptor opened(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
    return Descriptor(static_cast<int>(syscall(SYS_pidfd_getfd, opened.number(), number, 0)));
}

std::expected<Address, int> read_address(int thread, std::uint64_t pointer, std::int32_t length) {
    Address address;
    if (length < 0 || static_cast<std::size_t>(length) > sizeof address.bytes)
        return std::unexpected(-EINVAL);
    address.length = static_cast<socklen_t>(length);
    if (length == 0) return address;
    const iovec to{&address.bytes, address.length};
    const iovec from{reinterpret_cast<void*>(pointer), address.length};
    const ssize_t copied = process_vm_readv(thread, &to, 1, &from, 1, 0);
    if (copied < 0) return std::unexpected(-errno);
    if (copied != length) return std::unexpected(-EFAULT);
    return address;
}

void read_name(const Descriptor& socket, Address& address) {
    Address told;
    told.length = sizeof told.bytes;
    if (getsockname(socket.number(), reinterpret_cast<sockaddr*>(&told.bytes), &told.length) == 0)
        address = told;
}

std::expected<SocketFacts, int> read_facts(const Descriptor& socket) {
    const auto family = option(socket, SO_DOMAIN);
    if (!family) return std::unexpected(family.error());
    const auto type = option(socket, SO_TYPE);
    const auto protocol = option(socket, SO_PROTOCOL);
    if (!type || !protocol) return std::unexpected(-EINVAL);
    return SocketFacts{*family, *type, *protocol};
}

std::uint64_t network_of(const Descriptor& socket) {
    std::uint64_t network = 0;
    socklen_t size = sizeof network;
    const bool is_told = getsockopt(socket.number(), SOL_SOCKET, kNetworkCookie, &network, &size) == 0;
    return is_told ? network : 0;
}

}  // namespace ebpf::hooks::socket
