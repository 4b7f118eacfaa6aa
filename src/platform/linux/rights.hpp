// SPDX-License-Identifier: MIT
// Bytes with file descriptors over a Unix stream socket.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "platform/linux/descriptor.hpp"

namespace ebpf::platform {

inline constexpr std::size_t kMaxRights = 128;  ///< descriptors of one message, below the kernel's 253

/// Sends what the socket takes of `bytes`, with `descriptors` (at most kMaxRights) at the first byte.
/// Returns the number of bytes, or -1 with errno. Never raises SIGPIPE.
ssize_t send_with_rights(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors);

/// Receives up to bytes.size() bytes; descriptors that came with them are appended to `received`,
/// close-on-exec. Returns the number of bytes, 0 at the end, or -1 with errno; EMSGSIZE: more descriptors
/// came than fit.
ssize_t receive_with_rights(int socket, std::span<std::byte> bytes, std::vector<Descriptor>& received);

/// Sends all of `bytes`, blocking. Returns true, or false with errno; EPIPE, ECONNRESET: the other side has
/// hung up, but may have said why before.
bool send_all(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors);

/// Receives bytes.size() bytes, blocking. Returns true, or false with errno; 0: the other side hung up.
bool receive_all(int socket, std::span<std::byte> bytes, std::vector<Descriptor>& received);

}  // namespace ebpf::platform
