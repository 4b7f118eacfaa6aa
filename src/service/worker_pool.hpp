// SPDX-License-Identifier: MIT
// WorkerPool: a few threads for what must not hold up others.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace ebpf::service {

/// Runs jobs in the order in which they come, several at a time. Threads: any.
class WorkerPool {
  public:
    explicit WorkerPool(unsigned threads);
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    /// Drops waiting jobs and waits for running ones.
    ~WorkerPool();

    /// `job` must not throw.
    void add(std::function<void()> job);
    /// Number of jobs that nobody has begun.
    [[nodiscard]] std::size_t waiting();

  private:
    void work(const std::stop_token& stop);

    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<std::function<void()>> jobs_;  // guarded by mutex_
    std::vector<std::jthread> threads_;       // last: they use the members above
};

}  // namespace ebpf::service
