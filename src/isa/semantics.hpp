// SPDX-License-Identifier: MIT
// What each operator does to values: the one definition that interpreter, constant folding and tests use.
// Pure functions over 64-bit register contents; memory, control flow and register numbers live elsewhere.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "spec/instructions.hpp"

namespace ebpf::isa {

// ByteOrder "le" is a truncation and memory images equal values only on such hosts.
static_assert(std::endian::native == std::endian::little, "operators are defined for little-endian hosts");

/// Returns the low `size` bytes of `value`, zero-extended. Requires: size is 1, 2, 4 or 8.
constexpr std::uint64_t zero_extend(std::uint8_t size, std::uint64_t value) noexcept {
    if (size >= sizeof(std::uint64_t)) return value;
    return value & ((std::uint64_t{1} << (size * 8U)) - 1U);
}

/// Returns the low `size` bytes of `value`, sign-extended to 64 bits. Requires: size is 1, 2, 4 or 8.
constexpr std::uint64_t sign_extend(std::uint8_t size, std::uint64_t value) noexcept {
    const unsigned unused_bits = 64U - size * 8U;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused_bits) >> unused_bits);
}

namespace detail {

// Signed division wraps instead of trapping: the least value divided by -1 is itself, its remainder 0.
template <typename Unsigned, typename Signed>
constexpr Unsigned divide_signed(Unsigned a, Unsigned b) noexcept {
    const auto dividend = static_cast<Signed>(a);
    const auto divisor = static_cast<Signed>(b);
    if (divisor == 0) return 0;
    if (divisor == -1) return Unsigned{0} - a;
    return static_cast<Unsigned>(dividend / divisor);
}

template <typename Unsigned, typename Signed>
constexpr Unsigned modulo_signed(Unsigned a, Unsigned b) noexcept {
    const auto dividend = static_cast<Signed>(a);
    const auto divisor = static_cast<Signed>(b);
    if (divisor == 0) return a;
    if (divisor == -1) return 0;
    return static_cast<Unsigned>(dividend % divisor);
}

template <typename Unsigned, typename Signed>
constexpr Unsigned alu(spec::AluOp op, Unsigned a, Unsigned b) noexcept {
    constexpr Unsigned kShiftMask = std::numeric_limits<Unsigned>::digits - 1;
    switch (op) {
        case spec::AluOp::Add:
            return a + b;
        case spec::AluOp::Sub:
            return a - b;
        case spec::AluOp::Mul:
            return a * b;
        case spec::AluOp::Div:
            return b == 0 ? Unsigned{0} : a / b;
        case spec::AluOp::SDiv:
            return divide_signed<Unsigned, Signed>(a, b);
        case spec::AluOp::Or:
            return a | b;
        case spec::AluOp::And:
            return a & b;
        case spec::AluOp::Lsh:
            return a << (b & kShiftMask);
        case spec::AluOp::Rsh:
            return a >> (b & kShiftMask);
        case spec::AluOp::Mod:
            return b == 0 ? a : a % b;
        case spec::AluOp::SMod:
            return modulo_signed<Unsigned, Signed>(a, b);
        case spec::AluOp::Xor:
            return a ^ b;
        case spec::AluOp::Mov:
            return b;
        case spec::AluOp::Arsh:
            return static_cast<Unsigned>(static_cast<Signed>(a) >> (b & kShiftMask));
    }
    return 0;
}

template <typename Unsigned, typename Signed>
constexpr bool jump(spec::JumpOp op, Unsigned a, Unsigned b) noexcept {
    const auto signed_a = static_cast<Signed>(a);
    const auto signed_b = static_cast<Signed>(b);
    switch (op) {
        case spec::JumpOp::Eq:
            return a == b;
        case spec::JumpOp::Gt:
            return a > b;
        case spec::JumpOp::Ge:
            return a >= b;
        case spec::JumpOp::Set:
            return (a & b) != 0;
        case spec::JumpOp::Ne:
            return a != b;
        case spec::JumpOp::SGt:
            return signed_a > signed_b;
        case spec::JumpOp::SGe:
            return signed_a >= signed_b;
        case spec::JumpOp::Lt:
            return a < b;
        case spec::JumpOp::Le:
            return a <= b;
        case spec::JumpOp::SLt:
            return signed_a < signed_b;
        case spec::JumpOp::SLe:
            return signed_a <= signed_b;
    }
    return false;
}

}  // namespace detail

