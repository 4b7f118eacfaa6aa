// SPDX-License-Identifier: MIT
#include "service/linux/listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/try.hpp"
#include "platform/linux/unix_socket.hpp"

namespace ebpf::service {
namespace {

using platform::Descriptor;

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

}  // namespace

Result<Listener> Listener::open(const std::string& path) {
    Listener listener;
    EBPF_TRY_VOID(make_folder(path));
    EBPF_TRY(listener.lock_, take_lock(path));
    listener.path_ = path;
    EBPF_TRY_VOID(platform::remove_socket(path));
    EBPF_TRY(listener.socket_, platform::listen_at(path));
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
    EBPF_TRY(const ucred peer, platform::peer_of(accepted.socket));
    accepted.uid = peer.uid;
    accepted.is_allowed = platform::is_trusted(peer);
    return accepted;
}

}  // namespace ebpf::service
