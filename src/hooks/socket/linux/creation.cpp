// SPDX-License-Identifier: MIT
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "hooks/socket/linux/operations.hpp"

namespace ebpf::hooks::socket {
namespace {

// Source: Linux include/linux/net.h, SOCK_TYPE_MASK; the rest are flags.
constexpr std::uint32_t kTypeMask = 0xf;

/// The protocol that the kernel takes where the caller names none.
std::uint32_t protocol_of(std::uint32_t type, std::uint32_t protocol) {
    if (protocol != 0) return protocol;
    switch (type) {
        case SOCK_STREAM:
            return IPPROTO_TCP;
        case SOCK_DGRAM:
            return IPPROTO_UDP;
        case SOCK_SEQPACKET:
            return IPPROTO_SCTP;
        default:
            return 0;
    }
}

}  // namespace

// All that counts is in the registers of the call, which nobody can change while it waits.
std::optional<int> create(const Call& call, const Means& means) {
    constexpr auto kAttach = spec::AttachType::InetSockCreate;
    Chain& chain = means.points.chain(kAttach);
    const bool has_programs = !chain.is_empty();
    std::expected<Task, int> task;
    if (has_programs) task = means.callers.who(call.thread);
    if (!means.listener.is_waiting(call.id)) return std::nullopt;
    if (means.points.refuses(kAttach)) return -EPERM;
    const auto part = [&](std::size_t index) { return static_cast<std::uint32_t>(call.arguments[index]); };
    ebpf_sock_context context{};
    context.family = part(0);
    context.type = part(1) & kTypeMask;
    context.protocol = protocol_of(context.type, part(2));
    const bool is_packet = context.type == SOCK_PACKET;  // an old spelling of another family
    if (!is_packet && has_programs) {
        if (!task) return task.error();
        if (const int refused = chain.run(context, *task); refused != 0) return refused;
    }
    means.listener.let_continue(call.id);
    return std::nullopt;
}

}  // namespace ebpf::hooks::socket
