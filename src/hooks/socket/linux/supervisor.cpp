// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/supervisor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "hooks/socket/linux/target.hpp"

namespace ebpf::hooks::socket {
namespace {

ebpf_sock_addr_context context_of(const Address& address, spec::AttachType attach, const SocketFacts& facts) {
    ebpf_sock_addr_context context{};
    read_address(address, attach, context);
    context.family = static_cast<std::uint32_t>(facts.family);
    context.type = static_cast<std::uint32_t>(facts.type);
    context.protocol = static_cast<std::uint32_t>(facts.protocol);
    return context;
}

ebpf_task as_told(const Task& task) {
    const auto both = [](std::uint32_t upper, std::uint32_t lower) {
        return std::uint64_t{upper} << 32U | lower;
    };
    ebpf_task told{};
    told.pid_tgid = both(static_cast<std::uint32_t>(task.process), static_cast<std::uint32_t>(task.thread));
    told.uid_gid = both(task.gid, task.uid);
    static_assert(sizeof told.name == sizeof task.name);
    std::copy(task.name.begin(), task.name.end(), told.name);
    return told;
}

/// Whether connect() on such a socket may wait for the other side.
bool may_wait(int type) {
    return type == SOCK_STREAM || type == SOCK_SEQPACKET;
}

}  // namespace

Supervisor::Supervisor(platform::Descriptor listener, Chains& chains, const Ledger* ledger)
    : listener_(std::move(listener), ledger),
      chains_(&chains),
      end_(eventfd(0, EFD_CLOEXEC)),
      pool_(listener_),
      thread_([this] { serve(); }) {}

Supervisor::~Supervisor() {
    static_cast<void>(eventfd_write(end_.number(), 1));
    thread_.join();
}

bool Supervisor::wait() {
    pollfd sources[] = {{listener_.number(), POLLIN, 0}, {end_.number(), POLLIN, 0}};
    for (;;) {
        if (poll(sources, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        if (sources[1].revents != 0) return false;
        if ((sources[0].revents & POLLIN) != 0) return true;
        if (sources[0].revents != 0) return false;  // the last process has ended
    }
}

void Supervisor::serve() {
    Binder binder;
    has_folder_ = unshare_folder();
    while (wait()) {
        if (const auto call = listener_.receive()) handle(*call, binder);
    }
}

void Supervisor::handle(const Call& call, Binder& binder) {
    try {
        carry_out(call, binder);
    } catch (const std::bad_alloc&) {
        listener_.answer(call.id, -ENOMEM);
    }
}

void Supervisor::carry_out(const Call& call, Binder& binder) {
    const auto answer = [&](int result) { listener_.answer(call.id, result); };
    if (call.number != SYS_bind && call.number != SYS_connect) return answer(-ENOSYS);
    const Operation operation = call.number == SYS_bind ? Operation::Bind : Operation::Connect;

    auto socket = take_descriptor(call.thread, static_cast<int>(call.arguments[0]));
    // Its thread id stood for the caller if the caller still waits; so is asked once after all that is read
    // by it.
    if (!socket) return answer(socket.error());
    const auto facts = read_facts(*socket);
    if (!facts) return answer(facts.error());
    if (const auto decided = route_family(facts->family)) {
        if (decided->way == Way::Refuse) return answer(decided->error);
        return carry_out_other(call, *std::move(socket), *facts);
    }
    auto address = read_address(call.thread, call.arguments[1], static_cast<std::int32_t>(call.arguments[2]));
    if (!listener_.is_waiting(call.id)) return;
    if (!address) return answer(address.error());

    const Route way = route(operation, facts->family, *address);
    if (way.way == Way::Refuse) return answer(way.error);
    if (way.way == Way::Hook) {
        const auto refused = decide(call, way.attach, *facts, *address);
        if (!refused) return;
        if (*refused != 0) return answer(*refused);
    }
    if (operation == Operation::Bind)
        return answer(binder.bind(*socket, facts->network, *address, call.thread));
    Connection connection{call.id, call.thread, *std::move(socket), *address, {}};
    if (may_wait(facts->type)) return pool_.start(std::move(connection));
    connect_and_answer(listener_, connection, std::atomic<bool>(false));
}

std::optional<int> Supervisor::decide(const Call& call, spec::AttachType attach, const SocketFacts& facts,
                                      Address& address) {
    Chain& chain = chains_->at(attach);
    if (chain.is_empty()) return 0;
    const auto task = read_task(call.thread);
    if (!listener_.is_waiting(call.id)) return std::nullopt;
    if (!task) return task.error();
    ebpf_sock_addr_context context = context_of(address, attach, facts);
    if (const int refused = chain.run(context, as_told(*task)); refused != 0) return refused;
    write_address(context, attach, address);
    return 0;
}

// The kernel would look at the descriptor and the memory once more. While a process has one thread, and that
// waits, its descriptors stay what they are (see the filter), and the kernel carries the call out. With more
// threads another one could put an internet socket in the place; so it is carried out here, where it is the
// same to do so.
void Supervisor::carry_out_other(const Call& call, platform::Descriptor socket, const SocketFacts& facts) {
    const auto answer = [&](int result) { listener_.answer(call.id, result); };
    const auto task = read_task(call.thread);
    if (!listener_.is_waiting(call.id)) return;
    if (!task) return answer(task.error());
    if (task->threads == 1) return listener_.let_continue(call.id);

    const auto address =
        read_address(call.thread, call.arguments[1], static_cast<std::int32_t>(call.arguments[2]));
    if (!address) return answer(address.error());
    if (!has_folder_ || !has_our_files(call.thread) || !Binder::is_like_us(call.thread))
        return answer(-EPERM);
    platform::Descriptor folder(
        open(fmt::format("/proc/{}/cwd", call.thread).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!listener_.is_waiting(call.id)) return;
    if (!folder.is_open()) return answer(-EPERM);
    if (call.number == SYS_connect) {
        Connection connection{call.id, call.thread, std::move(socket), *address, std::move(folder)};
        if (may_wait(facts.type)) return pool_.start(std::move(connection));
        return connect_and_answer(listener_, connection, std::atomic<bool>(false));
    }
    if (fchdir(folder.number()) != 0) return answer(-errno);
    umask(task->umask);
    const auto* bytes = reinterpret_cast<const sockaddr*>(&address->bytes);
    answer(bind(socket.number(), bytes, address->length) == 0 ? 0 : -errno);
}

}  // namespace ebpf::hooks::socket
