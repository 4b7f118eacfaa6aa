// SPDX-License-Identifier: MIT
// Calls that may take long, connections above all, each on a thread of its own meanwhile.
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "hooks/socket/linux/address.hpp"
#include "hooks/socket/linux/notification.hpp"

namespace ebpf::hooks::socket {

/// A connect() that was decided.
struct Connection {
    std::uint64_t call = 0;
    int thread = 0;  ///< of the caller
    platform::Descriptor socket;
    Address address;
    platform::Descriptor folder;  ///< where a relative path starts, for sockets that have paths
};

/// Connects `connection`; waits as long as the kernel would let the caller wait. Returns what the caller
/// gets, 0 or a negative errno; nothing: the caller has gone, or `is_ending` was set. Requires: the thread
/// shares its working folder with no other (unshare_folder()) if there is a folder. The thread must be woken
/// with wake_signal() from time to time: it then looks whether the caller still waits or has a signal to
/// handle, which ends a connect() (EINTR) or starts it again, as if the kernel had been interrupted.
std::optional<int> connect_now(const Listener& listener, const Connection& connection,
                               const std::atomic<bool>& is_ending);

/// When a socket option, SO_SNDTIMEO or SO_RCVTIMEO, ends what begins now; nothing: never.
std::optional<std::chrono::steady_clock::time_point> deadline_of(const platform::Descriptor& socket,
                                                                 int option);

/// Gives the calling thread a working folder and umask of its own. False: it has none.
bool unshare_folder();

/// What a thread of the pool lets a call do.
struct Turn {
    const Listener& listener;
    const std::atomic<bool>& is_ending;  ///< becomes true when the call is to be given up
    bool has_folder;                     ///< the thread's working folder is its own
};
/// Carries a call out on a thread that is woken from time to time, as connect_now() says. Returns what the
/// caller gets, a negative errno or a result; nothing: the caller has gone, or is_ending.
using WaitingCall = std::move_only_function<std::optional<int>(const Turn&)>;

/// After a system call for the caller was interrupted: whether to begin it again. Otherwise `result` is what
/// ends the call: the caller has a signal to handle; or nothing: the caller has gone, or is_ending.
bool goes_on(std::uint64_t call, int thread, const Turn& turn, std::optional<int>& result);

/// Threads that carry out calls; those that have nothing to do wait for the next one. Threads: any.
class ConnectPool {
  public:
    explicit ConnectPool(const Listener& listener) : listener_(&listener) {}
    /// Gives up connections under way, without an answer.
    ~ConnectPool();
    ConnectPool(const ConnectPool&) = delete;
    ConnectPool& operator=(const ConnectPool&) = delete;

    /// Starts to carry the call out; answers -EAGAIN when kMaxWorkers calls are under way.
    void start(std::uint64_t call, WaitingCall what);
    void start(Connection connection);

    static constexpr std::size_t kMaxWorkers = 512;

  private:
    struct Worker {
        std::thread thread;
        std::uint64_t call = 0;
        WaitingCall what;  ///< given, not yet begun
        bool is_busy = false;
    };

    void work(Worker& worker);
    void wake_workers();

    const Listener* listener_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Worker> workers_;
    std::size_t busy_ = 0;
    std::atomic<bool> is_ending_ = false;
    std::thread waker_;
};

}  // namespace ebpf::hooks::socket
