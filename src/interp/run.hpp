// SPDX-License-Identifier: MIT
// The driver: one template, with or without an observer, and the two entry points that images carry.
#pragma once

#include <cstdint>

#include "interp/op.hpp"

namespace ebpf::interp {

/// engine::Image::run of an image whose handlers jump to each other.
std::uint64_t run_chained(const engine::Image& image, engine::Invocation& invocation) noexcept;
/// engine::Image::run of an image compiled for Dispatch::Stepping.
std::uint64_t run_stepping(const engine::Image& image, engine::Invocation& invocation) noexcept;

/// What a callback returns that cannot be run, or not to its end.
inline constexpr std::uint64_t kStopCallingBack = 1;

/// What an observer sees before an instruction is executed.
struct Observation {
    const engine::Image& image;  ///< changes with a tail call
    std::uint32_t slot;
    const std::uint64_t* registers;  ///< r0..r10
    std::uint32_t depth;             ///< frames of callers
    const std::byte* stack;  ///< lowest byte of this frame's kStackBytes; r10 points behind the highest
};

/// Observer of a run that nobody watches.
struct NoObserver {
    static constexpr bool kWatches = false;
};

/// A run that is observed, callbacks included.
template <typename Observer>
struct ObservedRun {
    Machine& machine;
    Observer& observer;
    bool is_stopped = false;

    /// Runs from `op` on until the function returns that it belongs to. Returns r0.
    std::uint64_t run(const Op* op, std::uint64_t* registers) {
        while (op != nullptr && !is_stopped) {
            if constexpr (Observer::kWatches) {
                const std::size_t frame =
                    kStackBytesInAll - (machine.depth + 1) * std::size_t{spec::kStackBytes};
                const auto slot = static_cast<std::uint32_t>(op - machine.program->ops);
                is_stopped = !observer.before(
                    Observation{*machine.program, slot, registers, machine.depth, machine.stack + frame});
                if (is_stopped) break;
            }
            op = op->step(op, registers, machine);
        }
        return registers[0];
    }

    /// engine::Invocation::call_back.
    static std::uint64_t call_back(engine::Invocation& invocation, std::uint64_t code, std::uint64_t r1,
                                   std::uint64_t r2, std::uint64_t r3, std::uint64_t r4) noexcept {
        auto& self = *static_cast<ObservedRun*>(invocation.engine_state);
        std::uint64_t registers[spec::kRegisterCount];
        const Op* op = self.machine.enter_callback(registers, code);
        if (op == nullptr) return kStopCallingBack;
        registers[1] = r1;
        registers[2] = r2;
        registers[3] = r3;
        registers[4] = r4;
        const std::uint64_t result = self.run(op, registers);
        return self.is_stopped ? kStopCallingBack : result;
    }
};

/// Runs `image`, telling `observer` of each instruction: `bool before(const Observation&)`; false ends the
/// run with the r0 of that moment. An observer with kWatches == false is never called. Requires: `image` was
/// compiled with Dispatch::Stepping.
template <typename Observer>
std::uint64_t run_observed(const engine::Image& image, engine::Invocation& invocation, Observer& observer) {
    const auto& program = static_cast<const Program&>(image);
    std::uint64_t registers[spec::kRegisterCount];
    Machine machine(program, invocation);
    machine.enter(registers);
    ObservedRun<Observer> run{machine, observer};
    invocation.call_back = ObservedRun<Observer>::call_back;
    invocation.engine_state = &run;
    const std::uint64_t result = run.run(program.ops, registers);
    invocation.engine_state = nullptr;  // `run` ends here
    return result;
}

}  // namespace ebpf::interp
