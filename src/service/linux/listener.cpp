// SPDX-License-Identifier: MIT
#include "service/linux/listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/try.hpp"
#include "platform/linux/socket_path.hpp"

namespace ebpf::service {
namespace {

using platform::Descriptor;

constexpr int kBacklog = 64;
constexpr mode_t kOwnerOnly = 0600;
constexpr mode_t kOwnerFolder = 0700;

std::unexpected<Error> refused(const std::string& path, std::string_view what, int number) {
    const Status status = number == EACCES || number == EPERM ? Status::AccessDenied : Status::Environment;
    return fail(status, fmt::format("{}: {}: {}", path, what, std::strerror(number)));
}

Result<void> make_folder(const std::string& path) {
    const std::string folder = path.substr(0, path.rfind('/'));
    if (folder.empty() || folder == path || mkdir(folder.c_str(), kOwnerFolder) == 0 || errno == EEXIST)
        return {};
    return refused(folder, "making the folder", errno);
}

std::string lock_path(const std::string& path) {
    return path + ".lock";
}

/// Takes the lock file. It is removed with the daemon, so it must still be the file of that name once it is
/// locked.
Result<Descriptor> take_lock(const std::string& path) {
    const std::string name = lock_path(path);
    while (true) {
        Descriptor lock(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly));
        if (!lock.is_open()) return refused(name, "opening", errno);
        if (flock(lock.number(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK)
                return fail(Status::Busy, fmt::format("{}: another ebpfd serves it", path));
            return refused(name, "locking", errno);
        }
        struct stat opened{};
        struct stat named{};
        if (fstat(lock.number(), &opened) == 0 && stat(name.c_str(), &named) == 0 &&
            opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
            return lock;
        }
    }
}

Result<void> remove_stale(const std::string& path) {
    struct stat about{};
    if (lstat(path.c_str(), &about) != 0) return {};
    if (!S_ISSOCK(about.st_mode))
        return fail(Status::AlreadyExists, fmt::format("{}: exists and is no socket", path));
    if (unlink(path.c_str()) != 0) return refused(path, "removing an old socket", errno);
    return {};
}

Result<Descriptor> listen_at(const std::string& path) {
    EBPF_TRY(const sockaddr_un address, platform::socket_address(path));
    Descriptor server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!server.is_open()) return refused(path, "socket", errno);
    // Before bind, so that no other user can connect in between.
    if (fchmod(server.number(), kOwnerOnly) != 0) return refused(path, "mode", errno);
    if (bind(server.number(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return refused(path, "binding", errno);
    if (listen(server.number(), kBacklog) != 0) return refused(path, "listening", errno);
    return server;
}

}  // namespace

Result<Listener> Listener::open(const std::string& path) {
    Listener listener;
    EBPF_TRY_VOID(make_folder(path));
    EBPF_TRY(listener.lock_, take_lock(path));
    listener.path_ = path;
    EBPF_TRY_VOID(remove_stale(path));
    EBPF_TRY(listener.socket_, listen_at(path));
    return listener;
}

Listener::Listener(Listener&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      lock_(std::move(other.lock_)),
      socket_(std::move(other.socket_)) {}

Listener::~Listener() {
    if (socket_.is_open()) (void)unlink(path_.c_str());
    if (lock_.is_open()) (void)unlink(lock_path(path_).c_str());
}

Result<Accepted> Listener::accept() {
    Accepted accepted;
    accepted.socket.reset(accept4(socket_.number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted.socket.is_open()) {
        if (errno == EAGAIN) return fail(Status::NotFound, "no client waits");
        return fail(Status::Environment, std::strerror(errno));
    }
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (getsockopt(accepted.socket.number(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return fail(Status::Environment, std::strerror(errno));
    accepted.uid = peer.uid;
    accepted.is_allowed = peer.uid == 0 || peer.uid == geteuid();
    return accepted;
}

}  // namespace ebpf::service
