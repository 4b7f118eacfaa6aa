// SPDX-License-Identifier: MIT
// Container runtimes hand over the listener of a container's filter: one message on a Unix socket.
// Source: opencontainers/runtime-spec, config-linux.md, "The Container Process State".
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/try.hpp"
#include "hooks/socket/linux/filter.hpp"
#include "keeper.hpp"
#include "platform/linux/descriptor.hpp"
#include "platform/linux/rights.hpp"
#include "platform/linux/socket_path.hpp"
#include "platform/linux/unix_socket.hpp"
#include "programs_in_daemon.hpp"
#include "run_command.hpp"

namespace ebpf::ctl {
namespace {

using platform::Descriptor;
using Json = nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
constexpr timeval kMostWait{5, 0};  // for a runtime to say what it has to say
constexpr std::string_view kListenerName = "seccompFd";

std::unexpected<Error> refused(std::string_view what) {
    return fail(Status::Environment, fmt::format("{}: {}", what, std::strerror(errno)));
}

/// The socket's file, which goes with it.
class ListeningSocket {
  public:
    static Result<ListeningSocket> open(const std::string& path) {
        EBPF_TRY(const sockaddr_un address, platform::socket_address(path));
        const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (connect(probe.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            return fail(Status::AlreadyExists, fmt::format("{}: another process serves it", path));
        EBPF_TRY_VOID(platform::remove_socket(path));
        ListeningSocket opened;
        EBPF_TRY(opened.socket_, platform::listen_at(path));
        opened.path_ = path;
        return opened;
    }
    ListeningSocket(ListeningSocket&& other) noexcept
        : socket_(std::move(other.socket_)), path_(std::exchange(other.path_, {})) {}
    ListeningSocket& operator=(ListeningSocket&&) = delete;
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    ~ListeningSocket() {
        if (!path_.empty()) unlink(path_.c_str());
    }
    [[nodiscard]] int number() const { return socket_.number(); }

  private:
    ListeningSocket() = default;
    Descriptor socket_;
    std::string path_;
};

/// What a runtime says of a container.
struct Container {
    std::string id;
    std::uint32_t process = 0;
    Descriptor listener;
};

Result<Container> read_container(const Descriptor& runtime) {
    EBPF_TRY(const ucred peer, platform::peer_of(runtime));
    if (!platform::is_trusted(peer))
        return fail(Status::NoPermission, fmt::format("user {} may not hand over containers", peer.uid));
    setsockopt(runtime.number(), SOL_SOCKET, SO_RCVTIMEO, &kMostWait, sizeof kMostWait);
    std::string text;
    std::vector<Descriptor> descriptors;
    std::array<std::byte, 16384> part{};
    for (;;) {
        const ssize_t got = platform::receive_with_rights(runtime.number(), part, descriptors);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return refused("the runtime's message");
        if (got == 0) break;
        text.append(reinterpret_cast<const char*>(part.data()), static_cast<std::size_t>(got));
        if (text.size() > kMostBytes) return fail(Status::TooBig, "the runtime's message is too long");
        if (Json::accept(text)) break;  // whole; a runtime need not hang up
    }
    const Json state = Json::parse(text, nullptr, false);
    if (!state.is_object() || !state.contains("pid") || !state["pid"].is_number_unsigned() ||
        !state.contains("fds") || !state["fds"].is_array())
        return fail(Status::Malformed, "the runtime's message is no state of a container process");
    Container container;
    container.process = state["pid"].get<std::uint32_t>();
    if (state.contains("state") && state["state"].is_object()) container.id = state["state"].value("id", "");
    const Json& names = state["fds"];
    for (std::size_t i = 0; i < std::min(names.size(), descriptors.size()); ++i) {
        if (names[i] == kListenerName) container.listener = std::move(descriptors[i]);
    }
    if (!container.listener.is_open())
        return fail(Status::Malformed,
                    fmt::format("container '{}': no {} came", container.id, kListenerName));
    return container;
}

/// Signals that end the service, and those of children, as bytes to read.
Result<Descriptor> take_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, number);
    if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return refused("signals");
    Descriptor signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals.is_open()) return refused("signalfd");
    return signals;
}

/// Collects keepers that have ended. Returns whether it was asked to end.
bool read_signals(const Descriptor& signals) {
    signalfd_siginfo info{};
    bool is_ending = false;
    while (read(signals.number(), &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGCHLD) is_ending = true;
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return is_ending;
}

Result<void> hook(const Descriptor& runtime, ProgramsInDaemon& held) {
    EBPF_TRY(const Container container, read_container(runtime));
    held.request.process = container.process;
    const auto tree = start_keeper(held.socket, held.request, container.listener.number(), held.rules);
    if (tree) return {};
    return std::unexpected(Error(tree.error()).in(fmt::format("container '{}'", container.id)));
}

}  // namespace

Result<void> serve_containers(const Options& options, const std::string& path,
                              std::span<const HookPrograms> hooks) {
    EBPF_TRY(const Descriptor signals, take_signals());
    EBPF_TRY(auto held, prepare_in_daemon(options, hooks));
    if ((hooks_of(held.request) & ~hooks::socket::kAlwaysAsked) != 0)
        return fail(Status::NotSupported, "containers: their profile asks about bind and connect only");
    EBPF_TRY(const ListeningSocket server, ListeningSocket::open(path));
    for (;;) {
        pollfd sources[] = {{server.number(), POLLIN, 0}, {signals.number(), POLLIN, 0}};
        if (poll(sources, 2, -1) < 0 && errno != EINTR) return refused("waiting");
        if (sources[1].revents != 0 && read_signals(signals)) return {};
        if (sources[0].revents == 0) continue;
        const Descriptor runtime(accept4(server.number(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!runtime.is_open()) continue;
        // Without a keeper the listener is closed: the container's calls fail.
        if (const auto hooked = hook(runtime, held); !hooked)
            fmt::print(stderr, "Error: {}\n", hooked.error().message());
    }
}

}  // namespace ebpf::ctl
