// SPDX-License-Identifier: MIT
// EventLoop: who is waiting for what, by key. The one thread that talks to clients.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "platform/linux/descriptor.hpp"
#include "service/linux/connection.hpp"
#include "service/linux/handle_table.hpp"
#include "service/linux/listener.hpp"
#include "service/service.hpp"
#include "service/worker_pool.hpp"

namespace ebpf::service {

/// Serves clients of one Service.
/// Invariants: a connection that is busy is read no further, so each has at most one request under way, and
/// stays until that is answered, also when the client hangs up: connections bound what waits for workers;
/// handles and connections are touched by the loop's thread only; workers hand results over through
/// `completions_`. Threads: run() on one; nothing else from outside.
class EventLoop {
  public:
    /// Errors: Environment.
    static Result<std::unique_ptr<EventLoop>> create(Service& service, Listener& listener, int signals,
                                                     int trace);
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    /// Closes all connections and handles, waits for workers.
    ~EventLoop();

    /// Returns after a signal. Errors: Environment.
    Result<void> run();

  private:
    using Key = HandleTable::Key;

    /// What a worker came to.
    struct Completion {
        Key connection = 0;
        std::uint32_t operation = 0;
        Result<Answer> answer;
    };

    EventLoop(Service& service, Listener& listener, int signals, int trace)
        : service_(service), listener_(listener), signals_(signals), trace_(trace) {}

    Result<void> watch(int descriptor, Key key, std::uint32_t events);
    void set_interest(Key key, const Connection& connection);
    void handle_event(Key key, std::uint32_t events);
    /// Does something for a connection, which is lost if it takes more memory than there is.
    template <typename Step>
    void with_memory(Key key, const Step& step);
    void accept_clients();
    void welcome(Key key, Accepted accepted);
    void serve(Key key, Connection& connection);
    void start(Key key, Connection& connection, Incoming incoming);
    void reply(Key key, Connection& connection, std::uint32_t operation, Result<Answer> answer);
    void refuse(Key key, Connection& connection, std::uint32_t operation, const Error& error);
    void send(Key key, Connection& connection, std::vector<std::byte> frame,
              std::vector<platform::Descriptor> descriptors);
    Result<std::vector<platform::Descriptor>> make_handles(Key owner, std::vector<ObjectRef> objects);
    void collect_completions();
    void release_later(std::vector<ObjectRef> objects);
    void show_trace() const;

    Service& service_;
    Listener& listener_;
    int signals_;
    int trace_;
    bool is_ending_ = false;
    Key next_key_ = 16;
    platform::Descriptor epoll_;
    platform::Descriptor wake_;  // eventfd
    std::unordered_map<Key, Connection> connections_;
    HandleTable handles_;
    std::mutex mutex_;
    std::deque<Completion> completions_;   // guarded by mutex_
    std::unique_ptr<WorkerPool> workers_;  // for Pace::Slow
    std::unique_ptr<WorkerPool> waiters_;  // for Pace::Waits
};

}  // namespace ebpf::service
