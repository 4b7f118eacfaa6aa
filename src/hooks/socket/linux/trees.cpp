// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/trees.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/try.hpp"

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;

/// What the kernel itself calls such a file; nobody can give this name to a file of another kind.
bool is_listener(int descriptor) {
    std::array<char, 64> name{};
    const ssize_t size =
        readlink(fmt::format("/proc/self/fd/{}", descriptor).c_str(), name.data(), name.size());
    if (size <= 0 ||
        std::string_view(name.data(), static_cast<std::size_t>(size)) != "anon_inode:seccomp notify")
        return false;
    std::uint64_t no_call = 0;
    return ioctl(descriptor, SECCOMP_IOCTL_NOTIF_ID_VALID, &no_call) == 0 || errno == ENOENT;
}

/// That the tree is the offering user's is asked of one process here, and holds for each call: whoever asks
/// is our own user or root, and the kernel lets us take a caller's socket only if it is our own user's, or we
/// are root.
Result<void> check_process(const TreeOffer& offer) {
    const auto process = static_cast<int>(offer.process);
    const Descriptor opened(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
    struct stat about{};
    if (process <= 0 || !opened.is_open() || stat(fmt::format("/proc/{}", process).c_str(), &about) != 0)
        return fail(Status::NotFound, fmt::format("there is no process {}", offer.process));
    if (offer.uid != 0 && about.st_uid != offer.uid) {
        return fail(Status::NoPermission, fmt::format("process {} belongs to user {}, not to user {}",
                                                      process, about.st_uid, offer.uid));
    }
    const Descriptor any(static_cast<int>(syscall(SYS_pidfd_getfd, opened.number(), 0, 0)));
    if (!any.is_open() && errno == EPERM) {
        return fail(
            Status::NoPermission,
            fmt::format("process {} may not be looked into by this context's user (the kernel's rules of "
                        "tracing, or kernel.yama.ptrace_scope)",
                        process));
    }
    return {};
}

std::unexpected<Error> refused(const char* what) {
    return fail(Status::Environment, fmt::format("process tree: {}: {}", what, std::strerror(errno)));
}

}  // namespace

Result<std::uint32_t> Trees::add(const TreeOffer& offer) {
    if (!is_listener(offer.listener))
        return fail(Status::InvalidArgument, "the descriptor is no listener of a seccomp filter");
    EBPF_TRY_VOID(check_process(offer));
    auto tree = std::make_unique<Tree>();
    EBPF_TRY(auto ledger, Ledger::open(offer.ledger));
    tree->ledger.emplace(std::move(ledger));
    tree->listener.reset(fcntl(offer.listener, F_DUPFD_CLOEXEC, 0));
    if (!tree->listener.is_open()) return refused("dup");
    if (offer.is_closed) tree->points->close_when_left();
    // What is hooked may be of our own user: it must not trace who decides on it.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const std::lock_guard guard(mutex_);
    if (is_over_) return fail(Status::Environment, "this context is ending");
    trees_.emplace(++last_, std::move(tree));
    return last_;
}

std::shared_ptr<Points> Trees::points_of(std::uint32_t tree) {
    const std::lock_guard guard(mutex_);
    const auto found = trees_.find(tree);
    return found == trees_.end() ? nullptr : found->second->points;
}

Result<void> Trees::serve(std::uint32_t number, std::shared_ptr<void> held) {
    const std::lock_guard guard(mutex_);
    const auto found = trees_.find(number);
    if (found == trees_.end())
        return fail(Status::NotFound, fmt::format("there is no process tree {}", number));
    Tree& tree = *found->second;
    Descriptor own(fcntl(tree.listener.number(), F_DUPFD_CLOEXEC, 0));
    if (!own.is_open()) return refused("dup");
    try {
        if (!watcher_.joinable()) {
            changed_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
            if (!changed_.is_open()) return refused("eventfd");
            watcher_ = std::thread([this] { watch(); });
        }
        tree.supervisor.emplace(std::move(own), *tree.points, &*tree.ledger);
    } catch (const std::system_error& error) {
        return fail(Status::Environment, fmt::format("process tree: no thread: {}", error.code().message()));
    }
    tree.held = std::move(held);
    static_cast<void>(tree.points->asked().settle());
    static_cast<void>(eventfd_write(changed_.number(), 1));
    return {};
}

void Trees::drop(std::uint32_t tree) {
    std::unique_ptr<Tree> gone;  // outside the lock: detaching takes it
    const std::lock_guard guard(mutex_);
    const auto found = trees_.find(tree);
    if (found == trees_.end() || found->second->supervisor) return;
    gone = std::move(found->second);
    trees_.erase(found);
}

void Trees::drop_all() {
    Table gone;
    {
        const std::lock_guard guard(mutex_);
        is_over_ = true;
        gone.swap(trees_);
        if (watcher_.joinable()) static_cast<void>(eventfd_write(changed_.number(), 1));
    }
    if (watcher_.joinable()) watcher_.join();
    // All stop before the first program goes.
    for (auto& [number, tree] : gone) tree->supervisor.reset();
}

void Trees::watch() {
    while (wait_for_ends()) {
    }
}

std::optional<Trees::Table> Trees::wait_for_ends() {
    std::vector<pollfd> sources;
    std::vector<std::uint32_t> numbers;
    {
        const std::lock_guard guard(mutex_);
        if (is_over_) return std::nullopt;
        for (const auto& [number, tree] : trees_) {
            if (!tree->supervisor) continue;
            sources.push_back({tree->listener.number(), 0, 0});  // its end is told unasked
            numbers.push_back(number);
        }
    }
    sources.push_back({changed_.number(), POLLIN, 0});
    if (poll(sources.data(), sources.size(), -1) < 0) return Table{};
    eventfd_t count = 0;
    static_cast<void>(eventfd_read(changed_.number(), &count));
    Table ended;
    const std::lock_guard guard(mutex_);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (sources[i].revents == 0) continue;
        const auto found = trees_.find(numbers[i]);
        if (found == trees_.end()) continue;
        ended.insert(trees_.extract(found));
    }
    return ended;
}

}  // namespace ebpf::hooks::socket
