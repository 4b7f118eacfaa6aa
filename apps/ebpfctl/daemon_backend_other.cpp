// SPDX-License-Identifier: MIT
#include "daemon_backend.hpp"

namespace ebpf::ctl {

Result<std::string> default_daemon_socket() {
    return fail(Status::NotSupported, "there is no daemon on this host yet");
}

Result<std::unique_ptr<client::Backend>> connect_daemon(const std::string&) {
    return fail(Status::NotSupported, "there is no daemon on this host yet: use --context inproc");
}

}  // namespace ebpf::ctl
