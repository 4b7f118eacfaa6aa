// SPDX-License-Identifier: MIT
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "hooks/socket/linux/operations.hpp"
#include "hooks/socket/linux/rights.hpp"

namespace ebpf::hooks::socket {
namespace {

int listen_now(const platform::Descriptor& socket, const Call& call) {
    return ::listen(socket.number(), static_cast<int>(call.arguments[1])) == 0 ? 0 : -errno;
}

/// On a socket that has no internet addresses; see Supervisor::carry_out_other().
std::optional<int> listen_other(const Call& call, const platform::Descriptor& socket, const Means& means) {
    const auto status = read_status(call.thread);
    const bool may_be_done_here = status && status->threads != 1 && Binder::is_like_us(call.thread);
    if (!means.listener.is_waiting(call.id)) return std::nullopt;
    if (!status) return status.error();
    if (status->threads == 1) {
        means.listener.let_continue(call.id);
        return std::nullopt;
    }
    return may_be_done_here ? listen_now(socket, call) : -EPERM;
}

}  // namespace

std::optional<int> listen(const Call& call, const Means& means) {
    const auto socket = means.callers.take_descriptor(call.thread, static_cast<int>(call.arguments[0]));
    if (!socket) return socket.error();
    const auto facts = read_facts(*socket);
    if (!facts) return facts.error();
    if (const auto decided = route_family(facts->family)) {
        if (decided->way == Way::Refuse) return decided->error;
        return listen_other(call, *socket, means);
    }
    const bool is_inet4 = facts->family == AF_INET;
    const auto attach = is_inet4 ? spec::AttachType::Inet4Listen : spec::AttachType::Inet6Listen;
    Chain& chain = means.points.chain(attach);
    const bool has_programs = !chain.is_empty();
    std::expected<Task, int> task;
    if (has_programs) task = means.callers.who(call.thread);
    if (!means.listener.is_waiting(call.id)) return std::nullopt;
    if (means.points.refuses(attach)) return -EPERM;
    if (has_programs) {
        if (!task) return task.error();
        Address own;
        read_name(*socket, own);
        ebpf_sock_addr_context context = context_of(*facts);
        read_address(own, attach, context);
        if (const int refused = chain.run(context, *task); refused != 0) return refused;
    }
    return listen_now(*socket, call);
}

}  // namespace ebpf::hooks::socket
