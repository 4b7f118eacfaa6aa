// SPDX-License-Identifier: MIT
// Whose right it is to bind a low port: the caller's, although we bind.
#pragma once

#include <cstdint>

#include "hooks/socket/linux/address.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// Binds sockets of others with their rights and not ours. The kernel asks for CAP_NET_BIND_SERVICE in the
/// user namespace that owns the socket's network namespace. Therefore the binding thread goes without that
/// capability and takes it for a bind only if the caller has it in our own user namespace. A user also has
/// every capability in the namespaces that it made, effective or not; so in a network namespace other than
/// ours a caller without the capability gets no port below 1024. Threads: one, the one that makes it.
class Binder {
  public:
    /// Gives up the calling thread's CAP_NET_BIND_SERVICE as far as it is effective.
    Binder();

    /// Whether `thread` has the same rights as we have: user, groups, capabilities (but for the one
    /// above).
    [[nodiscard]] static bool is_like_us(int thread);

    /// Binds `socket` for `thread`. Returns 0 or a negative errno.
    int bind(const platform::Descriptor& socket, const Address& address, int thread);

  private:
    bool has_right_ = false;     ///< may take the capability
    bool is_without_ = false;    ///< the capability is not effective
    std::uint64_t network_ = 0;  ///< our network namespace
    int first_free_port_ = 0;    ///< there: the first port that everybody may bind
};

}  // namespace ebpf::hooks::socket
