// SPDX-License-Identifier: MIT
// Unix sockets: serving at a path, and who is at the other end.
#pragma once

#include <sys/socket.h>

#include <string>

#include "base/error.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::platform {

/// Removes the socket that one who ended left at `path`, if there is one. Errors: AlreadyExists - there is
/// something else; AccessDenied, Environment.
Result<void> remove_socket(const std::string& path);
/// Listens at `path`, where nothing is, for this user only; does not block. Errors: those of
/// socket_address(), AccessDenied, Environment.
Result<Descriptor> listen_at(const std::string& path);

/// Returns who connected, or listens, at the other end. Errors: Environment.
Result<ucred> peer_of(const Descriptor& socket);
/// Whether `peer` may tell us what to do: this user, or root.
bool is_trusted(const ucred& peer);

}  // namespace ebpf::platform
