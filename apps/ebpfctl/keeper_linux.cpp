// SPDX-License-Identifier: MIT
#include "keeper.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/try.hpp"
#include "ebpf_keeper/descriptors.hpp"
#include "hooks/socket/hooks.hpp"
#include "platform/linux/descriptor.hpp"
#include "platform/linux/socket_path.hpp"
#include "platform/linux/unix_socket.hpp"
#include "protocol/frame.hpp"

namespace ebpf::ctl {
namespace {

using platform::Descriptor;

constexpr int kAboveKeeper = 16;
constexpr int kNotStarted = 127;

std::unexpected<Error> refused(std::string_view what, int error) {
    return fail(Status::Environment, fmt::format("keeper: {}: {}", what, std::strerror(error)));
}

/// Copies a descriptor to a number that cannot clash with the keeper's own.
Result<Descriptor> high_copy(int number) {
    Descriptor copy(fcntl(number, F_DUPFD_CLOEXEC, kAboveKeeper));
    if (!copy.is_open()) return refused("dup", errno);
    return copy;
}

Result<Descriptor> in_memory(std::span<const std::byte> bytes) {
    const Descriptor memory(memfd_create("ebpf-request", MFD_CLOEXEC));
    if (!memory.is_open()) return refused("memfd_create", errno);
    if (write(memory.number(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return refused("request", errno == 0 ? EIO : errno);
    return high_copy(memory.number());
}

Result<std::vector<std::byte>> framed(protocol::TreeHookRequest request) {
    request.listener = 0;
    request.ledger = 1;
    EBPF_TRY(const auto payload, protocol::encode_request(request));
    protocol::Header header;
    header.operation = static_cast<std::uint32_t>(spec::Operation::TreeHook);
    header.handles = 2;
    return protocol::encode_frame(header, payload);
}

/// The program beside this one.
Result<std::string> keeper_path() {
    std::array<char, 4096> path{};
    const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
    if (size <= 0) return refused("/proc/self/exe", errno);
    const std::string own(path.data(), static_cast<std::size_t>(size));
    return own.substr(0, own.rfind('/') + 1) + "ebpf-keeper";
}

/// What the child needs, numbered so that it cannot clash with the keeper's own.
struct Plan {
    std::string program;
    std::string socket;
    KeeperRules rules;
    Descriptor request;
    Descriptor answer;
};

/// Becomes the keeper. Standard streams lead nowhere: nobody may be there to read.
[[noreturn]] void become_keeper(const Plan& plan, int listener, const char* when_refused) {
    const int null = open("/dev/null", O_RDWR);
    for (int standard = 0; standard < keeper::kListener; ++standard) dup2(null, standard);
    dup2(listener, keeper::kListener);
    dup2(plan.request.number(), keeper::kRequest);
    dup2(plan.answer.number(), keeper::kAnswer);
    syscall(SYS_close_range, keeper::kFirstUnused, ~0U, 0);
    static_cast<void>(chdir("/"));  // it keeps no file system busy
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const char* words[] = {plan.program.c_str(),
                           plan.socket.c_str(),
                           plan.rules.is_open ? "open" : "closed",
                           plan.rules.may_offer_again ? "again" : "once",
                           when_refused,
                           nullptr};
    char* environment[] = {nullptr};
    execve(plan.program.c_str(), const_cast<char* const*>(words), environment);
    _exit(kNotStarted);
}

void answer(const Plan& plan, const Error& error) {
    const auto frame = protocol::frame_of_reply(static_cast<std::uint32_t>(spec::Operation::TreeHook),
                                                std::unexpected(error), 0);
    static_cast<void>(send(plan.answer.number(), frame.data(), frame.size(), MSG_NOSIGNAL));
}

/// Hooks a running process, then becomes its keeper. All of it in the child, whose signals are blocked: the
/// process must not be left in the middle of it because somebody interrupts or kills ebpfctl.
[[noreturn]] void hook_and_become_keeper(const Plan& plan, int process, spec::AttachTypeMask hooks) {
    const auto hooked = hooks::socket::hook_running(process, hooks);
    if (!hooked) {
        answer(plan, hooked.error());
        _exit(kNotStarted);
    }
    if (hooked->objection) answer(plan, *hooked->objection);
    const Descriptor high(fcntl(hooked->listener, F_DUPFD, kAboveKeeper));
    become_keeper(plan, high.number(), hooked->objection ? "free" : "stay");
}

Result<std::uint32_t> read_answer(const Descriptor& channel) {
    std::vector<std::byte> frame;
    std::array<std::byte, 4096> part{};
    for (;;) {
        const ssize_t got = recv(channel.number(), part.data(), part.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return refused("answer", errno);
        if (got == 0) break;
        frame.insert(frame.end(), part.begin(), part.begin() + got);
    }
    if (frame.size() < protocol::kHeaderBytes)
        return fail(Status::Environment, "the keeper, ebpf-keeper beside ebpfctl, did not start");
    const std::span whole(frame);
    EBPF_TRY(const auto header, protocol::decode_header(whole.first<protocol::kHeaderBytes>()));
    EBPF_TRY(const auto reply, protocol::reply_of_frame(header, whole.subspan(protocol::kHeaderBytes)));
    const auto* taken = std::get_if<protocol::TreeHookReply>(&reply);
    if (taken == nullptr) return fail(Status::Malformed, "the daemon answered another operation");
    return taken->tree;
}

/// Whether `process` serves the socket: it would have to decide on its own calls.
Result<bool> is_daemon(const std::string& socket, int process) {
    EBPF_TRY(const sockaddr_un address, platform::socket_address(socket));
    const Descriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(client.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return refused(socket, errno);
    EBPF_TRY(const ucred server, platform::peer_of(client));
    return server.pid == process;
}

/// Starts a child that becomes the keeper by `become`, and waits for the daemon's answer.
template <typename Become>
Result<std::uint32_t> start(const std::string& socket, const protocol::TreeHookRequest& request,
                            KeeperRules rules, Become become) {
    Plan plan;
    plan.rules = rules;
    std::error_code error;
    plan.socket = std::filesystem::absolute(socket, error);
    if (error) return refused(socket, error.value());
    EBPF_TRY(const auto frame, framed(request));
    EBPF_TRY(plan.program, keeper_path());
    EBPF_TRY(plan.request, in_memory(frame));
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return refused("socketpair", errno);
    const Descriptor ours(ends[0]);
    Descriptor theirs(ends[1]);
    EBPF_TRY(plan.answer, high_copy(theirs.number()));
    theirs.reset();
    const int child = fork();
    if (child < 0) return refused("fork", errno);
    if (child == 0) {
        setsid();
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, nullptr);
        become(plan);
        _exit(kNotStarted);
    }
    plan.answer.reset();
    return read_answer(ours);
}

}  // namespace

spec::AttachTypeMask hooks_of(const protocol::TreeHookRequest& request) {
    spec::AttachTypeMask hooks = 0;
    for (const protocol::TreeProgram& program : request.programs)
        hooks |= spec::attach_bit(static_cast<spec::AttachType>(program.attach_type));
    return hooks;
}

Result<std::uint32_t> start_keeper(const std::string& socket, const protocol::TreeHookRequest& request,
                                   int listener, KeeperRules rules) {
    EBPF_TRY(const Descriptor high, high_copy(listener));
    return start(socket, request, rules,
                 [&high](const Plan& plan) { become_keeper(plan, high.number(), "end"); });
}

Result<std::uint32_t> start_keeper_of_running(const std::string& socket,
                                              const protocol::TreeHookRequest& request, KeeperRules rules) {
    const auto process = static_cast<int>(request.process);
    EBPF_TRY(const bool is_itself, is_daemon(socket, process));
    if (is_itself) {
        return fail(Status::InvalidArgument,
                    fmt::format("process {} is the daemon: it cannot decide on its own calls", process));
    }
    return start(socket, request, rules, [process, hooks = hooks_of(request)](const Plan& plan) {
        hook_and_become_keeper(plan, process, hooks);
    });
}

}  // namespace ebpf::ctl
