// SPDX-License-Identifier: MIT
// SocketBackend: the execution context of a daemon.
#pragma once

#include <memory>
#include <string>

#include "client/backend.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::client {

/// A connection to ebpfd. Its handles are file descriptors and outlive it.
class SocketBackend final : public Backend {
  public:
    /// Errors: NotFound - nobody listens at `path`; AccessDenied; TooBig, InvalidArgument - the path;
    /// Environment.
    static Result<std::unique_ptr<SocketBackend>> connect(const std::string& path);

    Result<Answer> call(const protocol::AnyRequest& request, std::span<const Handle* const> handles) override;
    [[nodiscard]] bool is_lasting() const override { return true; }

  private:
    SocketBackend(platform::Descriptor socket, std::string path)
        : socket_(std::move(socket)), path_(std::move(path)) {}

    Result<void> send(std::span<const std::byte> frame, std::span<const int> descriptors);
    Result<void> receive(std::span<std::byte> bytes, std::vector<platform::Descriptor>& descriptors);

    platform::Descriptor socket_;
    std::string path_;
};

}  // namespace ebpf::client
