// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/launch.hpp"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "hooks/socket/linux/confine.hpp"
#include "hooks/socket/linux/filter.hpp"
#include "hooks/socket/linux/target.hpp"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;

constexpr int kNotStarted = 127;

enum class Stage : int { Ready, Signals, Privileges, Filter, Execute };

/// What the child says: where it is, and what went wrong there.
struct Report {
    Stage stage = Stage::Ready;
    int error = 0;
    int listener = -1;  ///< the number of the filter's listener in the child
};

// Calls that hand over descriptors may be asked about already: nobody would answer.
bool send_report(int channel, const Report& report) noexcept {
    return send(channel, &report, sizeof report, MSG_NOSIGNAL) == sizeof report;
}

/// Nothing: the other end is closed.
std::optional<Report> receive_report(const Descriptor& channel) {
    Report report;
    ssize_t size = 0;
    do {
        size = recv(channel.number(), &report, sizeof report, 0);
    } while (size < 0 && errno == EINTR);
    return size == sizeof report ? std::optional(report) : std::nullopt;
}

/// What the child needs; made before fork(), as the child may neither allocate nor lock.
struct Plan {
    std::vector<char*> arguments;
    std::vector<sock_filter> filter;
    sigset_t signals;
    int channel = -1;
    bool is_confined = true;
};

// Runs in the child, between fork() and exec().
[[noreturn]] void become(const Plan& plan) noexcept {
    const auto stop = [&](Stage stage) {
        send_report(plan.channel, {stage, errno});
        _exit(kNotStarted);
    };
    if (sigprocmask(SIG_SETMASK, &plan.signals, nullptr) != 0) stop(Stage::Signals);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) stop(Stage::Privileges);
    if (plan.is_confined) static_cast<void>(confine_tcp());  // where the kernel can
    const sock_fprog program{static_cast<unsigned short>(plan.filter.size()),
                             const_cast<sock_filter*>(plan.filter.data())};
    const long listener =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
    if (listener < 0) stop(Stage::Filter);
    if (!send_report(plan.channel, {Stage::Ready, 0, static_cast<int>(listener)})) _exit(kNotStarted);
    char go = 0;
    if (read(plan.channel, &go, 1) != 1) _exit(kNotStarted);
    close(static_cast<int>(listener));
    execvp(plan.arguments[0], plan.arguments.data());
    stop(Stage::Execute);
    _exit(kNotStarted);
}

std::string text_of(int error) {
    char buffer[128];
    return strerror_r(error, buffer, sizeof buffer);
}

Error error_of(const Report& report, const std::string& name) {
    const std::string text = text_of(report.error);
    switch (report.stage) {
        case Stage::Execute:
            return {report.error == ENOENT ? Status::NotFound : Status::Environment,
                    fmt::format("cannot execute '{}': {}", name, text)};
        case Stage::Filter:
            if (report.error == EBUSY) {
                return {Status::Busy,
                        "this process is under a seccomp listener already (an outer `run`, or a "
                        "container's): the kernel "
                        "allows one"};
            }
            if (report.error == EINVAL || report.error == ENOSYS) {
                return {Status::NotSupported,
                        "the kernel lacks seccomp user notification that only kills interrupt (Linux 5.19)"};
            }
            return {Status::Environment, fmt::format("installing the seccomp filter: {}", text)};
        case Stage::Privileges:
            return {Status::Environment, fmt::format("setting no_new_privs: {}", text)};
        case Stage::Signals:
            return {Status::Environment, fmt::format("setting the signal mask: {}", text)};
        case Stage::Ready:
            break;
    }
    return {Status::Environment, fmt::format("starting the command: {}", text)};
}

StartFailure failure_of(const Report& report) {
    if (report.stage != Stage::Execute) return StartFailure::NotHooked;
    return report.error == ENOENT ? StartFailure::NotFound : StartFailure::NotExecutable;
}

Started failed(int child, const Report& report, const std::string& name) {
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return {0, failure_of(report), error_of(report, name)};
}

Started not_started(int error, const char* what) {
    return {0, StartFailure::NotHooked, {Status::Environment, fmt::format("{}: {}", what, text_of(error))}};
}

Plan make_plan(const Command& command, std::span<const int> unblocked, int channel) {
    Plan plan;
    for (const std::string& argument : command.arguments)
        plan.arguments.push_back(const_cast<char*>(argument.c_str()));
    plan.arguments.push_back(nullptr);
    plan.filter = make_filter(command.hooks);
    plan.channel = channel;
    plan.is_confined = command.is_confined;
    pthread_sigmask(SIG_SETMASK, nullptr, &plan.signals);
    for (const int number : unblocked) sigdelset(&plan.signals, number);
    return plan;
}

}  // namespace

Started launch(const Command& command, std::span<const int> unblocked,
               const std::function<Result<void>(Descriptor, int)>& take) {
    if (command.arguments.empty())
        return {0, StartFailure::NotHooked, {Status::InvalidArgument, "there is no command"}};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return not_started(errno, "socketpair");
    Descriptor ours(ends[0]);
    Descriptor theirs(ends[1]);
    const Plan plan = make_plan(command, unblocked, theirs.number());
    const int child = fork();
    if (child < 0) return not_started(errno, "fork");
    if (child == 0) become(plan);
    theirs.reset();

    const std::string& name = command.arguments.front();
    const auto ready = receive_report(ours);
    if (!ready || ready->stage != Stage::Ready) return failed(child, ready.value_or(Report{}), name);
    Descriptor listener = take_descriptor(child, ready->listener);
    if (!listener.is_open()) {
        const Report refused{Stage::Ready, errno};
        ours.reset();  // so the child ends
        return failed(child, refused, name);
    }
    if (auto taken = take(std::move(listener), child); !taken) {
        ours.reset();  // so the child ends
        Started none = failed(child, Report{}, name);
        none.error = std::move(taken).error();
        return none;
    }
    static_cast<void>(
        send(ours.number(), "", 1, MSG_NOSIGNAL));  // fails: the child has gone, as is seen below
    // The end of the channel is closed by a successful execution.
    if (const auto report = receive_report(ours)) return failed(child, *report, name);
    return {child, {}, {Status::Ok, {}}};
}

}  // namespace ebpf::hooks::socket
