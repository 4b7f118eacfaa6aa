// SPDX-License-Identifier: MIT
#include "platform/fake/fake.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <thread>

#include "base/allocate.hpp"
#include "platform/clock.hpp"
#include "platform/cpu.hpp"
#include "platform/event.hpp"
#include "platform/executable.hpp"
#include "platform/pages.hpp"
#include "platform/random.hpp"
#include "platform/task.hpp"
#include "platform/trap.hpp"

namespace ebpf {
namespace {

struct Block {
    std::size_t bytes;
    std::size_t alignment;
    bool is_sealed = false;
};

/// The fake host: process-wide as a host is.
struct Host {
    std::mutex mutex;
    std::map<void*, Block> blocks;
    std::uint64_t in_use_bytes = 0;
    std::uint64_t until_failure = 0;
    bool has_failed = false;
    std::atomic<std::uint64_t> time{1'000'000};
    std::atomic<bool> does_random_fail{false};
    std::atomic<bool> does_executable_fail{false};
    std::atomic<unsigned> next_random{1};
};

Host& host() {
    static Host instance;
    return instance;
}

void* take(std::size_t bytes, std::size_t alignment) noexcept {
    Host& self = host();
    const std::lock_guard guard(self.mutex);
    if (self.until_failure != 0) {
        --self.until_failure;
        self.has_failed = self.until_failure == 0;
        if (self.has_failed) return nullptr;
    }
    void* memory = ::operator new(bytes == 0 ? 1 : bytes, std::align_val_t{alignment}, std::nothrow);
    if (memory == nullptr) return nullptr;
    std::memset(memory, 0, bytes);
    self.blocks[memory] = {bytes, alignment, false};
    self.in_use_bytes += bytes;
    return memory;
}

void give_back(void* memory, std::size_t bytes, std::size_t alignment) noexcept {
    if (memory == nullptr) return;
    Host& self = host();
    const std::lock_guard guard(self.mutex);
    const auto block = self.blocks.find(memory);
    if (block == self.blocks.end() || block->second.bytes != bytes || block->second.alignment != alignment) {
        std::fprintf(stderr, "release(%p, %zu, %zu) of memory that was not allocated so\n", memory, bytes,
                     alignment);
        std::abort();
    }
    self.blocks.erase(block);
    self.in_use_bytes -= bytes;
    std::memset(memory, 0xdd, bytes);  // so that use after release shows
    ::operator delete(memory, std::align_val_t{alignment});
}

}  // namespace

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    return take(bytes, alignment);
}

void release(void* memory, std::size_t bytes, std::size_t alignment) noexcept {
    give_back(memory, bytes, alignment);
}

namespace platform {

void* allocate_pages(std::size_t bytes) noexcept {
    return take(bytes, kPageBytes);
}
void release_pages(void* memory, std::size_t bytes) noexcept {
    give_back(memory, bytes, kPageBytes);
}

void* allocate_ring_pages(std::size_t front_bytes, std::size_t ring_bytes) noexcept {
    return allocate_pages(front_bytes + 2 * ring_bytes);
}
void release_ring_pages(void* memory, std::size_t front_bytes, std::size_t ring_bytes) noexcept {
    release_pages(memory, front_bytes + 2 * ring_bytes);
}

struct Event {
    std::mutex mutex;
    std::condition_variable changed;
    bool is_signalled = false;
};

Event* create_event() noexcept {
    void* memory = take(sizeof(Event), alignof(Event));
    return memory == nullptr ? nullptr : ::new (memory) Event;
}

void destroy_event(Event* event) noexcept {
    if (event == nullptr) return;
    event->~Event();
    give_back(event, sizeof(Event), alignof(Event));
}

void signal_event(Event& event) noexcept {
    const std::lock_guard guard(event.mutex);
    event.is_signalled = true;
    event.changed.notify_one();
}

// Waits in real time.
bool wait_for_event(Event& event, std::uint64_t timeout_ns) noexcept {
    std::unique_lock guard(event.mutex);
    const bool was_signalled = event.changed.wait_for(guard, std::chrono::nanoseconds(timeout_ns),
                                                      [&event] { return event.is_signalled; });
    event.is_signalled = false;
    return was_signalled;
}

std::uint64_t thread_ids() noexcept {
    return std::uint64_t{1000} << 32U | 1001U;
}

std::uint64_t user_ids() noexcept {
    return std::uint64_t{100} << 32U | 101U;
}

void thread_name(std::span<char> name) noexcept {
    std::ranges::fill(name, '\0');
    name[0] = name.size() > 1 ? 'f' : '\0';
}

std::size_t executable_bytes(std::size_t bytes) noexcept {
    return code_page_bytes(bytes);
}

StatusOr<std::byte*> allocate_executable(std::size_t bytes) noexcept {
    const std::size_t size = code_page_bytes(bytes);
    void* memory = size == 0 ? nullptr : take(size, kPageBytes);
    if (memory == nullptr) return std::unexpected(Status::OutOfMemory);
    fill_with_traps(memory, size);
    return static_cast<std::byte*>(memory);
}

Status seal_executable(std::byte* code, std::size_t bytes) noexcept {
    if (host().does_executable_fail.load()) return Status::NoPermission;
    const std::lock_guard guard(host().mutex);
    const auto block = host().blocks.find(code);
    if (block == host().blocks.end() || block->second.bytes != code_page_bytes(bytes)) {
        std::fprintf(stderr, "seal_executable(%p, %zu) of memory that was not allocated so\n",
                     static_cast<void*>(code), bytes);
        std::abort();
    }
    block->second.is_sealed = true;
    return Status::Ok;
}

void release_executable(std::byte* code, std::size_t bytes) noexcept {
    give_back(code, code_page_bytes(bytes), kPageBytes);
}

std::uint64_t monotonic_ns() noexcept {
    return host().time.load();
}
std::uint64_t realtime_ns() noexcept {
    return host().time.load();
}

std::uint32_t possible_cpus() noexcept {
    return fake::kCpus;
}
bool prepare_fence_all_threads() noexcept {
    return false;
}

bool fence_all_threads() noexcept {
    return false;
}

void yield() noexcept {
    std::this_thread::yield();
}

bool fill_random(std::span<std::byte> bytes) noexcept {
    if (host().does_random_fail.load()) return false;
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(host().next_random.fetch_add(1) & 0xffU);
    return true;
}

namespace fake {

Usage usage() {
    const std::lock_guard guard(host().mutex);
    return {host().blocks.size(), host().in_use_bytes};
}

void fail_allocation(std::uint64_t nth) {
    const std::lock_guard guard(host().mutex);
    host().until_failure = nth;
    host().has_failed = false;
}

bool has_failed() {
    const std::lock_guard guard(host().mutex);
    return host().has_failed;
}

void fail_random(bool fails) {
    host().does_random_fail.store(fails);
}

void fail_executable(bool fails) {
    host().does_executable_fail.store(fails);
}

bool is_sealed(const void* code) {
    const std::lock_guard guard(host().mutex);
    const auto block = host().blocks.find(const_cast<void*>(code));
    return block != host().blocks.end() && block->second.is_sealed;
}

void set_time(std::uint64_t ns) {
    host().time.store(ns);
}

}  // namespace fake
}  // namespace platform
}  // namespace ebpf
