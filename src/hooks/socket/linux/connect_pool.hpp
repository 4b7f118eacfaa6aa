// SPDX-License-Identifier: MIT
// Connections that may take long, each on a thread of its own meanwhile.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
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

/// Gives the calling thread a working folder and umask of its own. False: it has none.
bool unshare_folder();

/// Threads that connect; those that have nothing to do wait for the next one. Threads: any.
class ConnectPool {
  public:
    explicit ConnectPool(const Listener& listener) : listener_(&listener) {}
    /// Gives up connections under way, without an answer.
    ~ConnectPool();
    ConnectPool(const ConnectPool&) = delete;
    ConnectPool& operator=(const ConnectPool&) = delete;

    /// Starts to connect; answers -EAGAIN when kMaxWorkers connections are under way.
    void start(Connection connection);

    static constexpr std::size_t kMaxWorkers = 512;

  private:
    struct Worker {
        std::thread thread;
        std::optional<Connection> connection;  ///< given, not yet begun
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
