// SPDX-License-Identifier: MIT
#include "base/try.hpp"
#include "client/linux/socket_backend.hpp"
#include "daemon_backend.hpp"
#include "platform/linux/socket_path.hpp"

namespace ebpf::ctl {

Result<std::string> default_daemon_socket() {
    auto standard = platform::default_socket_path();
    if (!standard) return fail(Status::Environment, standard.error().message());
    return *std::move(standard);
}

Result<std::unique_ptr<client::Backend>> connect_daemon(const std::string& socket) {
    auto backend = client::SocketBackend::connect(socket);
    if (!backend && backend.error().status() == Status::NotFound) {
        return fail(Status::Environment,
                    backend.error().message() + "; start ebpfd, or name its socket with --context");
    }
    if (!backend) return std::unexpected(std::move(backend).error());
    return *std::move(backend);
}

}  // namespace ebpf::ctl
