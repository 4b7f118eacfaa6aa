// SPDX-License-Identifier: MIT
// One handler per form: templates over the form's attributes. What operators compute is in isa/semantics.hpp.
#pragma once

#include <cstring>

#include "interp/op.hpp"
#include "isa/semantics.hpp"

namespace ebpf::interp {

// Each handler is a type with `run`, which does the operation and returns the next op; kMayEnd says whether
// that may be nullptr. link() turns it into the function that an Op holds.
struct FallsThrough {
    static constexpr bool kMayEnd = false;
};

template <spec::Source source>
inline std::uint64_t operand(const Op* op, const std::uint64_t* registers) noexcept {
    if constexpr (source == spec::Source::Reg) return registers[op->fields.src];
    return static_cast<std::uint64_t>(std::int64_t{op->fields.imm});
}

inline std::uint64_t displaced(std::uint64_t base, const Op* op) noexcept {
    return base + static_cast<std::uint64_t>(std::int64_t{op->fields.offset});
}

// The one place where a number that a program computed becomes an address. The verifier has proven it valid.
template <typename T>
inline T* pointer(std::uint64_t address) noexcept {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

template <std::uint8_t size>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
    using Type = std::uint8_t;
};
template <>
struct UnsignedOf<2> {
    using Type = std::uint16_t;
};
template <>
struct UnsignedOf<4> {
    using Type = std::uint32_t;
};
template <>
struct UnsignedOf<8> {
    using Type = std::uint64_t;
};

template <std::uint8_t size>
inline std::uint64_t read_memory(std::uint64_t address) noexcept {
    typename UnsignedOf<size>::Type value;
    std::memcpy(&value, pointer<const void>(address), size);
    return value;
}

template <std::uint8_t size>
inline void write_memory(std::uint64_t address, std::uint64_t value) noexcept {
    const auto narrow = static_cast<typename UnsignedOf<size>::Type>(value);
    std::memcpy(pointer<void>(address), &narrow, size);
}

template <spec::AluOp alu, spec::Width width, spec::Source source>
struct AluHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        std::uint64_t& dst = registers[op->fields.dst];
        dst = isa::eval_alu(alu, width, dst, operand<source>(op, registers));
        return op + 1;
    }
};

template <spec::Width width>
struct NegateHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        std::uint64_t& dst = registers[op->fields.dst];
        dst = isa::eval_negate(width, dst);
        return op + 1;
    }
};

template <spec::Width width, std::uint8_t size>
struct MoveSxHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        registers[op->fields.dst] = isa::eval_move_sx(width, size, registers[op->fields.src]);
        return op + 1;
    }
};

template <spec::ByteOrderOp order, std::uint8_t size>
struct ByteOrderHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        std::uint64_t& dst = registers[op->fields.dst];
        dst = isa::eval_byte_order(order, size, dst);
        return op + 1;
    }
};

struct LoadImm64Handler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        registers[op->fields.dst] = op[1].wide;
        return op + 2;
    }
};

template <std::uint8_t size, bool is_signed>
struct LoadHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        const std::uint64_t value = read_memory<size>(displaced(registers[op->fields.src], op));
        registers[op->fields.dst] = is_signed ? isa::sign_extend(size, value) : value;
        return op + 1;
    }
};

template <std::uint8_t size, spec::Source source>
struct StoreHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        write_memory<size>(displaced(registers[op->fields.dst], op), operand<source>(op, registers));
        return op + 1;
    }
};

// A compare-and-swap loop around the operator's one definition; sequentially consistent in every form, which
// is stronger than the forms without fetch need. Source: RFC 9669 section 5.3.
template <spec::AtomicOp atomic, std::uint8_t size, bool fetch>
struct AtomicHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        using Cell = typename UnsignedOf<size>::Type;
        Cell* cell = pointer<Cell>(displaced(registers[op->fields.dst], op));
        const std::uint64_t source = registers[op->fields.src];
        Cell old = __atomic_load_n(cell, __ATOMIC_RELAXED);
        Cell fresh = 0;
        do {
            fresh = static_cast<Cell>(isa::eval_atomic(atomic, size, old, source, registers[0]));
        } while (!__atomic_compare_exchange_n(cell, &old, fresh, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
        if constexpr (fetch) registers[atomic == spec::AtomicOp::Cmpxchg ? 0 : op->fields.src] = old;
        return op + 1;
    }
};

template <std::uint8_t size>
struct LoadAcquireHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        using Cell = typename UnsignedOf<size>::Type;
        const auto* cell = pointer<const Cell>(displaced(registers[op->fields.src], op));
        registers[op->fields.dst] = __atomic_load_n(cell, __ATOMIC_ACQUIRE);
        return op + 1;
    }
};

