// SPDX-License-Identifier: MIT
// Signals, child processes and the hooks of src/hooks/socket.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "base/try.hpp"
#include "client/local_backend.hpp"
#include "hooked_programs.hpp"
#include "hooks/socket/hooks.hpp"
#include "keeper.hpp"
#include "programs_in_daemon.hpp"
#include "run_command.hpp"

namespace ebpf::ctl {
namespace {

using client::Client;
using hooks::socket::Started;

/// Signals that go on to the command.
constexpr std::array kForwarded = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                   SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};

/// Signals that wait_for() waits for; those of the process wait meanwhile.
class HeldSignals {
  public:
    HeldSignals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGCHLD);
        for (const int number : kForwarded) sigaddset(&set_, number);
        sigprocmask(SIG_BLOCK, &set_, &before_);
        for (const int number : numbers()) {
            if (sigismember(&before_, number) == 0) unblocked_.push_back(number);
        }
    }
    [[nodiscard]] const sigset_t& set() const { return set_; }
    /// Those that were not blocked before: what a child should have unblocked.
    [[nodiscard]] std::span<const int> unblocked() const { return unblocked_; }

  private:
    static std::vector<int> numbers() {
        std::vector<int> all(kForwarded.begin(), kForwarded.end());
        all.push_back(SIGCHLD);
        return all;
    }
    sigset_t set_;
    sigset_t before_;
    std::vector<int> unblocked_;
};

int exit_code(int status) {
    constexpr int kSignalled = 128;  // as shells say it
    return WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Collects children that have ended, descendants that lost their parents too. Nothing: there are others yet.
std::optional<int> reap(int command, std::optional<int>& code) {
    for (;;) {
        int status = 0;
        const int ended = waitpid(-1, &status, WNOHANG);
        if (ended == command) code = exit_code(status);
        if (ended == 0) return std::nullopt;
        if (ended < 0 && errno != EINTR) return code.value_or(0);
    }
}

/// Waits until the last process of the tree has ended; hands on signals to the command. Those that come when
/// it has ended end the wait: what is left of its tree can neither bind nor connect any more.
int wait_for(int command, const sigset_t& signals) {
    std::optional<int> code;
    for (;;) {
        siginfo_t signal{};
        const int number = sigwaitinfo(&signals, &signal);
        if (number < 0) continue;
        if (number == SIGCHLD) {
            if (const auto all_ended = reap(command, code)) return *all_ended;
            continue;
        }
        const bool is_for_group = signal.si_code == SI_KERNEL;  // a terminal's: the command got it, too
        if (is_for_group || number == SIGWINCH || number == SIGCONT) {
            if (!is_for_group && !code) kill(command, number);
            continue;
        }
        if (code) return *code;
        kill(command, number);
    }
}

int exit_code(hooks::socket::StartFailure failure) {
    switch (failure) {
        case hooks::socket::StartFailure::NotHooked:
            break;
        case hooks::socket::StartFailure::NotFound:
            return 127;
        case hooks::socket::StartFailure::NotExecutable:
            return 126;
    }
    return 125;
}

/// Descendants that lose their parents become ours, so that they remain ours to look into where only
/// ancestors may, and are waited for.
void adopt_descendants() {
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

CommandEnded wait_for(const Started& started, const HeldSignals& signals) {
    if (started.pid == 0) return CommandEnded{exit_code(started.failure), started.error.message()};
    return CommandEnded{wait_for(started.pid, signals.set()), {}};
}

/// Programs and supervisor in this process.
Result<CommandEnded> run_here(const Options& options, std::span<const HookPrograms> hooks,
                              const std::vector<std::string>& command, const HeldSignals& signals) {
    hooks::socket::SocketHooks socket_hooks;
    EBPF_TRY(const auto backend, client::LocalBackend::create({.groups = options.groups}));
    for (const ebpf_hook_provider* provider : socket_hooks.providers()) {
        const Status status = backend->service().context().register_provider(provider);
        if (status != Status::Ok) return fail(status, fmt::format("hook {}", provider->name));
    }
    Client client(*backend);
    HookedPrograms programs;  // holds handles of the backend's
    EBPF_TRY_VOID(programs.prepare(client, options, hooks));
    EBPF_TRY_VOID(programs.attach(client));
    adopt_descendants();
    const auto started = socket_hooks.start({.arguments = command}, signals.unblocked());
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // the command, of the same user, must not trace its supervisor
    return wait_for(started, signals);
}

/// Programs and supervisor in a daemon; a keeper holds the listener.
Result<CommandEnded> run_by_daemon(const Options& options, std::span<const HookPrograms> hooks,
                                   const std::vector<std::string>& command, const HeldSignals& signals) {
    EBPF_TRY(auto held, prepare_in_daemon(options, hooks));
    adopt_descendants();
    const auto give = [&held](int listener, int process) -> Result<void> {
        held.request.process = static_cast<std::uint32_t>(process);
        EBPF_TRY([[maybe_unused]] const auto tree,
                 start_keeper(held.socket, held.request, listener, held.rules));
        return {};
    };
    const hooks::socket::Command tree{command, !held.rules.is_open, hooks_of(held.request)};
    const auto started = hooks::socket::start_filtered(tree, signals.unblocked(), give);
    return wait_for(started, signals);
}

}  // namespace

Result<CommandEnded> run_hooked(const Options& options, std::span<const HookPrograms> hooks,
                                const std::vector<std::string>& command) {
    const HeldSignals signals;  // before there are threads, so that all hold them
    const bool is_here = options.context == "inproc" || (options.context.empty() && are_of_files(hooks));
    if (is_here && options.when_gone == "open")
        return fail(Status::InvalidArgument,
                    "--when-gone open is for programs of a daemon: name one by --context");
    if (is_here) return run_here(options, hooks, command, signals);
    return run_by_daemon(options, hooks, command, signals);
}

Result<void> attach_running(const Options& options, std::span<const HookPrograms> hooks) {
    const HeldSignals signals;
    EBPF_TRY(auto held, prepare_in_daemon(options, hooks));
    held.request.process = options.pid;
    EBPF_TRY([[maybe_unused]] const auto tree,
             start_keeper_of_running(held.socket, held.request, held.rules));
    return {};
}

}  // namespace ebpf::ctl
