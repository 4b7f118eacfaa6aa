// SPDX-License-Identifier: MIT
// The thread that made a call, as long as it waits: its socket, its memory, and who it is.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>

#include "hooks/socket/linux/address.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// Who calls, in our namespaces; what programs are told.
struct Task {
    int thread = 0;
    int process = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::array<char, 16> name{};  ///< ends with NUL
};

/// More of it, which costs the kernel more to tell.
struct TaskStatus {
    Task task;
    int threads = 0;                        ///< of its process
    unsigned umask = 0;                     ///< for files that it makes
    std::uint64_t deliverable_signals = 0;  ///< those that wait for the thread and that it lets through
    std::string credentials;                ///< user and group ids of every kind, as text to compare
};

/// Reads all of it from /proc. Errors: negative errno.
std::expected<TaskStatus, int> read_status(int thread);

/// Whether capabilities of `thread` mean what ours mean: same user namespace.
bool has_our_user_namespace(int thread);
/// Whether `thread` sees the files that we see: same root, same mounts.
bool has_our_files(int thread);

/// Opens `thread` itself (a pidfd), or, before Linux 6.9, its process. Not open: errno tells why.
platform::Descriptor open_task(int thread);

/// Opens descriptor `number` of a process: the same open file. Not open: errno tells why.
platform::Descriptor take_descriptor(int process, int number);

/// Copies an address from the caller's memory. Errors: negative errno, as the kernel gives it for bad
/// addresses.
std::expected<Address, int> read_address(int thread, std::uint64_t pointer, std::int32_t length);

/// What is fixed when a socket is made.
struct SocketFacts {
    int family = 0;
    int type = 0;
    int protocol = 0;
};

/// Reads the address that `socket` has. It stays if the kernel does not tell.
void read_name(const platform::Descriptor& socket, Address& address);

/// Errors: -ENOTSOCK and others, as the caller shall see them.
std::expected<SocketFacts, int> read_facts(const platform::Descriptor& socket);
/// The cookie of the network namespace of `socket`; 0: the kernel does not tell.
std::uint64_t network_of(const platform::Descriptor& socket);

}  // namespace ebpf::hooks::socket
