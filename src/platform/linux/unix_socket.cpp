// SPDX-License-Identifier: MIT
#include "platform/linux/unix_socket.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/try.hpp"
#include "platform/linux/socket_path.hpp"

namespace ebpf::platform {
namespace {

constexpr int kBacklog = 64;
constexpr mode_t kOwnerOnly = 0600;

std::unexpected<Error> refused(const std::string& path, std::string_view what, int number) {
    const Status status = number == EACCES || number == EPERM ? Status::AccessDenied : Status::Environment;
    return fail(status, fmt::format("{}: {}: {}", path, what, std::strerror(number)));
}

}  // namespace

Result<void> remove_socket(const std::string& path) {
    struct stat about{};
    if (lstat(path.c_str(), &about) != 0) return {};
    if (!S_ISSOCK(about.st_mode))
        return fail(Status::AlreadyExists, fmt::format("{}: exists and is no socket", path));
    if (unlink(path.c_str()) != 0) return refused(path, "removing an old socket", errno);
    return {};
}

Result<Descriptor> listen_at(const std::string& path) {
    EBPF_TRY(const sockaddr_un address, socket_address(path));
    Descriptor server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!server.is_open()) return refused(path, "socket", errno);
    // Before bind, so that no other user can connect in between.
    if (fchmod(server.number(), kOwnerOnly) != 0) return refused(path, "mode", errno);
    if (bind(server.number(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return refused(path, "binding", errno);
    if (listen(server.number(), kBacklog) != 0) return refused(path, "listening", errno);
    return server;
}

Result<ucred> peer_of(const Descriptor& socket) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (getsockopt(socket.number(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return fail(Status::Environment, fmt::format("credentials: {}", std::strerror(errno)));
    return peer;
}

bool is_trusted(const ucred& peer) {
    return peer.uid == 0 || peer.uid == geteuid();
}

}  // namespace ebpf::platform
