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
    if (target == nullptr) return next;
    const auto* program = static_cast<const Program*>(target);
    const bool is_same_kind =
        target->kind == engine::EngineKind::Interpreter && program->dispatch == machine.program->dispatch;
    if (!is_same_kind && machine.depth == 0) return nullptr;
    invocation.tail_target = nullptr;
    // Deviates: Linux lets a chain of tail calls out of subprograms use 33 x 256 bytes of stack; here all
    // frames together are kMaxCallFrames, and a tail call whose target needs more than is left fails, as
    // does one out of a subprogram into another engine. The verifier allows none out of subprograms.
    if (!is_same_kind || machine.depth + program->frames > spec::kMaxCallFrames) {
        registers[0] = static_cast<std::uint64_t>(kTailCallFailed);
        return next;
    }
    machine.program = program;
    registers[1] = reinterpret_cast<std::uintptr_t>(invocation.context);
    registers[2] = invocation.r2;
    return program->ops;
}

namespace {

// engine::Invocation::call_back.
std::uint64_t call_back_chained(engine::Invocation& invocation, std::uint64_t code, std::uint64_t r1,
                                std::uint64_t r2, std::uint64_t r3, std::uint64_t r4) noexcept {
    auto& machine = *static_cast<Machine*>(invocation.engine_state);
    std::uint64_t registers[spec::kRegisterCount];
    const Op* op = machine.enter_callback(registers, code);
    if (op == nullptr) return kStopCallingBack;
    registers[1] = r1;
    registers[2] = r2;
    registers[3] = r3;
    registers[4] = r4;
    return op->chain(op, registers, machine);
}

}  // namespace

std::uint64_t run_chained(const engine::Image& image, engine::Invocation& invocation) noexcept {
    const auto& program = static_cast<const Program&>(image);
    std::uint64_t registers[spec::kRegisterCount];
    Machine machine(program, invocation);
    machine.enter(registers);
    invocation.call_back = call_back_chained;
    invocation.engine_state = &machine;
    return program.ops->chain(program.ops, registers, machine);
}

std::uint64_t run_stepping(const engine::Image& image, engine::Invocation& invocation) noexcept {
    NoObserver nobody;
    return run_observed(image, invocation, nobody);
}

}  // namespace ebpf::interp
