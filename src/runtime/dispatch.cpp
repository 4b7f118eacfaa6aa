// SPDX-License-Identifier: MIT
#include "runtime/dispatch.hpp"

#include <cstddef>

#include "ebpf/contexts.h"
#include "platform/clock.hpp"
#include "runtime/attach_point.hpp"

namespace ebpf::runtime {
namespace {

/// Adds to a counter that only the calling thread writes: no locked instruction.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

void set_memory(engine::Invocation& invocation, void* data, std::uint64_t length) noexcept {
    invocation.context = data;
    invocation.r2 = length;
    invocation.packet_data = nullptr;
    invocation.packet_data_end = nullptr;
}

// The verdict of a program on memory holds for one length only; what happens at others.
std::uint64_t default_action(const ProgramObject& program) noexcept {
    return spec::find_program_type(static_cast<std::uint32_t>(program.type()))->default_action;
}

}  // namespace

StatusOr<ebpf_hook_thread*> Dispatch::enter_thread(State& state) noexcept {
    auto* entered =
        State::make<ebpf_hook_thread>(InvokingThread{&state, epoch::Slot{0}, engine::Invocation{}});
    if (entered == nullptr) return std::unexpected(Status::OutOfMemory);
    entered->invocation.services = &state.services;
    return entered;
}

int Dispatch::thread_enter(void* point, ebpf_hook_thread** thread) noexcept {
    const auto entered = enter_thread(*static_cast<const AttachPoint*>(point)->state);
    if (!entered) return -status_errno(entered.error());
    *thread = *entered;
    return 0;
}

void Dispatch::thread_leave(ebpf_hook_thread* thread) noexcept {
    State::unmake(thread);
}

// Providers know tasks by a struct of their own ABI.
static_assert(sizeof(ebpf_task) == sizeof(engine::Task) && alignof(ebpf_task) == alignof(engine::Task));
static_assert(offsetof(ebpf_task, pid_tgid) == offsetof(engine::Task, pid_tgid));
static_assert(offsetof(ebpf_task, uid_gid) == offsetof(engine::Task, uid_gid));
static_assert(offsetof(ebpf_task, name) == offsetof(engine::Task, name));

void Dispatch::run_for(ebpf_hook_thread* thread, const ebpf_task* task) noexcept {
    thread->invocation.task = reinterpret_cast<const engine::Task*>(task);
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

// Counts once for all of them, and asks once whether run times are wanted.
template <typename Prepare>
[[gnu::always_inline]] inline void Dispatch::execute_all(const ProgramObject& program, InvokingThread& thread,
                                                         std::span<std::uint64_t> results,
                                                         Prepare prepare) noexcept {
    add(program.counters_[thread.slot].runs, results.size());
    const bool is_timed = thread.state->is_stats_enabled.load(std::memory_order_relaxed);
    const engine::Image& image = program.image();
    for (std::size_t i = 0; i < results.size(); ++i) {
        prepare(i);
        thread.invocation.tail_calls = 0;
        results[i] = is_timed ? execute_timed(program, thread) : engine::run(image, thread.invocation);
    }
}

[[gnu::always_inline]] inline std::uint64_t Dispatch::run(const ProgramObject& program,
                                                          InvokingThread& thread, void* context) noexcept {
    thread.invocation.r2 = 0;
    set_packet(thread.invocation, context);
    return execute(program, thread);
}

void Dispatch::run_all(const ProgramObject& program, InvokingThread& thread, std::span<void* const> contexts,
                       std::uint64_t* results) noexcept {
    thread.invocation.r2 = 0;
    execute_all(program, thread, {results, contexts.size()},
                [&](std::size_t i) { set_packet(thread.invocation, contexts[i]); });
}

std::uint64_t Dispatch::run_memory(const ProgramObject& program, InvokingThread& thread, void* data,
                                   std::uint64_t length) noexcept {
    set_memory(thread.invocation, data, length);
    return execute(program, thread);
}

void Dispatch::run_memory_all(const ProgramObject& program, InvokingThread& thread,
                              std::span<void* const> data, std::uint64_t length,
                              std::uint64_t* results) noexcept {
    execute_all(program, thread, {results, data.size()},
                [&](std::size_t i) { set_memory(thread.invocation, data[i], length); });
}

// How the programs of a type meet a context of their hook.
struct Dispatch::Plain {
    static std::uint64_t run(const ProgramObject& program, InvokingThread& thread, void* context) noexcept {
        return Dispatch::run(program, thread, context);
    }
    static void run_all(const ProgramObject& program, InvokingThread& thread, std::span<void* const> contexts,
                        std::uint64_t* results) noexcept {
        Dispatch::run_all(program, thread, contexts, results);
    }
};

struct Dispatch::OnMemory {
    static std::uint64_t run(const ProgramObject& program, InvokingThread& thread, void* context) noexcept {
        const auto& memory = *static_cast<const ebpf_memory_context*>(context);
        if (memory.length != program.memory_length()) return default_action(program);
        return run_memory(program, thread, memory.data, memory.length);
    }
    static void run_all(const ProgramObject& program, InvokingThread& thread, std::span<void* const> contexts,
                        std::uint64_t* results) noexcept {
        for (std::size_t i = 0; i < contexts.size(); ++i) results[i] = run(program, thread, contexts[i]);
    }
};

// Inside an epoch, so that what is loaded here stays: update_link() retires the program it takes out.
template <typename Way>
[[gnu::always_inline]] inline std::uint64_t Dispatch::run_link(const AttachPoint& point,
                                                               const LinkObject& link,
                                                               ebpf_hook_thread& thread,
                                                               void* context) noexcept {
    const ProgramObject& program = *link.program_.load(std::memory_order_acquire);
    const std::uint64_t result = Way::run(program, thread, context);
    LinkObject::Counter& counter = link.counters_[thread.slot];
    add(counter.runs, 1);
    add(counter.ended, point.goes_on(link, result) ? 0U : 1U);
    return result;
}

// From one to the next for each context, rather than all contexts through one program after the other:
// programs may hand things on to the next by a map.
template <typename Way>
[[gnu::noinline]] std::uint64_t Dispatch::run_chain(const AttachPoint& point, const LinkObject* link,
                                                    ebpf_hook_thread& thread, void* context) noexcept {
    std::uint64_t result = 0;
    bool is_refused = false;
    for (; link != nullptr; link = link->next_.load(std::memory_order_acquire)) {
        const std::uint64_t one = run_link<Way>(point, *link, thread, context);
        const bool goes_on = point.goes_on(*link, one);
        if (!point.runs_all) {
            result = one;
            if (!goes_on) break;
        } else if (!is_refused) {
            is_refused = !goes_on;
            result = is_refused ? one : result | one;
        }
    }
    return result;
}

template <typename Way>
std::uint64_t Dispatch::invoke(void* place, ebpf_hook_thread* thread, void* context) noexcept {
    const auto& point = *static_cast<const AttachPoint*>(place);
    const LinkObject* first = point.first.load(std::memory_order_acquire);
    if (first->next_.load(std::memory_order_acquire) != nullptr) [[unlikely]] {
        return run_chain<Way>(point, first, *thread, context);
    }
    return run_link<Way>(point, *first, *thread, context);
}

template <typename Way>
void Dispatch::invoke_all(void* place, ebpf_hook_thread* thread, void* const* contexts,
                          std::uint64_t* results, std::size_t count) noexcept {
    const auto& point = *static_cast<const AttachPoint*>(place);
    const LinkObject* first = point.first.load(std::memory_order_acquire);
    if (first->next_.load(std::memory_order_acquire) != nullptr) [[unlikely]] {
        for (std::size_t i = 0; i < count; ++i) {
            results[i] =
                run_chain<Way>(point, point.first.load(std::memory_order_acquire), *thread, contexts[i]);
        }
        return;
    }
    const ProgramObject& program = *first->program_.load(std::memory_order_acquire);
    Way::run_all(program, *thread, {contexts, count}, results);
    std::uint64_t went_on = 0;
    for (std::size_t i = 0; i < count; ++i) went_on += point.goes_on(*first, results[i]) ? 1U : 0U;
    LinkObject::Counter& counter = first->counters_[thread->slot];
    add(counter.runs, count);
    add(counter.ended, count - went_on);
}

Batch::Batch(Context& context) noexcept
    : thread_{context.state_, 0, {}},
      is_timed_(context.state_->is_stats_enabled.load(std::memory_order_relaxed)) {
    thread_.invocation.services = &thread_.state->services;
    Dispatch::begin(thread_, thread_.state->lease_slot_behind_hooks());
}

Batch::~Batch() {
    Dispatch::end(thread_);
}

StatusOr<std::uint64_t> Batch::run_unusual(const ProgramObject& program, void* host_context,
                                           std::uint64_t r2) noexcept {
    const bool is_memory = program.type() == spec::ProgramType::Memory;
    if (r2 != (is_memory ? program.memory_length() : 0)) return std::unexpected(Status::InvalidArgument);
    if (is_memory) return Dispatch::run_memory(program, thread_, host_context, r2);
    return Dispatch::run(program, thread_, host_context);
}

Status Batch::run_all(const ProgramObject& program, std::span<void* const> host_contexts, std::uint64_t r2,
                      std::span<std::uint64_t> results) noexcept {
    const bool is_memory = program.type() == spec::ProgramType::Memory;
    if (r2 != (is_memory ? program.memory_length() : 0)) return Status::InvalidArgument;
    if (host_contexts.size() != results.size()) return Status::InvalidArgument;
    if (is_memory) {
        Dispatch::run_memory_all(program, thread_, host_contexts, r2, results.data());
    } else {
        Dispatch::run_all(program, thread_, host_contexts, results.data());
    }
    return Status::Ok;
}

const ebpf_hook_dispatch& Dispatch::table(spec::ProgramType type) noexcept {
    static constexpr auto kMake = [](auto invoke_one, auto invoke_many) {
        return ebpf_hook_dispatch{
            .version = EBPF_HOOK_ABI_VERSION,
            .size = sizeof(ebpf_hook_dispatch),
            .thread_enter = thread_enter,
            .thread_leave = thread_leave,
            .batch_begin = [](ebpf_hook_thread* thread) { begin(*thread); },
            .batch_end = [](ebpf_hook_thread* thread) { end(*thread); },
            .invoke = invoke_one,
            .invoke_all = invoke_many,
            .run_for = run_for,
        };
    };
    static constexpr ebpf_hook_dispatch kPacketTable = kMake(invoke<Plain>, invoke_all<Plain>);
    static constexpr ebpf_hook_dispatch kMemoryTable = kMake(invoke<OnMemory>, invoke_all<OnMemory>);
    return type == spec::ProgramType::Memory ? kMemoryTable : kPacketTable;
}

}  // namespace ebpf::runtime
