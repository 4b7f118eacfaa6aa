// SPDX-License-Identifier: MIT
// Messages that callers want to send, copied into our memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "hooks/socket/linux/address.hpp"
#include "hooks/socket/linux/callers.hpp"
#include "hooks/socket/linux/notification.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

struct Message {
    std::optional<Address> destination;
    std::vector<std::byte> data;
    std::vector<std::byte> control;            ///< as in msg_control
    std::vector<platform::Descriptor> passed;  ///< descriptors that `control` names
};

/// How much is copied of the data. More than that: -EMSGSIZE, or, of streams, only so much is sent.
struct MostData {
    std::size_t bytes;
    bool may_cut;
};

// Errors, negative, are those of the kernel: -EFAULT, -EINVAL, -EMSGSIZE, -ENOBUFS; or -EPERM: the caller's
// memory may not be looked into. What was read was the caller's if it still waits afterwards.

/// Copies what sendto() was given.
std::expected<Message, int> read_plain(const Call& call, MostData most);
/// Copies what lies at `pointer`, a struct msghdr.
std::expected<Message, int> read_message(int thread, std::uint64_t pointer, MostData most);

/// What control data asks for, which is done with our rights and not the caller's.
enum class Asking : std::uint8_t {
    Nothing,    ///< that needs any: addresses, hops, classes and segments of internet packets
    Rights,     ///< perhaps
    Malformed,  ///< -EINVAL
};
Asking control_asks(std::span<const std::byte> control);

/// Makes descriptors that a message on a Unix socket passes ours, the same open files. Returns 0, or a
/// negative errno: -EBADF; -EINVAL; -EPERM - credentials are given, which would have to be ours.
int take_passed(Message& message, int thread, Callers& callers);

/// The address that control data says a datagram is to be sent from; 4 or 16 bytes at `to`, which stay
/// without one.
void read_source(std::span<const std::byte> control, std::span<std::byte> to);
/// Has a datagram sent from the address of 4 or 16 bytes. Throws bad_alloc.
void put_source(std::span<const std::byte> address, std::vector<std::byte>& control);

}  // namespace ebpf::hooks::socket
