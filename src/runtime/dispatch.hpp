// SPDX-License-Identifier: MIT
// Dispatch: invocations, from hooks through the C ABI and from requests. Private to src/runtime.
#pragma once

#include <cstdint>
#include <span>

#include "ebpf/hook_provider.h"
#include "epoch/epoch.hpp"
#include "runtime/state.hpp"

/// A hook's thread, as the C ABI names it.
struct ebpf_hook_thread : ebpf::runtime::InvokingThread {};

namespace ebpf::runtime {

/// The functions behind ebpf_hook_dispatch. Threads: see hook_provider.h.
class Dispatch {
  public:
    /// The table for links of programs of `type`.
    static const ebpf_hook_dispatch& table(spec::ProgramType type) noexcept;

    static StatusOr<ebpf_hook_thread*> enter_thread(State& state) noexcept;
    static void begin(InvokingThread& thread) noexcept;
    /// The same with a slot that was leased for it.
    static void begin(InvokingThread& thread, epoch::Slot slot) noexcept;
    static void end(InvokingThread& thread) noexcept;
    /// Runs `program` on a context structure. Requires: between begin() and end().
    static std::uint64_t run(const ProgramObject& program, InvokingThread& thread, void* context) noexcept;
    /// Runs a program of type Memory. Requires: between begin() and end(); length is what it was verified
    /// for.
    static std::uint64_t run_memory(const ProgramObject& program, InvokingThread& thread, void* data,
                                    std::uint64_t length) noexcept;
    /// The same for each of contexts and results, which have one length.
    static void run_all(const ProgramObject& program, InvokingThread& thread, std::span<void* const> contexts,
                        std::uint64_t* results) noexcept;
    static void run_memory_all(const ProgramObject& program, InvokingThread& thread,
                               std::span<void* const> data, std::uint64_t length,
                               std::uint64_t* results) noexcept;

  private:
    struct Plain;
    struct OnMemory;

    static int thread_enter(void* point, ebpf_hook_thread** thread) noexcept;
    static void thread_leave(ebpf_hook_thread* thread) noexcept;
    static void run_for(ebpf_hook_thread* thread, const ebpf_task* task) noexcept;
    /// Runs the program of one link of `point`, counting it.
    template <typename Way>
    static std::uint64_t run_link(const AttachPoint& point, const LinkObject& link, ebpf_hook_thread& thread,
                                  void* context) noexcept;
    /// Runs the programs of `link` and of those behind it, as they combine at `point`.
    template <typename Way>
    static std::uint64_t run_chain(const AttachPoint& point, const LinkObject* link, ebpf_hook_thread& thread,
                                   void* context) noexcept;
    template <typename Way>
    static std::uint64_t invoke(void* place, ebpf_hook_thread* thread, void* context) noexcept;
    template <typename Way>
    static void invoke_all(void* place, ebpf_hook_thread* thread, void* const* contexts,
                           std::uint64_t* results, std::size_t count) noexcept;
    template <typename Prepare>
    static void execute_all(const ProgramObject& program, InvokingThread& thread,
                            std::span<std::uint64_t> results, Prepare prepare) noexcept;
    static std::uint64_t execute(const ProgramObject& program, InvokingThread& thread) noexcept;
    static std::uint64_t execute_timed(const ProgramObject& program, InvokingThread& thread) noexcept;
};

}  // namespace ebpf::runtime
