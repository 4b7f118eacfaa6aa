// SPDX-License-Identifier: MIT
// A small netlink client: builds messages with nested attributes, sends them and waits for the kernel's
// answers.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "hooks/xdp/linux/failure.hpp"
#include "hooks/xdp/linux/file_descriptor.hpp"

namespace ebpf::hooks::xdp {

/// One or several netlink messages under construction. Not thread-safe.
class NetlinkRequest {
  public:
    /// Starts a message with the family's fixed header. NLM_F_REQUEST is added.
    template <typename Header>
    void begin(std::uint16_t type, std::uint16_t flags, const Header& header) {
        static_assert(std::is_trivially_copyable_v<Header>);
        begin_message(type, flags);
        append(&header, sizeof(header));
    }

    /// Adds an attribute to the message begun last.
    void attribute(std::uint16_t type, const void* bytes, std::size_t size);
    void text(std::uint16_t type, std::string_view value);  ///< with a terminating NUL
    template <typename Value>
    void value(std::uint16_t type, Value value) {
        static_assert(std::is_trivially_copyable_v<Value>);
        attribute(type, &value, sizeof(value));
    }
    /// Adds a family's fixed header inside a nested attribute.
    template <typename Header>
    void raw(const Header& header) {
        static_assert(std::is_trivially_copyable_v<Header>);
        append(&header, sizeof(header));
    }
    void value_big_endian(std::uint16_t type, std::uint32_t value);

    /// Starts a nested attribute; returns the mark that end() closes it with.
    [[nodiscard]] std::size_t nest(std::uint16_t type);
    void end(std::size_t mark);

    [[nodiscard]] std::span<std::byte> bytes() { return bytes_; }

  private:
    void begin_message(std::uint16_t type, std::uint16_t flags);
    void append(const void* bytes, std::size_t size);
    void grow_message();

    std::vector<std::byte> bytes_;
    std::size_t message_ = 0;  ///< where the message begun last starts
};

/// The attributes of a received message; stops at the first that does not fit.
class AttributeReader {
  public:
    explicit AttributeReader(std::span<const std::byte> bytes) : rest_(bytes) {}
    /// Moves to the next attribute. Returns false at the end.
    bool next();
    [[nodiscard]] std::uint16_t type() const { return type_; }
    [[nodiscard]] std::span<const std::byte> payload() const { return payload_; }
    [[nodiscard]] std::string_view text() const;

  private:
    std::span<const std::byte> rest_;
    std::span<const std::byte> payload_;
    std::uint16_t type_ = 0;
};

/// A netlink socket. Threads: one at a time.
class NetlinkSocket {
  public:
    /// Opens a socket of `protocol` (NETLINK_ROUTE, NETLINK_NETFILTER).
    static Outcome<NetlinkSocket> open(int protocol);

    /// Sends `request` and waits until every message with NLM_F_ACK is acknowledged.
    /// Errors: the first that the kernel reported, with its text where it gave one; ETIMEDOUT after 10 s.
    Outcome<void> transact(NetlinkRequest& request);

    /// Sends `request` (one message) and returns the payload of the message that answers it.
    Outcome<std::vector<std::byte>> query(NetlinkRequest& request);

  private:
    explicit NetlinkSocket(FileDescriptor fd) : fd_(std::move(fd)) {}
    Outcome<std::uint32_t> send(NetlinkRequest& request);
    Outcome<std::span<const std::byte>> receive();

    FileDescriptor fd_;
    std::uint32_t sequence_ = 0;
    std::vector<std::byte> buffer_;
};

}  // namespace ebpf::hooks::xdp
