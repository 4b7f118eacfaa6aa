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

/// Runs `image`, telling `observer` of each instruction: `bool before(const Observation&)`; false ends the
/// run with the r0 of that moment. An observer with kWatches == false is never called. Requires: `image` was
/// compiled with Dispatch::Stepping.
template <typename Observer>
std::uint64_t run_observed(const engine::Image& image, engine::Invocation& invocation, Observer& observer) {
    const auto& program = static_cast<const Program&>(image);
    std::uint64_t registers[spec::kRegisterCount];
    Machine machine(program, invocation);
    machine.enter(registers);
    const Op* op = program.ops;
    while (op != nullptr) {
        if constexpr (Observer::kWatches) {
            const std::size_t frame = kStackBytesInAll - (machine.depth + 1) * std::size_t{spec::kStackBytes};
            const auto slot = static_cast<std::uint32_t>(op - machine.program->ops);
            if (!observer.before(
                    Observation{*machine.program, slot, registers, machine.depth, machine.stack + frame})) {
                break;
            }
        }
        op = op->step(op, registers, machine);
    }
    return registers[0];
}

}  // namespace ebpf::interp
