// SPDX-License-Identifier: MIT
// Where daemons listen.
#pragma once

#include <sys/un.h>

#include <string>

#include "base/error.hpp"

namespace ebpf::platform {

/// Returns where this user's daemon listens unless told otherwise: /run/ebpf/ebpfd.sock for root, else
/// $XDG_RUNTIME_DIR/ebpf/ebpfd.sock. Errors: NotFound - XDG_RUNTIME_DIR is not set.
Result<std::string> default_socket_path();

/// Returns `path` as an address. Errors: TooBig - the path is longer than an address can be; InvalidArgument
/// - empty.
Result<sockaddr_un> socket_address(const std::string& path);

}  // namespace ebpf::platform