/// Returns dst after `dst op= source`, where `a` is dst and `b` is the source (an immediate: sign-extended).
/// W32 computes on the low halves and zero-extends. Division by zero gives 0; modulo by zero leaves dst
/// (W32: its low half); the least signed value divided by -1 gives itself, remainder 0; shift counts are
/// taken modulo the width.
/// Source: RFC 9669 section 4.1; the -1 case, which it leaves open: Linux kernel/bpf/verifier.c,
/// do_misc_fixups.
constexpr std::uint64_t eval_alu(spec::AluOp op, spec::Width width, std::uint64_t a,
                                 std::uint64_t b) noexcept {
    if (width == spec::Width::W64) return detail::alu<std::uint64_t, std::int64_t>(op, a, b);
    return detail::alu<std::uint32_t, std::int32_t>(op, static_cast<std::uint32_t>(a),
                                                    static_cast<std::uint32_t>(b));
}

/// Returns -a; W32: of the low half, zero-extended. Source: RFC 9669 section 4.1.
constexpr std::uint64_t eval_negate(spec::Width width, std::uint64_t a) noexcept {
    return eval_alu(spec::AluOp::Sub, width, 0, a);
}

/// Returns the low `size` bytes of `a` sign-extended to `width`, then zero-extended to 64 bits.
/// Source: RFC 9669 section 4.1 (MOVSX).
constexpr std::uint64_t eval_move_sx(spec::Width width, std::uint8_t size, std::uint64_t a) noexcept {
    const std::uint64_t extended = sign_extend(size, a);
    return width == spec::Width::W64 ? extended : zero_extend(4, extended);
}

/// Returns the low `size` bytes of `a` in the asked byte order, zero-extended. Requires: size is 2, 4 or 8.
/// Source: RFC 9669 section 4.2.
constexpr std::uint64_t eval_byte_order(spec::ByteOrderOp op, std::uint8_t size, std::uint64_t a) noexcept {
    switch (op) {
        case spec::ByteOrderOp::ToLittle:
            return zero_extend(size, a);
        case spec::ByteOrderOp::ToBig:
        case spec::ByteOrderOp::Swap:
            break;
    }
    return std::byteswap(a) >> (64U - size * 8U);
}

/// Returns whether `a op b` holds; W32 compares the low halves. An immediate is passed sign-extended.
/// Source: RFC 9669 section 4.3.
constexpr bool eval_jump(spec::JumpOp op, spec::Width width, std::uint64_t a, std::uint64_t b) noexcept {
    if (width == spec::Width::W64) return detail::jump<std::uint64_t, std::int64_t>(op, a, b);
    return detail::jump<std::uint32_t, std::int32_t>(op, static_cast<std::uint32_t>(a),
                                                     static_cast<std::uint32_t>(b));
}

/// Returns the operator that holds of (b, a) exactly when `op` holds of (a, b).
constexpr spec::JumpOp exchanged(spec::JumpOp op) noexcept {
    switch (op) {
        case spec::JumpOp::Gt:
            return spec::JumpOp::Lt;
        case spec::JumpOp::Ge:
            return spec::JumpOp::Le;
        case spec::JumpOp::Lt:
            return spec::JumpOp::Gt;
        case spec::JumpOp::Le:
            return spec::JumpOp::Ge;
        case spec::JumpOp::SGt:
            return spec::JumpOp::SLt;
        case spec::JumpOp::SGe:
            return spec::JumpOp::SLe;
        case spec::JumpOp::SLt:
            return spec::JumpOp::SGt;
        case spec::JumpOp::SLe:
            return spec::JumpOp::SGe;
        case spec::JumpOp::Eq:
        case spec::JumpOp::Ne:
        case spec::JumpOp::Set:
            break;
    }
    return op;
}

/// Returns what an atomic operation stores into a cell of `size` bytes that holds `old`; zero-extended.
/// `operand` is src; `expected` is r0 and matters to Cmpxchg only, which stores `operand` where the low
/// `size` bytes of `old` and `expected` agree and `old` where they do not. What a fetch returns is
/// zero_extend(size, old). Requires: size is 4 or 8.
/// Source: RFC 9669 section 5.3.
constexpr std::uint64_t eval_atomic(spec::AtomicOp op, std::uint8_t size, std::uint64_t old,
                                    std::uint64_t operand, std::uint64_t expected) noexcept {
    switch (op) {
        case spec::AtomicOp::Add:
            return zero_extend(size, old + operand);
        case spec::AtomicOp::Or:
            return zero_extend(size, old | operand);
        case spec::AtomicOp::And:
            return zero_extend(size, old & operand);
        case spec::AtomicOp::Xor:
            return zero_extend(size, old ^ operand);
        case spec::AtomicOp::Xchg:
            return zero_extend(size, operand);
        case spec::AtomicOp::Cmpxchg:
            break;
    }
    const bool agree = zero_extend(size, old) == zero_extend(size, expected);
    return zero_extend(size, agree ? operand : old);
}

}  // namespace ebpf::isa
