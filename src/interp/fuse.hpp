// SPDX-License-Identifier: MIT
// Pairs of instructions in one handler: the second takes what the first produced from a machine register
// instead of through the register file in memory, and one jump between handlers is saved. Both keep their
// slots and their own handlers, so that jumps to the second need no care. Only pairs that are common in
// compiled programs.
#pragma once

#include <cstdint>
#include <span>

#include "interp/handlers.hpp"
#include "isa/instruction.hpp"

namespace ebpf::interp {

using spec::AluOp;
using spec::Family;
using spec::JumpOp;
using enum spec::Width;
using enum spec::Source;

/// The instructions from a second half on; at least one.
using Rest = std::span<const isa::Instruction>;

// First halves: `value` is what the instruction puts into its dst.

template <AluOp alu, spec::Width width, spec::Source source>
struct AluFirst {
    static bool is(const spec::FormSpec& form) noexcept {
        return form.family == Family::Alu && form.alu == alu && form.width == width && form.source == source;
    }
    static std::uint64_t value(const Op* op, const std::uint64_t* registers) noexcept {
        return isa::eval_alu(alu, width, registers[op->fields.dst], operand<source>(op, registers));
    }
};

template <std::uint8_t size>
struct LoadFirst {
    static bool is(const spec::FormSpec& form) noexcept {
        return form.family == Family::Load && form.size == size;
    }
    static std::uint64_t value(const Op* op, const std::uint64_t* registers) noexcept {
        return read_memory<size>(displaced(registers[op->fields.src], op));
    }
};

// Second halves: run() gets their op and the value that was produced in register `made`. kReplaces: they
// overwrite that register, so that the value need not be stored.

/// made op= operand
template <AluOp alu, spec::Width width, spec::Source source>
struct AluOnto {
    static constexpr bool kReplaces = true;
    static bool is(Rest rest, std::uint8_t made) noexcept {
        return AluFirst<alu, width, source>::is(rest[0].spec()) && rest[0].dst == made &&
               (source == Imm || rest[0].src != made);
    }
    static const Op* run(const Op* op, std::uint64_t value, std::uint64_t* registers) noexcept {
        registers[op->fields.dst] = isa::eval_alu(alu, width, value, operand<source>(op, registers));
        return op + 1;
    }
};

/// dst op= made
template <AluOp alu, spec::Width width>
struct AluWith {
    static constexpr bool kReplaces = false;
    static bool is(Rest rest, std::uint8_t made) noexcept {
        return AluFirst<alu, width, Reg>::is(rest[0].spec()) && rest[0].src == made && rest[0].dst != made;
    }
    static const Op* run(const Op* op, std::uint64_t value, std::uint64_t* registers) noexcept {
        std::uint64_t& dst = registers[op->fields.dst];
        dst = isa::eval_alu(alu, width, dst, value);
        return op + 1;
    }
};

/// dst = *(made + offset)
template <std::uint8_t size>
struct LoadFrom {
    static constexpr bool kReplaces = false;
    static bool is(Rest rest, std::uint8_t made) noexcept {
        return LoadFirst<size>::is(rest[0].spec()) && rest[0].src == made;
    }
    static const Op* run(const Op* op, std::uint64_t value, std::uint64_t* registers) noexcept {
        registers[op->fields.dst] = read_memory<size>(displaced(value, op));
        return op + 1;
    }
};

/// *(dst + offset) = made
template <std::uint8_t size>
struct StoreOf {
    static constexpr bool kReplaces = false;
    static bool is(Rest rest, std::uint8_t made) noexcept {
        const spec::FormSpec& form = rest[0].spec();
        return form.family == Family::StoreReg && form.size == size && rest[0].src == made;
    }
    static const Op* run(const Op* op, std::uint64_t value, std::uint64_t* registers) noexcept {
        write_memory<size>(displaced(registers[op->fields.dst], op), value);
        return op + 1;
    }
};

/// if made op operand goto; kOverGoto: over a goto behind it, which then belongs to the pair: clang ends
/// loops with that.
template <JumpOp jump, spec::Width width, spec::Source source, bool kOverGoto = false>
struct BranchOn {
    static constexpr bool kReplaces = false;
    static bool is(Rest rest, std::uint8_t made) noexcept {
        const spec::FormSpec& form = rest[0].spec();
        return form.family == Family::Branch && form.jump == jump && form.width == width &&
               form.source == source && rest[0].dst == made && (!kOverGoto || is_over_goto(rest));
    }
    static bool is_over_goto(Rest rest) noexcept {
        if (rest.size() < 2 || rest[0].offset != 1) return false;
        const spec::FormSpec& next = rest[1].spec();
        return next.family == Family::Goto && next.width == W64;
    }
    static const Op* run(const Op* op, std::uint64_t value, std::uint64_t* registers) noexcept {
        const bool taken = isa::eval_jump(jump, width, value, operand<source>(op, registers));
        if constexpr (kOverGoto) return taken ? op + 2 : op + 2 + op[1].fields.offset;
        return taken ? op + 1 + op->fields.offset : op + 1;
    }
};

template <typename First, typename Second>
std::uint64_t chain_pair(const Op* op, std::uint64_t* registers, Machine& machine) noexcept {
    const std::uint64_t value = First::value(op, registers);
    if constexpr (!Second::kReplaces) registers[op->fields.dst] = value;
    const Op* next = Second::run(op + 1, value, registers);
    EBPF_INTERP_TAIL next->chain(next, registers, machine);
}

template <typename... Half>
struct Halves {};

using Firsts =
    Halves<AluFirst<AluOp::Mov, W64, Reg>, AluFirst<AluOp::Mov, W32, Reg>, AluFirst<AluOp::Add, W64, Imm>,
           AluFirst<AluOp::Add, W64, Reg>, AluFirst<AluOp::Add, W32, Imm>, AluFirst<AluOp::Add, W32, Reg>,
           AluFirst<AluOp::And, W64, Imm>, AluFirst<AluOp::And, W32, Imm>, AluFirst<AluOp::Lsh, W64, Imm>,
           AluFirst<AluOp::Lsh, W32, Imm>, AluFirst<AluOp::Rsh, W64, Imm>, AluFirst<AluOp::Rsh, W32, Imm>,
           AluFirst<AluOp::Xor, W64, Reg>, AluFirst<AluOp::Xor, W32, Reg>, LoadFirst<1>, LoadFirst<2>,
           LoadFirst<4>, LoadFirst<8>>;
using Seconds =
    Halves<AluOnto<AluOp::Add, W64, Imm>, AluOnto<AluOp::Add, W64, Reg>, AluOnto<AluOp::Add, W32, Imm>,
           AluOnto<AluOp::Add, W32, Reg>, AluOnto<AluOp::And, W64, Imm>, AluOnto<AluOp::And, W32, Imm>,
           AluOnto<AluOp::Lsh, W64, Imm>, AluOnto<AluOp::Lsh, W32, Imm>, AluOnto<AluOp::Rsh, W64, Imm>,
           AluOnto<AluOp::Rsh, W32, Imm>, AluOnto<AluOp::Xor, W64, Reg>, AluOnto<AluOp::Xor, W32, Reg>,
           AluWith<AluOp::Add, W64>, AluWith<AluOp::Add, W32>, AluWith<AluOp::Xor, W64>,
           AluWith<AluOp::Xor, W32>, AluWith<AluOp::Or, W64>, AluWith<AluOp::Or, W32>, LoadFrom<1>,
           LoadFrom<2>, LoadFrom<4>, LoadFrom<8>, StoreOf<1>, StoreOf<4>, StoreOf<8>,
           BranchOn<JumpOp::Eq, W64, Imm, true>, BranchOn<JumpOp::Ne, W64, Imm, true>,
           BranchOn<JumpOp::Eq, W32, Imm, true>, BranchOn<JumpOp::Eq, W64, Imm>,
           BranchOn<JumpOp::Ne, W64, Imm>, BranchOn<JumpOp::Eq, W32, Imm>, BranchOn<JumpOp::Ne, W32, Imm>,
           BranchOn<JumpOp::Gt, W64, Imm>, BranchOn<JumpOp::Gt, W64, Reg>, BranchOn<JumpOp::Lt, W32, Reg>>;

template <typename First, typename... Second>
ChainHandler pair_with(std::uint8_t made, Rest rest, Halves<Second...>) noexcept {
    ChainHandler found = nullptr;
    static_cast<void>(((Second::is(rest, made) && (found = chain_pair<First, Second>) != nullptr) || ...));
    return found;
}

template <typename... First>
ChainHandler pair_of(const isa::Instruction& first, Rest rest, Halves<First...>) noexcept {
    const spec::FormSpec& form = first.spec();
    ChainHandler found = nullptr;
    static_cast<void>(
        ((First::is(form) && ((found = pair_with<First>(first.dst, rest, Seconds())), true)) || ...));
    return found;
}

/// Returns a handler for `first` and the instruction behind it together, or nullptr.
inline ChainHandler select_pair(const isa::Instruction& first, Rest rest) noexcept {
    return rest.empty() ? nullptr : pair_of(first, rest, Firsts());
}

}  // namespace ebpf::interp
