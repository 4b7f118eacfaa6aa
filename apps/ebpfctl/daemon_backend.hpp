// SPDX-License-Identifier: MIT
// The way to a daemon on this host; one implementation per operating system.
#pragma once

#include <memory>
#include <string>

#include "client/backend.hpp"

namespace ebpf::ctl {

/// Connects to the daemon at `path`, or to this user's default daemon for an empty path.
/// Errors: Environment - nobody answers; AccessDenied; NotSupported - there are no daemons on this host.
Result<std::unique_ptr<client::Backend>> connect_daemon(const std::string& path);

}  // namespace ebpf::ctl
