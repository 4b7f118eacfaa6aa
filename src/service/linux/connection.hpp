// SPDX-License-Identifier: MIT
// Connection: one client's stream: bytes in, whole messages out, replies back. No decisions about requests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "platform/linux/descriptor.hpp"
#include "protocol/frame.hpp"

namespace ebpf::service {

/// A message that has arrived whole.
struct Incoming {
    protocol::Header header;
    std::vector<std::byte> payload;
    std::vector<platform::Descriptor> descriptors;
};

/// Assembles messages without ever reading past the current one, so that descriptors belong to the message
/// they came with. Memory is taken as bytes arrive. Threads: one.
class Connection {
  public:
    Connection(platform::Descriptor socket, std::uint32_t uid) : socket_(std::move(socket)), uid_(uid) {}

    [[nodiscard]] int socket() const { return socket_.number(); }
    [[nodiscard]] std::uint32_t uid() const { return uid_; }

    /// Reads what is there. Returns a message when one is whole. Errors: ConnectionLost - the client has
    /// gone; those of protocol::decode_header(); Malformed - descriptors do not match: the stream cannot go
    /// on.
    Result<std::optional<Incoming>> receive();

    /// Queues a frame; `descriptors` go with its first byte.
    void queue(std::vector<std::byte> frame, std::vector<platform::Descriptor> descriptors);
    /// Sends what the socket takes. Errors: ConnectionLost.
    Result<void> flush();
    [[nodiscard]] bool has_output() const { return sent_ < output_.size(); }

    bool is_busy = false;            ///< a worker has its request; nothing is read meanwhile
    bool is_gone = false;            ///< the client hung up while the worker had its request
    bool ends_after_output = false;  ///< after an error that the stream does not survive

  private:
    [[nodiscard]] std::span<std::byte> next_part();
    Result<bool> advance(std::size_t got);

    platform::Descriptor socket_;
    std::uint32_t uid_;
    std::array<std::byte, protocol::kHeaderBytes> header_bytes_{};
    std::size_t header_done_ = 0;
    std::size_t payload_done_ = 0;
    Incoming incoming_;
    std::vector<std::byte> output_;
    std::size_t sent_ = 0;
    std::vector<platform::Descriptor> output_descriptors_;
};

}  // namespace ebpf::service
