// SPDX-License-Identifier: MIT
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <sstream>
#include <utility>

#include "hooks/socket/linux/operations.hpp"

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;

/// Whose the new socket is.
struct Owner {
    unsigned user = 0;
    unsigned group = 0;
};

/// Reads the ids for files, the last ones of the lines of user and group ids.
Owner owner_of(const TaskStatus& status) {
    Owner owner;
    std::istringstream words(status.credentials);
    unsigned unused = 0;
    words >> unused >> unused >> unused >> owner.user >> unused >> unused >> unused >> owner.group;
    return owner;
}

/// Gives what the thread makes to another user and group for a while.
class InTheNameOf {
  public:
    explicit InTheNameOf(const Owner& owner) {
        group_ = set(SYS_setfsgid, owner.group);
        user_ = set(SYS_setfsuid, owner.user);
        is_so_ =
            set(SYS_setfsuid, kNobodyElse) == owner.user && set(SYS_setfsgid, kNobodyElse) == owner.group;
    }
    InTheNameOf(const InTheNameOf&) = delete;
    InTheNameOf& operator=(const InTheNameOf&) = delete;
    ~InTheNameOf() {
        set(SYS_setfsuid, user_);
        set(SYS_setfsgid, group_);
    }
    /// False: we have no right to.
    [[nodiscard]] bool is_so() const { return is_so_; }

  private:
    static constexpr unsigned kNobodyElse = ~0U;  // no id: changes nothing, tells the present one
    static unsigned set(long call, unsigned id) { return static_cast<unsigned>(syscall(call, id)); }
    unsigned user_ = 0;
    unsigned group_ = 0;
    bool is_so_ = false;
};

/// An accept() under way.
struct Accepting {
    Call call;
    Descriptor socket;
    SocketFacts facts;
    Task task;
    Owner owner;
    Points* points;
    CallerMemory memory;

    [[nodiscard]] int flags() const {
        return call.number == SYS_accept4 ? static_cast<int>(call.arguments[3]) : 0;
    }
};

/// Lets programs decide on a connection. Returns 0 or a negative errno.
int decide(const Accepting& accepting, const Descriptor& connection, const Address& peer) {
    const bool is_inet4 = accepting.facts.family == AF_INET;
    if (!is_inet4 && accepting.facts.family != AF_INET6) return 0;
    const auto attach = is_inet4 ? spec::AttachType::Inet4RecvAccept : spec::AttachType::Inet6RecvAccept;
    if (accepting.points->refuses(attach)) return -EPERM;
    Chain& chain = accepting.points->chain(attach);
    if (chain.is_empty()) return 0;
    Address own;
    read_name(connection, own);
    ebpf_sock_addr_context context = context_of(accepting.facts);
    read_address(own, attach, context);
    ebpf_sock_addr_context other{};
    read_address(peer, attach, other);
    context.msg_src[0] = other.user_ip4;
    std::memcpy(&context.msg_src[1], other.user_ip6, sizeof other.user_ip6);
    return chain.run(context, accepting.task);
}

/// Hands a connection to the caller. Nothing: it has it.
std::optional<int> hand_over(const Accepting& accepting, const Listener& listener,
                             const Descriptor& connection, const Address& peer) {
    const Call& call = accepting.call;
    if (call.arguments[1] != 0) {
        std::int32_t room = 0;
        const int unread =
            read_memory(call.thread, call.arguments[2], std::as_writable_bytes(std::span(&room, 1)));
        if (!listener.is_waiting(call.id)) return std::nullopt;
        if (unread != 0) return unread;
        if (const int error = put_address(peer, room, call, accepting.memory); error != 0) return error;
    }
    const bool is_closed_on_exec = (accepting.flags() & SOCK_CLOEXEC) != 0;
    const int error = listener.answer_with_descriptor(call.id, connection.number(), is_closed_on_exec);
    return error != 0 ? std::optional<int>(error) : std::nullopt;
}

/// Takes the next connection that programs permit. Returns a negative errno, -EINTR and -EAGAIN also if there
/// is none; nothing: the caller has it, or has gone.
std::optional<int> take_next(const Accepting& accepting, const Listener& listener) {
    const InTheNameOf owner(accepting.owner);
    if (!owner.is_so()) return -EPERM;
    for (;;) {
        Address peer;
        peer.length = sizeof peer.bytes;
        const Descriptor connection(::accept4(accepting.socket.number(),
                                              reinterpret_cast<sockaddr*>(&peer.bytes), &peer.length,
                                              SOCK_CLOEXEC | (accepting.flags() & SOCK_NONBLOCK)));
        if (!connection.is_open()) return -errno;
        const int refused = decide(accepting, connection, peer);
        if (refused == 0) return hand_over(accepting, listener, connection, peer);
        if (refused != -EPERM) return refused;
        if (!listener.is_waiting(accepting.call.id)) return std::nullopt;
    }
}

std::optional<int> accept_waiting(const Accepting& accepting, const Turn& turn) {
    const auto deadline = deadline_of(accepting.socket, SO_RCVTIMEO);
    for (;;) {
        const auto ended = take_next(accepting, turn.listener);
        if (ended != -EINTR) return ended;
        std::optional<int> result;
        if (!goes_on(accepting.call.id, accepting.call.thread, turn, result)) return result;
        if (deadline && std::chrono::steady_clock::now() >= *deadline) return -EAGAIN;
    }
}

}  // namespace

std::optional<int> accept(const Call& call, const Means& means) {
    auto socket = means.callers.take_descriptor(call.thread, static_cast<int>(call.arguments[0]));
    if (!socket) return socket.error();
    const auto facts = read_facts(*socket);
    if (!facts) return facts.error();
    const auto decided = route_family(facts->family);
    if (decided && decided->way == Way::Refuse) return decided->error;
    const auto task = means.callers.who(call.thread);
    const auto status = read_status(call.thread);
    CallerMemory memory(call.thread);
    if (!means.listener.is_waiting(call.id)) return std::nullopt;
    if (!status) return status.error();
    if (!task) return task.error();
    if (decided && status->threads == 1) {  // see Supervisor::carry_out_other()
        means.listener.let_continue(call.id);
        return std::nullopt;
    }
    Accepting accepting{call,          *std::move(socket), *facts, *task, owner_of(*status),
                        &means.points, std::move(memory)};
    if ((accepting.flags() & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0) return -EINVAL;
    // Also if it need not wait now: another thread can change that, and would have the supervisor wait.
    means.pool.start(call.id, [accepting = std::move(accepting)](const Turn& turn) {
        return accept_waiting(accepting, turn);
    });
    return std::nullopt;
}

}  // namespace ebpf::hooks::socket
