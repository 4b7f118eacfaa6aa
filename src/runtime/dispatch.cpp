// SPDX-License-Identifier: MIT
#include "runtime/dispatch.hpp"

#include <cstddef>

#include "ebpf/contexts.h"
#include "platform/clock.hpp"

namespace ebpf::runtime {
namespace {

// Packet contexts begin alike, so that one invoke() serves them all.
static_assert(offsetof(ebpf_xdp_context, data) == offsetof(ebpf_skb_context, data));
static_assert(offsetof(ebpf_xdp_context, data_end) == offsetof(ebpf_skb_context, data_end));

/// Adds to a counter that only the calling thread writes: no locked instruction.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace

int Dispatch::thread_enter(void* link, ebpf_hook_thread** thread) noexcept {
    State& state = static_cast<LinkObject*>(link)->state();
    auto* entered =
        State::make<ebpf_hook_thread>(InvokingThread{&state, epoch::Slot{0}, engine::Invocation{}});
    if (entered == nullptr) return -status_errno(Status::OutOfMemory);
    entered->invocation.services = &state.services;
    *thread = entered;
    return 0;
}

void Dispatch::thread_leave(ebpf_hook_thread* thread) noexcept {
    State::unmake(thread);
}

void Dispatch::begin(InvokingThread& thread) noexcept {
    begin(thread, thread.state->lease_slot());
}

void Dispatch::begin(InvokingThread& thread, epoch::Slot slot) noexcept {
    thread.slot = slot;
    thread.invocation.slot = thread.slot;
    thread.state->domain.enter(thread.slot);
}

void Dispatch::end(InvokingThread& thread) noexcept {
    thread.state->domain.leave(thread.slot);
    thread.state->domain.give_back(thread.slot);
}

// Out of line, so that the usual way needs no stack frame.
[[gnu::noinline, gnu::cold]] std::uint64_t Dispatch::execute_timed(const ProgramObject& program,
                                                                   InvokingThread& thread) noexcept {
    const engine::Image& image = program.image();
    const std::uint64_t start = platform::monotonic_ns();
    const std::uint64_t result = engine::run(image, thread.invocation);
    add(program.counters_[thread.slot].time_ns, platform::monotonic_ns() - start);
    return result;
}

[[gnu::always_inline]] inline std::uint64_t Dispatch::execute(const ProgramObject& program,
                                                              InvokingThread& thread) noexcept {
    thread.invocation.tail_calls = 0;
    add(program.counters_[thread.slot].runs, 1);
    if (thread.state->is_stats_enabled.load(std::memory_order_relaxed)) [[unlikely]] {
        return execute_timed(program, thread);
    }
    const engine::Image& image = program.image();
    return engine::run(image, thread.invocation);
}

[[gnu::always_inline]] inline std::uint64_t Dispatch::run(const ProgramObject& program,
                                                          InvokingThread& thread, void* context) noexcept {
    auto* packet = static_cast<ebpf_xdp_context*>(context);
    thread.invocation.context = context;
    thread.invocation.r2 = 0;
    thread.invocation.packet_data = &packet->data;
    thread.invocation.packet_data_end = &packet->data_end;
    return execute(program, thread);
}

std::uint64_t Dispatch::run_memory(const ProgramObject& program, InvokingThread& thread, void* data,
                                   std::uint64_t length) noexcept {
    thread.invocation.context = data;
    thread.invocation.r2 = length;
    thread.invocation.packet_data = nullptr;
    thread.invocation.packet_data_end = nullptr;
    return execute(program, thread);
}

// Inside an epoch, so that what is loaded here stays: update_link() retires the program it takes out.
std::uint64_t Dispatch::invoke(void* link, ebpf_hook_thread* thread, void* context) noexcept {
    return run(*static_cast<LinkObject*>(link)->program_.load(std::memory_order_acquire), *thread, context);
}

std::uint64_t Dispatch::invoke_memory(void* link, ebpf_hook_thread* thread, void* context) noexcept {
    const auto& program = *static_cast<LinkObject*>(link)->program_.load(std::memory_order_acquire);
    const auto& memory = *static_cast<const ebpf_memory_context*>(context);
    // The verdict holds for this length only.
    if (memory.length != program.memory_length()) {
        return spec::find_program_type(static_cast<std::uint32_t>(program.type()))->default_action;
    }
    return run_memory(program, *thread, memory.data, memory.length);
}

Batch::Batch(Context& context) noexcept : thread_{context.state_, 0, {}} {
    thread_.invocation.services = &thread_.state->services;
    Dispatch::begin(thread_, thread_.state->lease_slot_behind_hooks());
}

Batch::~Batch() {
    Dispatch::end(thread_);
}

StatusOr<std::uint64_t> Batch::run(const ProgramObject& program, void* host_context,
                                   std::uint64_t r2) noexcept {
    const bool is_memory = program.type() == spec::ProgramType::Memory;
    if (r2 != (is_memory ? program.memory_length() : 0)) return std::unexpected(Status::InvalidArgument);
    if (is_memory) return Dispatch::run_memory(program, thread_, host_context, r2);
    return Dispatch::run(program, thread_, host_context);
}

const ebpf_hook_dispatch& Dispatch::table(spec::ProgramType type) noexcept {
    static constexpr auto kMake = [](auto invoke_function) {
        return ebpf_hook_dispatch{
            .version = EBPF_HOOK_ABI_VERSION,
            .size = sizeof(ebpf_hook_dispatch),
            .thread_enter = thread_enter,
            .thread_leave = thread_leave,
            .batch_begin = [](ebpf_hook_thread* thread) { begin(*thread); },
            .batch_end = [](ebpf_hook_thread* thread) { end(*thread); },
            .invoke = invoke_function,
        };
    };
    static constexpr ebpf_hook_dispatch kPacketTable = kMake(invoke);
    static constexpr ebpf_hook_dispatch kMemoryTable = kMake(invoke_memory);
    return type == spec::ProgramType::Memory ? kMemoryTable : kPacketTable;
}

}  // namespace ebpf::runtime
