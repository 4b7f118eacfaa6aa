// SPDX-License-Identifier: MIT
// Sockets that bind programs permitted to be bound, until their last descriptor is closed.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "hooks/socket/linux/address.hpp"
#include "hooks/socket/linux/target.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// A permitted bind: what the program is told of again when it ends.
struct Bound {
    Task task;                     ///< who bound
    std::string application;       ///< its path
    Address address;               ///< as the program left it; once bound with the port that the kernel chose
    std::uint8_t protocol = 0;     ///< IPPROTO_*
    std::uint64_t attachment = 0;  ///< of the program that permitted it
};

/// Knows of the last close of each socket, of which it holds no descriptor: an epoll instance has entries for
/// them, which the kernel takes out at the last close. It is read
///  - for one socket when the kernel tells that it is gone (NETLINK_SOCK_DIAG), at once;
///  - for all in intervals, as that message does not come from other network namespaces and for protocols
///  other
///    than TCP and UDP, and may be lost.
/// Threads: one.
class BoundSockets {
  public:
    /// Remembers `socket` and returns what it remembers, valid until it
    /// is forgotten. Errors, negative: EINVAL - it is remembered already, thus bound; others - the kernel
    /// takes no more. Throws bad_alloc.
    std::expected<Bound*, int> add(const platform::Descriptor& socket, Bound bound);
    /// Forgets `socket`, which add() took, and returns what was remembered.
    Bound remove(const platform::Descriptor& socket);
    /// Forgets a socket, closed or not, and returns what was remembered; nothing: there is none.
    std::optional<Bound> take_any();
    [[nodiscard]] bool is_empty() const { return sockets_.empty(); }

    /// Polled for input: there is a message; -1: there will be none.
    [[nodiscard]] int descriptor() const { return messages_.number(); }
    /// When to look again without a message, in milliseconds; -1: there is nothing to look for.
    [[nodiscard]] int timeout() const;
    using Tell = std::function<void(const Bound&)>;
    /// Forgets sockets that are closed and hands each to `tell`, in no order. Throws bad_alloc: those that
    /// were not handed over are found another time.
    void take_closed(const Tell& tell);

  private:
    using Clock = std::chrono::steady_clock;
    struct Entry {
        Bound bound;
        bool is_announced = false;  ///< the kernel tells of its end, if the message is not lost
    };
    /// Opens what the first socket needs, as far as the kernel has it: without messages, intervals have to
    /// do.
    void open();
    /// Reads messages. Returns whether all that there were could be read.
    bool read_messages(const Tell& tell);
    void look_at_all(const Tell& tell);
    std::optional<Bound> take(std::uint64_t cookie);
    void take(std::uint64_t cookie, const Tell& tell);

    platform::Descriptor messages_;                     ///< netlink
    platform::Descriptor entries_;                      ///< epoll
    std::uint64_t network_ = 0;                         ///< of the messages
    std::unordered_map<std::uint64_t, Entry> sockets_;  ///< by cookie
    std::size_t unannounced_ = 0;
    Clock::time_point looked_at_ = Clock::now();
};

}  // namespace ebpf::hooks::socket
