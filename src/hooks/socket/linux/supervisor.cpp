// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/supervisor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "hooks/socket/linux/operations.hpp"
#include "hooks/socket/linux/target.hpp"

namespace ebpf::hooks::socket {
namespace {

ebpf_sock_addr_context context_of(const Address& address, spec::AttachType attach, const SocketFacts& facts) {
    ebpf_sock_addr_context context = context_of(facts);
    read_address(address, attach, context);
    return context;
}

/// Multipath TCP is TCP to programs that know one byte of it.
std::uint8_t short_protocol(int protocol) {
    constexpr int kMultipathTcp = 262;
    return static_cast<std::uint8_t>(protocol == kMultipathTcp ? IPPROTO_TCP : protocol);
}

/// Whether connect() on such a socket may wait for the other side.
bool may_wait(int type) {
    return type == SOCK_STREAM || type == SOCK_SEQPACKET;
}

}  // namespace

Supervisor::Supervisor(platform::Descriptor listener, Points& points, const Ledger* ledger)
    : listener_(std::move(listener), ledger),
      points_(&points),
      end_(eventfd(0, EFD_CLOEXEC)),
      pool_(listener_),
      thread_([this] { serve(); }) {}

Supervisor::~Supervisor() {
    static_cast<void>(eventfd_write(end_.number(), 1));
    thread_.join();
}

bool Supervisor::wait() {
    pollfd sources[] = {
        {listener_.number(), POLLIN, 0}, {end_.number(), POLLIN, 0}, {bound_.descriptor(), POLLIN, 0}};
    for (;;) {
        const int ready = poll(sources, std::size(sources), bound_.timeout());
        if (ready < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        if (sources[1].revents != 0) return false;
        if (ready == 0 || sources[2].revents != 0 || bound_.timeout() == 0) tell_closed();
        if ((sources[0].revents & POLLIN) != 0) return true;
        if (sources[0].revents != 0) return false;  // the last process has ended
    }
}

void Supervisor::tell_closed() {
    try {
        bound_.take_closed([this](const Bound& bound) { points_->bind().tell_unbound(bound); });
    } catch (const std::bad_alloc&) {
        return;  // the others are found another time
    }
}

// Others may have got sockets of the tree: with the tree the programs' say ends, too.
void Supervisor::tell_all_closed() {
    while (auto bound = bound_.take_any()) points_->bind().tell_unbound(*bound);
}

void Supervisor::serve() {
    Binder binder;
    has_folder_ = unshare_folder();
    while (wait()) {
        if (const auto call = listener_.receive()) handle(*call, binder);
    }
    tell_all_closed();
}

// Whoever gets the answer finds that nobody else holds the socket.
void Supervisor::handle(const Call& call, Binder& binder) {
    std::optional<int> result;
    try {
        result = carry_out(call, binder);
    } catch (const std::bad_alloc&) {
        result = -ENOMEM;
    }
    if (result) listener_.answer(call.id, *result);
}

std::optional<int> Supervisor::carry_out(const Call& call, Binder& binder) {
    switch (call.number) {
        case SYS_bind:
        case SYS_connect:
            break;
        case SYS_getsockname:
        case SYS_getpeername:
            return tell_name(call, means());
        case SYS_sendto:
        case SYS_sendmsg:
        case SYS_sendmmsg:
            return socket::send(call, means());
        case SYS_socket:
            return create(call, means());
        case SYS_listen:
            return socket::listen(call, means());
        case SYS_accept:
        case SYS_accept4:
            return socket::accept(call, means());
        default:
            return -ENOSYS;
    }
    const Operation operation = call.number == SYS_bind ? Operation::Bind : Operation::Connect;

    auto socket = callers_.take_descriptor(call.thread, static_cast<int>(call.arguments[0]));
    // Its thread id stood for the caller if the caller still waits; so is asked once after all that is read
    // by it.
    if (!socket) return socket.error();
    const auto facts = read_facts(*socket);
    if (!facts) return facts.error();
    if (const auto decided = route_family(facts->family)) {
        if (decided->way == Way::Refuse) return decided->error;
        return carry_out_other(call, *std::move(socket), *facts);
    }
    auto address = read_address(call.thread, call.arguments[1], static_cast<std::int32_t>(call.arguments[2]));
    const Route way = address ? route(operation, facts->family, *address) : Route{.error = address.error()};
    const auto programs = programs_for(operation, way);
    std::expected<Task, int> task;
    if (programs.is_any()) task = callers_.who(call.thread);
    Bound wanted;
    if (programs.bind != nullptr) wanted.application = callers_.application(call.thread);
    if (!listener_.is_waiting(call.id)) return std::nullopt;
    if (way.way == Way::Refuse) return way.error;
    if (programs.are_missing) return -EPERM;
    if (!task) return task.error();
    if (programs.chain != nullptr) {
        ebpf_sock_addr_context context = context_of(*address, way.attach, *facts);
        if (const int refused = programs.chain->run(context, *task); refused != 0) return refused;
        write_address(context, way.attach, *address);
    }
    if (programs.bind != nullptr) {
        wanted.task = *task;
        wanted.address = *address;
        wanted.protocol = short_protocol(facts->protocol);
        return bind(*socket, wanted, binder);
    }
    if (operation == Operation::Bind) return binder.bind(*socket, *address, call.thread);
    return connect(facts->type, {call.id, call.thread, *std::move(socket), *address, {}});
}

std::optional<int> Supervisor::connect(int type, Connection connection) {
    if (!may_wait(type)) return connect_now(listener_, connection, std::atomic<bool>(false));
    pool_.start(std::move(connection));
    return std::nullopt;
}

Supervisor::Programs Supervisor::programs_for(Operation operation, const Route& way) {
    if (way.way != Way::Hook) return {};
    Chain& chain = points_->chain(way.attach);
    const bool is_bind = operation == Operation::Bind;
    return {
        .are_missing = points_->refuses(way.attach) || (is_bind && points_->refuses(spec::AttachType::Bind)),
        .chain = chain.is_empty() ? nullptr : &chain,
        .bind = is_bind && !points_->bind().is_empty() ? &points_->bind() : nullptr};
}

int Supervisor::bind(const platform::Descriptor& socket, Bound& wanted, Binder& binder) {
    if (const int refused = points_->bind().decide(wanted); refused != 0) return refused;
    // It is remembered first, so that no end of a bind can be missed.
    const auto bound = bound_.add(socket, wanted);
    const int result = bound ? binder.bind(socket, (*bound)->address, wanted.task.thread) : bound.error();
    if (result != 0) {
        if (bound) bound_.remove(socket);
        points_->bind().tell_unbound(wanted);
        return result;
    }
    read_name(socket, (*bound)->address);
    points_->bind().tell_bound(**bound);
    return 0;
}

// The kernel would look at the descriptor and the memory once more. While a process has one thread, and that
// waits, its descriptors stay what they are (see the filter), and the kernel carries the call out. With more
// threads another one could put an internet socket in the place; so it is carried out here, where it is the
// same to do so.
std::optional<int> Supervisor::carry_out_other(const Call& call, platform::Descriptor socket,
                                               const SocketFacts& facts) {
    const auto status = read_status(call.thread);
    if (!listener_.is_waiting(call.id)) return std::nullopt;
    if (!status) return status.error();
    if (status->threads == 1) {
        listener_.let_continue(call.id);
        return std::nullopt;
    }

    const auto address =
        read_address(call.thread, call.arguments[1], static_cast<std::int32_t>(call.arguments[2]));
    if (!address) return address.error();
    if (!has_folder_ || !has_our_files(call.thread) || !Binder::is_like_us(call.thread)) return -EPERM;
    platform::Descriptor folder(
        open(fmt::format("/proc/{}/cwd", call.thread).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!listener_.is_waiting(call.id)) return std::nullopt;
    if (!folder.is_open()) return -EPERM;
    if (call.number == SYS_connect)
        return connect(facts.type, {call.id, call.thread, std::move(socket), *address, std::move(folder)});
    if (fchdir(folder.number()) != 0) return -errno;
    umask(status->umask);
    const auto* bytes = reinterpret_cast<const sockaddr*>(&address->bytes);
    return ::bind(socket.number(), bytes, address->length) == 0 ? 0 : -errno;
}

}  // namespace ebpf::hooks::socket
