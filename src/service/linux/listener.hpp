// SPDX-License-Identifier: MIT
// Listener: the daemon's Unix socket, with a lock so that two daemons never serve one path.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::service {

/// A client that may be served.
struct Accepted {
    platform::Descriptor socket;
    std::uint32_t uid = 0;
    bool is_allowed = false;  ///< same user as the daemon, or root
};

/// Owns socket file and lock file, and removes both at the end.
class Listener {
  public:
    /// Makes the folder if it is missing (for its owner only), takes the lock, removes a socket that a dead
    /// daemon left behind, and listens. Errors: Busy - another daemon serves the path; AccessDenied,
    /// Environment.
    static Result<Listener> open(const std::string& path);
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&&) = delete;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener();

    [[nodiscard]] int socket() const { return socket_.number(); }
    /// Takes the next client. Errors: NotFound - none waits; Environment.
    Result<Accepted> accept();

  private:
    Listener() = default;

    std::string path_;
    platform::Descriptor lock_;
    platform::Descriptor socket_;
};

}  // namespace ebpf::service
