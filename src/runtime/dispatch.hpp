// SPDX-License-Identifier: MIT
// Dispatch: invocations, from hooks through the C ABI and from requests. Private to src/runtime.
#pragma once

#include <cstdint>

#include "ebpf/hook_provider.h"
#include "epoch/epoch.hpp"
#include "runtime/state.hpp"

/// A thread that invokes programs: the context it invokes for, its slot while in a batch, and an Invocation
/// whose constant part is filled in once.
struct ebpf_hook_thread {
    ebpf::runtime::State* state;
    ebpf::epoch::Slot slot;
    ebpf::engine::Invocation invocation;
};

namespace ebpf::runtime {

/// The functions behind ebpf_hook_dispatch. Threads: see hook_provider.h.
class Dispatch {
  public:
    /// The table for links of programs of `type`.
    static const ebpf_hook_dispatch& table(spec::ProgramType type) noexcept;

    static void begin(ebpf_hook_thread& thread) noexcept;
    /// The same with a slot that was leased for it.
    static void begin(ebpf_hook_thread& thread, epoch::Slot slot) noexcept;
    static void end(ebpf_hook_thread& thread) noexcept;
    /// Runs `program` on a context structure. Requires: between begin() and end().
    static std::uint64_t run(const ProgramObject& program, ebpf_hook_thread& thread, void* context) noexcept;
    /// Runs a program of type Memory. Requires: between begin() and end(); length is what it was verified
    /// for.
    static std::uint64_t run_memory(const ProgramObject& program, ebpf_hook_thread& thread, void* data,
                                    std::uint64_t length) noexcept;

  private:
    static int thread_enter(void* link, ebpf_hook_thread** thread) noexcept;
    static void thread_leave(ebpf_hook_thread* thread) noexcept;
    static std::uint64_t invoke(void* link, ebpf_hook_thread* thread, void* context) noexcept;
    static std::uint64_t invoke_memory(void* link, ebpf_hook_thread* thread, void* context) noexcept;
    static std::uint64_t execute(const ProgramObject& program, ebpf_hook_thread& thread) noexcept;
    static std::uint64_t execute_timed(const ProgramObject& program, ebpf_hook_thread& thread) noexcept;
};

}  // namespace ebpf::runtime
