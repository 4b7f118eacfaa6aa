// SPDX-License-Identifier: MIT
#include "keeper.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "base/try.hpp"
#include "platform/linux/descriptor.hpp"
#include "protocol/frame.hpp"

namespace ebpf::ctl {
namespace {

using platform::Descriptor;

// Of the keeper, see apps/ebpf_keeper/main.cpp.
constexpr int kListener = 3;
constexpr int kRequest = 4;
constexpr int kAnswer = 5;
constexpr int kFirstUnused = 6;
constexpr int kAboveKeeper = 16;

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

class SpawnPlan {
  public:
    SpawnPlan() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    /// Standard streams lead nowhere but for errors, which nobody may be there to read.
    void open(int listener, int request, int answer) {
        posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDWR, 0);
        posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_RDWR, 0);
        posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_RDWR, 0);
        posix_spawn_file_actions_adddup2(&actions_, listener, kListener);
        posix_spawn_file_actions_adddup2(&actions_, request, kRequest);
        posix_spawn_file_actions_adddup2(&actions_, answer, kAnswer);
        posix_spawn_file_actions_addclosefrom_np(&actions_, kFirstUnused);
    }
    /// Returns an errno.
    int start(const std::vector<std::string>& words) {
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setflags(&attributes_,
                                 static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK));
        std::vector<char*> arguments;
        for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        char* environment[] = {nullptr};
        pid_t pid = -1;
        return posix_spawn(&pid, words.front().c_str(), &actions_, &attributes_, arguments.data(),
                           environment);
    }

  private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

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
        return fail(Status::Environment, "the keeper ended at its start");
    const std::span whole(frame);
    EBPF_TRY(const auto header, protocol::decode_header(whole.first<protocol::kHeaderBytes>()));
    EBPF_TRY(const auto reply, protocol::reply_of_frame(header, whole.subspan(protocol::kHeaderBytes)));
    const auto* taken = std::get_if<protocol::TreeHookReply>(&reply);
    if (taken == nullptr) return fail(Status::Malformed, "the daemon answered another operation");
    return taken->tree;
}

}  // namespace

Result<std::uint32_t> start_keeper(const std::string& socket, const protocol::TreeHookRequest& request,
                                   int listener, KeeperRules rules) {
    EBPF_TRY(const auto frame, framed(request));
    EBPF_TRY(const auto path, keeper_path());
    EBPF_TRY(const Descriptor memory, in_memory(frame));
    EBPF_TRY(const Descriptor own_listener, high_copy(listener));
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return refused("socketpair", errno);
    const Descriptor ours(ends[0]);
    Descriptor theirs(ends[1]);
    EBPF_TRY(Descriptor own_answer, high_copy(theirs.number()));
    theirs.reset();
    SpawnPlan plan;
    plan.open(own_listener.number(), memory.number(), own_answer.number());
    const int error = plan.start(
        {path, socket, rules.is_open ? "open" : "closed", rules.may_offer_again ? "again" : "once", "end"});
    if (error != 0) return refused(path, error);
    own_answer.reset();
    return read_answer(ours);
}

}  // namespace ebpf::ctl
