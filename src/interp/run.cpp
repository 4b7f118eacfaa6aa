// SPDX-License-Identifier: MIT
#include "interp/run.hpp"

#include "interp/handlers.hpp"

namespace ebpf::interp {

namespace {
// What r0 holds after a tail call that the engine could not make (-EINVAL); Linux leaves it unspecified.
constexpr std::int64_t kTailCallFailed = -22;
}  // namespace

const Op* enter_tail_call(const Op* next, std::uint64_t* registers, Machine& machine) noexcept {
    engine::Invocation& invocation = machine.invocation;
    const engine::Image* target = invocation.tail_target;
    invocation.tail_target = nullptr;
    if (target == nullptr) return next;
    const auto* program = static_cast<const Program*>(target);
    // Deviates: Linux lets a chain of tail calls out of subprograms use 33 x 256 bytes of stack; here all
    // frames together are kMaxCallFrames, and a tail call whose target needs more than is left fails.
    const bool can_enter = target->kind == engine::EngineKind::Interpreter &&
                           program->dispatch == machine.program->dispatch &&
                           machine.depth + program->frames <= spec::kMaxCallFrames;
    if (!can_enter) {
        registers[0] = static_cast<std::uint64_t>(kTailCallFailed);
        return next;
    }
    machine.program = program;
    registers[1] = reinterpret_cast<std::uintptr_t>(invocation.context);
    registers[2] = invocation.r2;
    return program->ops;
}

const std::uint8_t* packet_bytes(const engine::Invocation& invocation, std::int64_t offset,
                                 std::size_t size) noexcept {
    if (invocation.packet_data == nullptr || invocation.packet_data_end == nullptr || offset < 0)
        return nullptr;
    const std::uint8_t* data = *invocation.packet_data;
    const auto length = static_cast<std::uint64_t>(*invocation.packet_data_end - data);
    const auto start = static_cast<std::uint64_t>(offset);
    if (start > length || size > length - start) return nullptr;
    return data + start;
}

std::uint64_t run_chained(const engine::Image& image, engine::Invocation& invocation) noexcept {
    const auto& program = static_cast<const Program&>(image);
    std::uint64_t registers[spec::kRegisterCount];
    Machine machine(program, invocation);
    machine.enter(registers);
    return program.ops->chain(program.ops, registers, machine);
}

std::uint64_t run_stepping(const engine::Image& image, engine::Invocation& invocation) noexcept {
    NoObserver nobody;
    return run_observed(image, invocation, nobody);
}

}  // namespace ebpf::interp
