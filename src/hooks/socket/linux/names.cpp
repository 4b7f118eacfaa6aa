// SPDX-License-Identifier: MIT
#include <netinet/in.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <expected>
#include <span>

#include "hooks/socket/linux/operations.hpp"

namespace ebpf::hooks::socket {
namespace {

using spec::AttachType;

/// Returns the address as the kernel tells it, or a negative errno.
std::expected<Address, int> ask(const platform::Descriptor& socket, bool is_peer) {
    Address name;
    name.length = sizeof name.bytes;
    auto* bytes = reinterpret_cast<sockaddr*>(&name.bytes);
    const int failed = is_peer ? getpeername(socket.number(), bytes, &name.length)
                               : getsockname(socket.number(), bytes, &name.length);
    if (failed != 0) return std::unexpected(-errno);
    return name;
}

/// Nothing: no programs decide on it.
std::optional<AttachType> attach_of(const Address& name, bool is_peer) {
    if (name.family() == AF_INET && name.length >= sizeof(sockaddr_in))
        return is_peer ? AttachType::Inet4Getpeername : AttachType::Inet4Getsockname;
    if (name.family() == AF_INET6 && name.length >= sizeof(sockaddr_in6))
        return is_peer ? AttachType::Inet6Getpeername : AttachType::Inet6Getsockname;
    return std::nullopt;
}

}  // namespace

// Source: Linux net/socket.c, move_addr_to_user().
int put_address(const Address& address, std::int32_t room, const Call& call, const CallerMemory& memory) {
    const auto length = static_cast<std::int32_t>(address.length);
    const std::int32_t size = std::min(room, length);
    if (size < 0) return -EINVAL;
    const auto bytes = std::as_bytes(std::span(&address.bytes, 1)).first(static_cast<std::size_t>(size));
    if (const int error = memory.write(call.arguments[1], bytes); error != 0) return error;
    return memory.write(call.arguments[2], std::as_bytes(std::span(&length, 1)));
}

ebpf_sock_addr_context context_of(const SocketFacts& facts) {
    ebpf_sock_addr_context context{};
    context.family = static_cast<std::uint32_t>(facts.family);
    context.type = static_cast<std::uint32_t>(facts.type);
    context.protocol = static_cast<std::uint32_t>(facts.protocol);
    return context;
}

std::optional<int> tell_name(const Call& call, const Means& means) {
    const bool is_peer = call.number == SYS_getpeername;
    const auto socket = means.callers.take_descriptor(call.thread, static_cast<int>(call.arguments[0]));
    if (!socket) return socket.error();
    auto name = ask(*socket, is_peer);
    if (!name) return name.error();
    const auto attach = attach_of(*name, is_peer);
    Chain* chain = attach ? &means.points.chain(*attach) : nullptr;
    const bool has_programs = chain != nullptr && !chain->is_empty();
    std::expected<Task, int> task;
    if (has_programs) task = means.callers.who(call.thread);
    const CallerMemory memory(call.thread);
    std::int32_t room = 0;
    const int unread =
        read_memory(call.thread, call.arguments[2], std::as_writable_bytes(std::span(&room, 1)));
    if (!means.listener.is_waiting(call.id)) return std::nullopt;
    if (attach && means.points.refuses(*attach)) return -EPERM;
    if (has_programs) {
        if (!task) return task.error();
        const auto facts = read_facts(*socket);
        if (!facts) return facts.error();
        ebpf_sock_addr_context context = context_of(*facts);
        read_address(*name, *attach, context);
        if (const int refused = chain->run(context, *task); refused != 0) return refused;
        write_address(context, *attach, *name);
    }
    return unread != 0 ? unread : put_address(*name, room, call, memory);
}

}  // namespace ebpf::hooks::socket
