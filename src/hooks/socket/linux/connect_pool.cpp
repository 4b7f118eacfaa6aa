// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/connect_pool.hpp"

#include <sched.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

#include "hooks/socket/linux/target.hpp"

namespace ebpf::hooks::socket {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::chrono::milliseconds kWakeEvery{20};
// What an interrupted system call of the kernel returns inside: the caller gets EINTR, or calls again, as the
// handler of its signal says. Source: Linux include/linux/errno.h.
constexpr int kRestart = 512;

int wake_signal() {
    return SIGRTMIN + 7;
}

void install_wake_signal() {
    struct sigaction action{};
    action.sa_handler = [](int) {};  // without SA_RESTART: to interrupt is all it does
    sigaction(wake_signal(), &action, nullptr);
}

void set_wake_signal_blocked(bool is_blocked) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, wake_signal());
    pthread_sigmask(is_blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

std::optional<Clock::time_point> deadline_of(const platform::Descriptor& socket, int option) {
    timeval limit{};
    socklen_t size = sizeof limit;
    if (getsockopt(socket.number(), SOL_SOCKET, option, &limit, &size) != 0) return std::nullopt;
    if (limit.tv_sec == 0 && limit.tv_usec == 0) return std::nullopt;
    return Clock::now() + std::chrono::seconds(limit.tv_sec) + microseconds(limit.tv_usec);
}

bool goes_on(std::uint64_t call, int thread, const Turn& turn, std::optional<int>& result) {
    if (turn.is_ending.load() || !turn.listener.is_waiting(call)) return false;
    const auto status = read_status(thread);
    if (status && status->deliverable_signals != 0) result = -kRestart;
    return !result;
}

std::optional<int> connect_now(const Listener& listener, const Connection& connection,
                               const std::atomic<bool>& is_ending) {
    if (connection.folder.is_open() && fchdir(connection.folder.number()) != 0) return -errno;
    const auto deadline = deadline_of(connection.socket, SO_SNDTIMEO);
    const auto* address = reinterpret_cast<const sockaddr*>(&connection.address.bytes);
    // Connecting again goes on waiting for the same connection.
    const Turn turn{listener, is_ending, true};
    while (connect(connection.socket.number(), address, connection.address.length) != 0) {
        if (errno != EINTR) return -errno;
        std::optional<int> result;
        if (!goes_on(connection.call, connection.thread, turn, result)) return result;
        if (deadline && Clock::now() >= *deadline) return -EINPROGRESS;
    }
    return 0;
}

void ConnectPool::start(Connection connection) {
    const std::uint64_t call = connection.call;
    start(call, [connection = std::move(connection)](const Turn& turn) -> std::optional<int> {
        if (connection.folder.is_open() && !turn.has_folder) return -EPERM;
        return connect_now(turn.listener, connection, turn.is_ending);
    });
}

void ConnectPool::start(std::uint64_t call, WaitingCall what) {
    std::unique_lock lock(mutex_);
    for (Worker& worker : workers_) {
        if (worker.is_busy) continue;
        worker.is_busy = true;
        ++busy_;
        worker.call = call;
        worker.what = std::move(what);
        lock.unlock();
        changed_.notify_all();
        return;
    }
    if (workers_.size() >= kMaxWorkers) {
        listener_->answer(call, -EAGAIN);
        return;
    }
    try {
        if (!waker_.joinable()) {
            install_wake_signal();
            waker_ = std::thread([this] { wake_workers(); });
        }
        Worker& worker = workers_.emplace_back();
        worker.is_busy = true;
        ++busy_;
        worker.call = call;
        worker.what = std::move(what);
        worker.thread = std::thread([this, &worker] { work(worker); });
    } catch (const std::system_error&) {
        if (!workers_.empty() && !workers_.back().thread.joinable()) {
            workers_.pop_back();
            --busy_;
        }
        listener_->answer(call, -EAGAIN);
        return;
    }
    changed_.notify_all();
}

bool unshare_folder() {
    return unshare(CLONE_FS) == 0;
}

void ConnectPool::work(Worker& worker) {
    const bool has_folder = unshare_folder();
    set_wake_signal_blocked(false);
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return is_ending_ || worker.what; });
        if (is_ending_) {
            if (worker.is_busy) --busy_;
            return;
        }
        WaitingCall what = std::exchange(worker.what, nullptr);
        lock.unlock();
        const std::optional<int> result = what({*listener_, is_ending_, has_folder});
        what = nullptr;  // and with it the socket, before the caller goes on
        if (result) listener_->answer(worker.call, *result);
        lock.lock();
        worker.is_busy = false;
        --busy_;
    }
}

void ConnectPool::wake_workers() {
    set_wake_signal_blocked(true);
    std::unique_lock lock(mutex_);
    while (!is_ending_ || busy_ != 0) {
        changed_.wait(lock, [&] { return is_ending_ || busy_ != 0; });
        changed_.wait_for(lock, kWakeEvery, [&] { return is_ending_ && busy_ == 0; });
        for (Worker& worker : workers_) {
            if (worker.is_busy) pthread_kill(worker.thread.native_handle(), wake_signal());
        }
    }
}

ConnectPool::~ConnectPool() {
    {
        const std::lock_guard guard(mutex_);
        is_ending_ = true;
    }
    changed_.notify_all();
    for (Worker& worker : workers_) worker.thread.join();
    if (waker_.joinable()) waker_.join();
}

}  // namespace ebpf::hooks::socket
