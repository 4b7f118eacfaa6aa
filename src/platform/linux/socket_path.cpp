// SPDX-License-Identifier: MIT
#include "platform/linux/socket_path.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace ebpf::platform {

Result<std::string> default_socket_path() {
    if (geteuid() == 0) return "/run/ebpf/ebpfd.sock";
    const char* folder = std::getenv("XDG_RUNTIME_DIR");
    if (folder == nullptr || *folder == '\0')
        return fail(
            Status::NotFound,
            "XDG_RUNTIME_DIR is not set: name the socket (ebpfd --socket PATH, ebpfctl --context unix:PATH)");
    return std::string(folder) + "/ebpf/ebpfd.sock";
}

Result<sockaddr_un> socket_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty()) return fail(Status::InvalidArgument, "the socket's path is empty");
    if (path.size() >= sizeof(address.sun_path)) {
        return fail(Status::TooBig, fmt::format("{}: a socket's path has at most {} bytes", path,
                                                sizeof(address.sun_path) - 1));
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

}  // namespace ebpf::platform