template <std::uint8_t size>
struct StoreReleaseHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        using Cell = typename UnsignedOf<size>::Type;
        auto* cell = pointer<Cell>(displaced(registers[op->fields.dst], op));
        __atomic_store_n(cell, static_cast<Cell>(registers[op->fields.src]), __ATOMIC_RELEASE);
        return op + 1;
    }
};

struct GotoHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t*, Machine&) noexcept {
        return op + 1 + op->fields.offset;
    }
};

struct GotoLongHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t*, Machine&) noexcept { return op + 1 + op->fields.imm; }
};

template <spec::JumpOp jump, spec::Width width, spec::Source source>
struct BranchHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine&) noexcept {
        const bool taken =
            isa::eval_jump(jump, width, registers[op->fields.dst], operand<source>(op, registers));
        return taken ? op + 1 + op->fields.offset : op + 1;
    }
};

/// Returns from the current frame; nullptr if it was the program's.
inline const Op* leave_frame(std::uint64_t* registers, Machine& machine) noexcept {
    if (machine.depth == 0) return nullptr;
    const Caller& caller = machine.callers[--machine.depth];
    for (unsigned i = 0; i < 4; ++i) registers[6 + i] = caller.saved[i];
    registers[spec::kFramePointer] += spec::kStackBytes;
    machine.program = caller.program;
    return caller.next;
}

struct ExitHandler {
    static constexpr bool kMayEnd = true;
    static const Op* run(const Op*, std::uint64_t* registers, Machine& machine) noexcept {
        return leave_frame(registers, machine);
    }
};

// compile() has bounded the depth of calls, and enter_tail_call() keeps that bound.
struct CallLocalHandler : FallsThrough {
    static const Op* run(const Op* op, std::uint64_t* registers, Machine& machine) noexcept {
        Caller& caller = machine.callers[machine.depth++];
        caller.next = op + 1;
        caller.program = machine.program;
        for (unsigned i = 0; i < 4; ++i) caller.saved[i] = registers[6 + i];
        registers[spec::kFramePointer] -= spec::kStackBytes;
        return op + 1 + op->fields.imm;
    }
};

struct CallHelperHandler : FallsThrough {
    // Helpers of a service are functions of C, alike by calling convention but not by the signature that
    // clang's check of function pointers compares.
    EBPF_RUNS_MACHINE_CODE static const Op* run(const Op* op, std::uint64_t* registers,
                                                Machine& machine) noexcept {
        registers[0] = op->function(registers[1], registers[2], registers[3], registers[4], registers[5],
                                    machine.invocation);
        return op + 1;
    }
};

/// Goes on in the program that the helper named: here, if it is of this kind, else returns nullptr with
/// tail_target set (see engine::run()). After the call when it named none or that one cannot be entered. The
/// helper keeps the limit on tail calls and counts them.
const Op* enter_tail_call(const Op* next, std::uint64_t* registers, Machine& machine) noexcept;

struct CallTailHandler {
    static constexpr bool kMayEnd = true;
    static const Op* run(const Op* op, std::uint64_t* registers, Machine& machine) noexcept {
        CallHelperHandler::run(op, registers, machine);
        return enter_tail_call(op + 1, registers, machine);
    }
};

// A load outside the packet returns 0 from the function that does it. Source: RFC 9669 section 5.5.
template <std::uint8_t size, bool is_indirect>
struct PacketHandler {
    static constexpr bool kMayEnd = true;
    static const Op* run(const Op* op, std::uint64_t* registers, Machine& machine) noexcept {
        std::int64_t offset = op->fields.imm;
        // As Linux: the sum is taken in 32 bits.
        if constexpr (is_indirect) {
            offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(registers[op->fields.src]) +
                                               static_cast<std::uint32_t>(op->fields.imm));
        }
        const std::uint8_t* bytes = engine::packet_bytes(machine.invocation, offset, size);
        registers[0] = 0;
        if (bytes == nullptr) return leave_frame(registers, machine);
        std::uint64_t value = 0;
        for (unsigned i = 0; i < size; ++i) value = value << 8U | bytes[i];
        registers[0] = value;
        return op + 1;
    }
};

template <typename Handler>
const Op* step(const Op* op, std::uint64_t* registers, Machine& machine) noexcept {
    return Handler::run(op, registers, machine);
}

template <typename Handler>
std::uint64_t chain(const Op* op, std::uint64_t* registers, Machine& machine) noexcept {
    const Op* next = Handler::run(op, registers, machine);
    if constexpr (Handler::kMayEnd) {
        if (next == nullptr) return registers[0];
    }
    EBPF_INTERP_TAIL next->chain(next, registers, machine);
}

}  // namespace ebpf::interp
