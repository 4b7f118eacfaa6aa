// SPDX-License-Identifier: MIT
#include "platform/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/try.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::platform {
namespace {

std::unexpected<Error> refused(std::string_view what, int number) {
    const Status status = number == ENOENT || number == ENOTDIR ? Status::NotFound
                          : number == EACCES || number == EPERM ? Status::AccessDenied
                                                                : Status::Environment;
    return fail(status, fmt::format("{}: {}", what, std::strerror(number)));
}

/// Starts a program with the standard streams of a tool that reads nothing and prints to one file.
Result<pid_t> start(const std::vector<std::string>& arguments, const Descriptor& output) {
    std::vector<char*> words;
    for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output.number(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output.number(), STDERR_FILENO);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid = -1;
    const int code = posix_spawnp(&pid, words[0], &actions, &attributes, words.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (code != 0) return refused(arguments[0], code);
    return pid;
}

std::string read_output(const Descriptor& output) {
    std::string text(kMaxOutputBytes, '\0');
    const ssize_t got = pread(output.number(), text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
}

}  // namespace

Result<Ended> run_program(const std::vector<std::string>& arguments, const std::string& output_file) {
    const Descriptor output(open(output_file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!output.is_open()) return refused(output_file, errno);
    EBPF_TRY(const pid_t pid, start(arguments, output));
    int state = 0;
    while (waitpid(pid, &state, 0) < 0) {
        if (errno != EINTR) return refused("waitpid", errno);
    }
    if (WIFSIGNALED(state))
        return fail(Status::Environment,
                    fmt::format("{} was ended by signal {}", arguments[0], WTERMSIG(state)));
    return Ended{WEXITSTATUS(state), read_output(output)};
}

struct TemporaryFolder::State {
    sigset_t mask_before;
};

Result<TemporaryFolder> TemporaryFolder::create() {
    const char* parent = std::getenv("TMPDIR");
    std::string path = fmt::format("{}/ebpf-XXXXXX", parent == nullptr || *parent == '\0' ? "/tmp" : parent);
    auto* state = new State;
    sigset_t endings;
    sigemptyset(&endings);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&endings, signal);
    pthread_sigmask(SIG_BLOCK, &endings, &state->mask_before);
    if (mkdtemp(path.data()) != nullptr) return TemporaryFolder(std::move(path), state);
    const int number = errno;
    pthread_sigmask(SIG_SETMASK, &state->mask_before, nullptr);
    delete state;
    return refused(path, number);
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept
    : path_(std::move(other.path_)), state_(std::exchange(other.state_, nullptr)) {}

TemporaryFolder::~TemporaryFolder() {
    if (state_ == nullptr) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    pthread_sigmask(SIG_SETMASK, &state_->mask_before, nullptr);
    delete state_;
}

Result<void> write_file(const std::string& path, std::string_view bytes) {
    // A device or pipe is written to, not replaced.
    struct stat about{};
    const bool is_special = stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode);
    const std::string target = is_special ? path : fmt::format("{}.{}.new", path, getpid());
    const Descriptor file(open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!file.is_open()) return refused(path, errno);
    while (!bytes.empty()) {
        const ssize_t done = write(file.number(), bytes.data(), bytes.size());
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            const int number = errno;
            if (!is_special) unlink(target.c_str());
            return refused(path, number);
        }
        bytes.remove_prefix(static_cast<std::size_t>(done));
    }
    if (is_special || rename(target.c_str(), path.c_str()) == 0) return {};
    const int number = errno;
    unlink(target.c_str());
    return refused(path, number);
}

}  // namespace ebpf::platform
