// SPDX-License-Identifier: MIT
// The programs at a socket hook, and one run of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>

#include "ebpf/hook_provider.h"
#include "hooks/socket/linux/target.hpp"

namespace ebpf::hooks::socket {

/// What attach() makes: the programs of an attach point, which the runtime keeps in order and combines.
struct Attachment {
    const ebpf_hook_dispatch* dispatch = nullptr;
    void* point = nullptr;
    std::uint64_t serial = 0;                ///< another one for each
    std::atomic<std::uint64_t> calls = 0;    ///< of the programs
    std::atomic<std::uint64_t> denials = 0;  ///< of those, how many they refused
    std::atomic<std::uint64_t> changes = 0;  ///< of those, after how many the address was another
};

inline void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
}

/// For whom a program runs, as it is told.
ebpf_task as_told(const Task& task);

/// Runs the programs once for `task` and counts the call. Returns their combined r0, or -ENOMEM.
std::int64_t run_once(Attachment& attachment, const ebpf_task& task, void* context);

/// Where the programs of one context are attached. Threads: any.
class Place {
  public:
    /// Returns nullptr if programs are attached. Throws bad_alloc.
    Attachment* add(const ebpf_hook_dispatch& dispatch, void* point);
    /// When it returns, no program runs or will.
    void remove(const Attachment* attachment);
    [[nodiscard]] bool is_empty() const;

  protected:
    /// Keeps what is attached, if it is anything, for as long as the object lives.
    class Use {
      public:
        explicit Use(const Place& place) : guard_(place.mutex_), attachment_(place.attachment_.get()) {}
        explicit operator bool() const { return attachment_ != nullptr; }
        Attachment& operator*() const { return *attachment_; }
        Attachment* operator->() const { return attachment_; }

      private:
        std::shared_lock<std::shared_mutex> guard_;
        Attachment* attachment_;
    };

  private:
    mutable std::shared_mutex mutex_;  // shared by those that run programs, so that remove() waits for them
    std::unique_ptr<Attachment> attachment_;
};

}  // namespace ebpf::hooks::socket
