// SPDX-License-Identifier: MIT
// Server: lets clients on a Unix socket use a context of this process.
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "service/service.hpp"

namespace ebpf::embedding {

/// Serves until it is destroyed, on a thread of its own.
class Server {
  public:
    Server() = default;
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    virtual ~Server() = default;
};

/// Errors: NotSupported - this host has no Unix sockets; those of service::Listener::open().
/// Lifetime: the service must outlive the server.
Result<std::unique_ptr<Server>> serve(service::Service& service, const std::string& path);

}  // namespace ebpf::embedding
