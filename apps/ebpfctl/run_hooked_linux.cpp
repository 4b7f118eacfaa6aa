// SPDX-License-Identifier: MIT
// Signals, child processes and the hooks of src/hooks/socket.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <list>
#include <optional>
#include <sstream>

#include "base/try.hpp"
#include "client/load_object.hpp"
#include "client/local_backend.hpp"
#include "hooks/socket/hooks.hpp"
#include "run_command.hpp"
#include "spec/programs.hpp"

namespace ebpf::ctl {
namespace {

using client::Client;
using client::Handle;
using spec::AttachType;

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

/// A file of programs, loaded once, so that its programs share their maps.
struct File {
    std::string path;
    object::ObjectSpec object;
    std::vector<const object::ProgramSpec*> programs;
    client::LoadedObject loaded;
};

/// A program at a hook.
struct Wanted {
    const File* file = nullptr;
    const object::ProgramSpec* program = nullptr;
};

bool is_of_hook(const object::ProgramSpec& program, const std::string& hook) {
    if (program.type != spec::ProgramType::CgroupSockAddr) return false;
    const auto type = static_cast<AttachType>(program.attach_type);
    const bool is_bind = type == AttachType::Inet4Bind || type == AttachType::Inet6Bind;
    const bool is_connect = type == AttachType::Inet4Connect || type == AttachType::Inet6Connect;
    return hook == "bind" ? is_bind : is_connect;
}

class HookedPrograms {
  public:
    Result<void> choose(const HookPrograms& hook) {
        for (const Selector& selector : hook.programs) EBPF_TRY_VOID(choose(hook.hook, selector));
        return {};
    }
    Result<void> load(Client& client, spec::Engine engine) {
        for (File& file : files_) {
            EBPF_TRY(file.loaded,
                     client::load_object(client, file.object, file.programs, {.engine = engine}));
            for (const auto& program : file.loaded.programs) {
                if (program.offered.program.is_empty())
                    return std::unexpected(rejection(program.spec->name, program.offered.report));
            }
        }
        return {};
    }
    /// Stores an element: "NAME key DATA value DATA", in the first file that has the map.
    Result<void> update(Client& client, const std::string& text) {
        std::istringstream stream(text);
        Words words({std::istream_iterator<std::string>(stream), {}});
        EBPF_TRY(const auto name, words.word("NAME of the map"));
        const Handle* map = nullptr;
        for (const File& file : files_) {
            for (std::size_t i = 0; map == nullptr && i < file.object.maps.size(); ++i) {
                if (file.object.maps[i].name == name) map = &file.loaded.maps[i];
            }
        }
        if (map == nullptr)
            return fail(Status::NotFound, fmt::format("no map of the programs is called '{}'", name));
        EBPF_TRY(const auto info, client.map_info(*map));
        EBPF_TRY_VOID(words.expect("key"));
        EBPF_TRY(const auto key, words.data("key", info.key_size));
        EBPF_TRY_VOID(words.expect("value"));
        EBPF_TRY(const auto value, words.data("value", info.value_size));
        EBPF_TRY_VOID(words.finish());
        return client.update(*map, key, value, spec::kUpdateAny);
    }
    /// In the order of the command line.
    Result<void> attach(Client& client) {
        for (const Wanted& wanted : wanted_) {
            EBPF_TRY(auto link,
                     client.create_link(
                         handle_of(wanted),
                         {.attach_type = wanted.program->attach_type, .interface = {}, .flags = 0}));
            links_.push_back(std::move(link));
        }
        return {};
    }

  private:
    Result<File*> file_of(const std::string& path) {
        for (File& file : files_) {
            if (file.path == path) return &file;
        }
        EBPF_TRY(auto object, read_object(path));
        return &files_.emplace_back(File{path, std::move(object), {}, {}});
    }

    Result<void> choose(const std::string& hook, const Selector& selector) {
        if (selector.by != Selector::By::File)
            return fail(Status::NotSupported,
                        "run takes programs of a FILE.o only; those of a daemon come later");
        EBPF_TRY(File * file, file_of(selector.text));
        if (!selector.program.empty()) {
            EBPF_TRY(const auto* program, client::find_program(file->object, selector.program));
            if (!is_of_hook(*program, hook)) {
                return fail(Status::WrongKind,
                            fmt::format("{}: program '{}' of section '{}' is no {} program", file->path,
                                        program->name, program->section, hook));
            }
            add(*file, *program);
            return {};
        }
        bool has_any = false;
        for (const auto& program : file->object.programs) {
            if (!is_of_hook(program, hook)) continue;
            add(*file, program);
            has_any = true;
        }
        if (has_any) return {};
        return fail(Status::NotFound,
                    fmt::format("{}: there are no {} programs (sections cgroup/{}4, cgroup/{}6)", file->path,
                                hook, hook, hook));
    }

    void add(File& file, const object::ProgramSpec& program) {
        if (std::ranges::find(file.programs, &program) == file.programs.end())
            file.programs.push_back(&program);
        wanted_.push_back({&file, &program});
    }

    static const Handle& handle_of(const Wanted& wanted) {
        const auto& loaded = wanted.file->loaded.programs;
        return std::ranges::find(loaded, wanted.program, &client::LoadedProgram::spec)->offered.program;
    }

    std::list<File> files_;  // Wanted points into it
    std::vector<Wanted> wanted_;
    std::vector<Handle> links_;
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

}  // namespace

Result<CommandEnded> run_hooked(const Options& options, std::span<const HookPrograms> hooks,
                                const std::vector<std::string>& command) {
    if (!options.context.empty() && options.context != "inproc")
        return fail(Status::NotSupported,
                    "run has programs in its own process; those of a daemon come later");
    EBPF_TRY(const spec::Engine engine, chosen_engine(options));
    const HeldSignals signals;  // before there are threads, so that all hold them
    hooks::socket::SocketHooks socket_hooks;
    EBPF_TRY(const auto backend, client::LocalBackend::create({.groups = options.groups}));
    for (const ebpf_hook_provider* provider : socket_hooks.providers()) {
        const Status status = backend->service().context().register_provider(provider);
        if (status != Status::Ok) return fail(status, fmt::format("hook {}", provider->name));
    }
    Client client(*backend);
    HookedPrograms programs;  // holds handles of the backend's
    for (const HookPrograms& hook : hooks) EBPF_TRY_VOID(programs.choose(hook));
    EBPF_TRY_VOID(programs.load(client, engine));
    for (const std::string& text : options.map_updates) {
        if (auto updated = programs.update(client, text); !updated)
            return std::unexpected(std::move(updated).error().in(fmt::format("--map-update '{}'", text)));
    }
    EBPF_TRY_VOID(programs.attach(client));

    // Descendants that lose their parents become ours, so that they remain ours to look into where only
    // ancestors may.
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    const auto started = socket_hooks.start({command}, signals.unblocked());
    if (started.pid == 0) return CommandEnded{exit_code(started.failure), started.error.message()};
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // the command, of the same user, must not trace its supervisor
    return CommandEnded{wait_for(started.pid, signals.set()), {}};
}

}  // namespace ebpf::ctl
