// SPDX-License-Identifier: MIT
#include "service/linux/daemon.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <utility>

#include "base/try.hpp"
#include "service/call.hpp"
#include "service/linux/event_loop.hpp"
#include "service/linux/listener.hpp"
#include "service/linux/process_verifier.hpp"

namespace ebpf::service {
namespace {

using platform::Descriptor;

std::unexpected<Error> refused(const char* what) {
    return fail(Status::Environment, fmt::format("{}: {}", what, std::strerror(errno)));
}

/// Turns the signals that end the daemon into bytes to read.
Result<Descriptor> take_signals() {
    sigset_t ending;
    sigemptyset(&ending);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ending, signal);
    std::signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &ending, nullptr) != 0) return refused("blocking signals");
    Descriptor signals(signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals.is_open()) return refused("signalfd");
    return signals;
}

/// Every handle is a descriptor: take as many as the host allows.
void raise_descriptor_limit() {
    struct rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/// Lines of trace_printk: hook threads write, the event loop reads; when it is slow, lines are lost.
struct TracePipe {
    Descriptor reader;
    Descriptor writer;

    static Result<TracePipe> open() {
        std::array<int, 2> ends{-1, -1};
        if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0) return refused("trace pipe");
        TracePipe pipe;
        pipe.reader.reset(ends[0]);
        pipe.writer.reset(ends[1]);
        return pipe;
    }
    static void write_line(void* owner, const char* text, std::size_t bytes) noexcept {
        [[maybe_unused]] const ssize_t done =
            write(static_cast<TracePipe*>(owner)->writer.number(), text, bytes);
    }
};

Result<void> register_providers(runtime::Context& context, const DaemonOptions& options) {
    for (const ebpf_hook_provider* provider : options.providers) {
        const Status status = context.register_provider(provider);
        if (status != Status::Ok) return fail_with(status, fmt::format("hook provider '{}'", provider->name));
    }
    return {};
}

/// Before anything else is taken down, so that hosts get their traffic back at once.
void detach_all(runtime::Context& context) {
    std::uint32_t after = 0;
    while (const auto id = context.next_id(runtime::ObjectKind::Link, after)) {
        if (const auto link = context.find_link(*id)) (void)context.detach(**link);
        after = *id;
    }
}

}  // namespace

Result<void> run_daemon(const DaemonOptions& options) {
    EBPF_TRY(const Descriptor signals, take_signals());
    raise_descriptor_limit();
    EBPF_TRY(TracePipe trace, TracePipe::open());
    ProcessVerifier verifier({.path = options.verifier});
    ServiceOptions service_options;
    service_options.verifier = &verifier;
    service_options.groups = options.groups;
    service_options.context.trace = &TracePipe::write_line;
    service_options.context.trace_owner = &trace;
    service_options.code_policy = options.code_policy;
    service_options.trees = options.trees;
    EBPF_TRY(const auto service, Service::create(service_options));
    EBPF_TRY_VOID(register_providers(service->context(), options));
    for (const std::string& path : options.extensions) EBPF_TRY_VOID(service->load_extension(path));
    EBPF_TRY(Listener listener, Listener::open(options.socket));
    EBPF_TRY(auto loop, EventLoop::create(*service, listener, signals.number(), trace.reader.number()));
    if (options.on_ready) options.on_ready();
    auto ended = loop->run();
    // Before their programs go, so that no call is answered without them.
    if (options.trees != nullptr) options.trees->drop_all();
    detach_all(service->context());
    verifier.cancel();
    loop.reset();
    return ended;
}

}  // namespace ebpf::service
