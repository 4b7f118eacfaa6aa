// SPDX-License-Identifier: MIT
// The way to a daemon on this host; one implementation per operating system.
#pragma once

#include <memory>
#include <string>

#include "client/backend.hpp"

namespace ebpf::ctl {

/// Returns the socket of this user's default daemon. Errors: Environment - there is no default; NotSupported.
Result<std::string> default_daemon_socket();

/// Connects to the daemon at `path`.
/// Errors: Environment - nobody answers; AccessDenied; NotSupported - there are no daemons on this host.
Result<std::unique_ptr<client::Backend>> connect_daemon(const std::string& path);

}  // namespace ebpf::ctl
