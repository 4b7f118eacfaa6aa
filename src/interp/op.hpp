// SPDX-License-Identifier: MIT
// What a running program consists of: pre-decoded operations, the machine that they work on, the image.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/engine.hpp"
#include "interp/interp.hpp"
#include "spec/instructions.hpp"

// Handlers that jump to each other need a compiler that turns `return f(...)` into a jump: clang promises it,
// g++ does it whenever it optimises (compile options of this folder). Elsewhere a loop calls them.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define EBPF_INTERP_CHAINED 1
#else
#define EBPF_INTERP_CHAINED 0
#endif
#if defined(__clang__)
#define EBPF_INTERP_TAIL [[clang::musttail]] return
#else
#define EBPF_INTERP_TAIL return
#endif

namespace ebpf::interp {

struct Op;
struct Machine;

/// Does one operation and returns the next one, or nullptr when the program has ended (result in r0).
using StepHandler = const Op* (*)(const Op* op, std::uint64_t* registers, Machine& machine) noexcept;
/// Does one operation and all that follow; returns r0.
using ChainHandler = std::uint64_t (*)(const Op* op, std::uint64_t* registers, Machine& machine) noexcept;

/// One slot of the program. The handler knows operator, width, source and size; the rest is here.
struct Op {
    union {
        StepHandler step;
        ChainHandler chain;
    };
    struct Fields {
        std::uint8_t dst;
        std::uint8_t src;
        std::int16_t offset;
        std::int32_t imm;
    };
    union {
        Fields fields;
        std::uint64_t wide;               ///< second op of LoadImm64: the value
        engine::HelperFunction function;  ///< CallHelper
    };
};
static_assert(sizeof(Op) == 16 || sizeof(void*) != 8);

/// The interpreter's image. `ops` lie behind it in the same allocation.
struct Program : engine::Image {
    const Op* ops = nullptr;
    std::size_t op_count = 0;
    std::uint32_t frames = 0;  ///< frames of the deepest call chain, this program's own included
    Dispatch dispatch = Dispatch::Best;
};

/// What a frame needs to go on after a call.
struct Caller {
    const Op* next;
    const Program* program;  ///< a subprogram's frame may have been taken over by another program (tail call)
    std::uint64_t saved[4];  ///< r6..r9
};

inline constexpr std::size_t kStackBytesInAll = std::size_t{spec::kStackBytes} * spec::kMaxCallFrames;

/// One run of a program, besides its registers.
struct Machine {
    Machine(const Program& first, engine::Invocation& run) noexcept : invocation(run), program(&first) {}

    /// Prepares `registers` for the program's first instruction.
    void enter(std::uint64_t* registers) noexcept {
        for (unsigned i = 0; i < spec::kRegisterCount; ++i) registers[i] = 0;
        registers[1] = reinterpret_cast<std::uintptr_t>(invocation.context);
        registers[2] = invocation.r2;
        registers[spec::kFramePointer] = reinterpret_cast<std::uintptr_t>(stack + kStackBytesInAll);
    }

    /// Begins a function for a helper, in a frame below the current one. `code`: what compile() made of its
    /// address. Returns its first op, which ends with nullptr when the function returns; nullptr if there is
    /// no frame left, which no verified program gets to see.
    const Op* enter_callback(std::uint64_t* registers, std::uint64_t code) noexcept {
        if (depth + (code >> 32U) >= spec::kMaxCallFrames) return nullptr;
        Caller& caller = callers[depth++];
        caller = {nullptr, program, {}};
        for (unsigned i = 0; i < spec::kRegisterCount; ++i) registers[i] = 0;
        registers[spec::kFramePointer] = reinterpret_cast<std::uintptr_t>(
            stack + (kStackBytesInAll - depth * std::size_t{spec::kStackBytes}));
        return program->ops + static_cast<std::uint32_t>(code);
    }

    engine::Invocation& invocation;
    const Program* program;
    std::uint32_t depth = 0;  ///< frames in use minus one
    Caller callers[spec::kMaxCallFrames - 1];
    alignas(16) std::byte stack[kStackBytesInAll];  ///< frame 0 has the highest addresses
};

}  // namespace ebpf::interp
