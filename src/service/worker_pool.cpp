// SPDX-License-Identifier: MIT
#include "service/worker_pool.hpp"

#include <utility>

namespace ebpf::service {

WorkerPool::WorkerPool(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
        threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
}

WorkerPool::~WorkerPool() {
    for (auto& thread : threads_) thread.request_stop();
    threads_.clear();
}

void WorkerPool::add(std::function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
}

std::size_t WorkerPool::waiting() {
    const std::lock_guard lock(mutex_);
    return jobs_.size();
}

void WorkerPool::work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !jobs_.empty(); }) && !stop.stop_requested()) {
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job();
        job = nullptr;
        lock.lock();
    }
}

}  // namespace ebpf::service
