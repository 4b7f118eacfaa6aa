// SPDX-License-Identifier: MIT
// Transfer functions of arithmetic, bitwise and shift operators. Division: divide.cpp; changes of size:
// resize.cpp.
#include <algorithm>
#include <bit>

#include "domains/scalar.hpp"
#include "domains/view.hpp"
#include "isa/semantics.hpp"

namespace ebpf::domains {
namespace {

using detail::Low;
using detail::View;
using detail::Wide;

// Sum: a bit of a sum is known if both operands' bits are and the carry into it is. Carries grow with the
// operands, so a carry that the least and the greatest sum agree on is the same in all; where they differ, or
// an operand's bit is unknown, the bit is unknown.
template <typename U>
View<U> add_bits(const View<U>& a, const View<U>& b) noexcept {
    const U least = a.value + b.value;
    const U greatest = least + a.mask + b.mask;
    return View<U>::bits(least, (least ^ greatest) | a.mask | b.mask);
}

// Difference: the same with borrows, between the least difference (least a, greatest b) and the greatest one.
template <typename U>
View<U> subtract_bits(const View<U>& a, const View<U>& b) noexcept {
    const U exact = a.value - b.value;
    return View<U>::bits(exact, ((exact + a.mask) ^ (exact - b.mask)) | a.mask | b.mask);
}

// Sum of ranges: the end points' sums hold all sums if both wrap around equally often, for then so do all
// between.
template <typename U>
View<U> add(const View<U>& a, const View<U>& b) noexcept {
    View<U> result = add_bits(a, b);
    U low = 0;
    U high = 0;
    if (__builtin_add_overflow(a.umin, b.umin, &low) == __builtin_add_overflow(a.umax, b.umax, &high)) {
        result.umin = low;
        result.umax = high;
    }
    // Sums of two overflow once at most, in the direction of the operands' common sign; if the least sum
    // overflows upwards so does the greatest, and they wrap equally. If only one does, or each in its own
    // direction, unknown.
    typename View<U>::S signed_low = 0;
    typename View<U>::S signed_high = 0;
    const bool low_wraps = __builtin_add_overflow(a.smin, b.smin, &signed_low);
    const bool high_wraps = __builtin_add_overflow(a.smax, b.smax, &signed_high);
    if (low_wraps == high_wraps && (!low_wraps || (a.smin < 0) == (a.smax < 0))) {
        result.smin = signed_low;
        result.smax = signed_high;
    }
    return result;
}

// Difference of ranges: as the sum, with the second operand's ends exchanged.
template <typename U>
View<U> subtract(const View<U>& a, const View<U>& b) noexcept {
    View<U> result = subtract_bits(a, b);
    U low = 0;
    U high = 0;
    if (__builtin_sub_overflow(a.umin, b.umax, &low) == __builtin_sub_overflow(a.umax, b.umin, &high)) {
        result.umin = low;
        result.umax = high;
    }
    typename View<U>::S signed_low = 0;
    typename View<U>::S signed_high = 0;
    const bool low_wraps = __builtin_sub_overflow(a.smin, b.smax, &signed_low);
    const bool high_wraps = __builtin_sub_overflow(a.smax, b.smin, &signed_high);
    if (low_wraps == high_wraps && (!low_wraps || (a.smin < 0) == (a.smax < 0))) {
        result.smin = signed_low;
        result.smax = signed_high;
    }
    return result;
}

// Product of known bits: the sum of b shifted to each bit of a; for an unknown bit of a the summand is 0 or
// shifted b, whose possible ones are all that may be set. Each step over-approximates a sum, so the whole
// does.
template <typename U>
View<U> multiply_bits(const View<U>& a, const View<U>& b) noexcept {
    View<U> sum = View<U>::bits(0, 0);
    for (U rest = a.value | a.mask; rest != 0; rest &= rest - 1) {
        const int at = std::countr_zero(rest);
        const bool is_known = (a.mask >> at & 1U) == 0;
        const View<U> summand = is_known ? View<U>::bits(b.value << at, b.mask << at)
                                         : View<U>::bits(0, (b.value | b.mask) << at);
        sum = add_bits(sum, summand);
    }
    return sum;
}

// Product of ranges: without overflow at the ends there is none between. Unsigned products grow in both
// operands; signed products are monotone in each operand for a fixed other one, so their extremes are at
// corners.
template <typename U>
View<U> multiply(const View<U>& a, const View<U>& b) noexcept {
    using S = typename View<U>::S;
    View<U> result = multiply_bits(a, b);
    U low = 0;
    U high = 0;
    if (!__builtin_mul_overflow(a.umin, b.umin, &low) && !__builtin_mul_overflow(a.umax, b.umax, &high)) {
        result.umin = low;
        result.umax = high;
    }
    S corners[4] = {};
    if (!__builtin_mul_overflow(a.smin, b.smin, &corners[0]) &&
        !__builtin_mul_overflow(a.smin, b.smax, &corners[1]) &&
        !__builtin_mul_overflow(a.smax, b.smin, &corners[2]) &&
        !__builtin_mul_overflow(a.smax, b.smax, &corners[3])) {
        const auto [least, greatest] = std::minmax({corners[0], corners[1], corners[2], corners[3]});
        result.smin = least;
        result.smax = greatest;
    }
    return result;
}

// Numbers in [-2^k, 2^k) have copies of the sign in all bits from k up. Bitwise operators keep that property,
// so with the least such k for both operands the result is in the same range.
template <typename U>
void keep_sign_copies(const View<U>& a, const View<U>& b, View<U>& result) noexcept {
    using S = typename View<U>::S;
    U magnitude = 0;
    for (const S end : {a.smin, a.smax, b.smin, b.smax}) magnitude |= static_cast<U>(end < 0 ? ~end : end);
    const U all_below = magnitude == 0 ? U{0} : static_cast<U>(View<U>::kMax >> std::countl_zero(magnitude));
    result.smin = static_cast<S>(~all_below);
    result.smax = static_cast<S>(all_below);
}

// A bit of a conjunction is 1 where both are, 0 where one is. A conjunction does not exceed either operand
// (unsigned).
template <typename U>
View<U> conjoin(const View<U>& a, const View<U>& b) noexcept {
    const U may_be_one = (a.value | a.mask) & (b.value | b.mask);
    const U is_one = a.value & b.value;
    View<U> result = View<U>::bits(is_one, may_be_one & ~is_one);
    result.umax = std::min(a.umax, b.umax);
    keep_sign_copies(a, b, result);
    return result;
}

// A bit of a disjunction is 1 where one is, 0 where both are. A disjunction is not below either operand
// (unsigned).
template <typename U>
View<U> disjoin(const View<U>& a, const View<U>& b) noexcept {
    const U is_one = a.value | b.value;
    View<U> result = View<U>::bits(is_one, (a.mask | b.mask) & ~is_one);
    result.umin = std::max(a.umin, b.umin);
    keep_sign_copies(a, b, result);
    return result;
}

// A bit of an exclusive disjunction is known where both are.
template <typename U>
View<U> exclude(const View<U>& a, const View<U>& b) noexcept {
    View<U> result = View<U>::bits(a.value ^ b.value, a.mask | b.mask);
    keep_sign_copies(a, b, result);
    return result;
}

// Left shift by a known count: bits move. If all numbers of an unsigned range agree in the bits shifted out,
// the rest keeps its order. If the signed ends survive the shift and back, no number between them loses its
// sign.
template <typename U>
View<U> shift_left(const View<U>& a, unsigned count) noexcept {
    using S = typename View<U>::S;
    if (count == 0) return a;
    View<U> result = View<U>::bits(static_cast<U>(a.value << count), static_cast<U>(a.mask << count));
    const unsigned kept = View<U>::kBits - count;
    if (a.umin >> kept == a.umax >> kept) {
        result.umin = static_cast<U>(a.umin << count);
        result.umax = static_cast<U>(a.umax << count);
    }
    const S low = static_cast<S>(static_cast<U>(a.smin) << count);
    const S high = static_cast<S>(static_cast<U>(a.smax) << count);
    if (low >> count == a.smin && high >> count == a.smax) {
        result.smin = low;
        result.smax = high;
    }
    return result;
}

// Right shift by a known count: bits move, unsigned order is kept.
template <typename U>
View<U> shift_right(const View<U>& a, unsigned count) noexcept {
    if (count == 0) return a;
    View<U> result = View<U>::bits(a.value >> count, a.mask >> count);
    result.umin = a.umin >> count;
    result.umax = a.umax >> count;
    return result;
}

// Arithmetic right shift by a known count: bits move, with copies of the sign bit, known or unknown; signed
// order is kept.
template <typename U>
View<U> shift_right_signed(const View<U>& a, unsigned count) noexcept {
    using S = typename View<U>::S;
    if (count == 0) return a;
    View<U> result = View<U>::bits(static_cast<U>(static_cast<S>(a.value) >> count),
                                   static_cast<U>(static_cast<S>(a.mask) >> count));
    result.smin = a.smin >> count;
    result.smax = a.smax >> count;
    return result;
}

template <typename U>
View<U> shift(spec::AluOp op, const View<U>& a, unsigned count) noexcept {
    if (op == spec::AluOp::Lsh) return shift_left(a, count);
    return op == spec::AluOp::Rsh ? shift_right(a, count) : shift_right_signed(a, count);
}

// The upper half of a left shift by 32 or more is the low half of the operand, shifted by the rest.
Wide raised(const Low& low) noexcept {
    Wide result = Wide::bits(std::uint64_t{low.value} << 32U, std::uint64_t{low.mask} << 32U);
    result.umin = std::uint64_t{low.umin} << 32U;
    result.umax = std::uint64_t{low.umax} << 32U;
    result.smin = std::int64_t{low.smin} * (std::int64_t{1} << 32U);
    result.smax = std::int64_t{low.smax} * (std::int64_t{1} << 32U);
    return result;
}

Scalar shift_by(spec::AluOp op, spec::Width width, const ScalarParts& a, unsigned count) noexcept {
    const Low low = detail::low_view(a);
    if (width == spec::Width::W32) return detail::zero_extended(shift(op, low, count));
    const Wide wide = shift(op, detail::wide_view(a), count);
    if (op != spec::AluOp::Lsh) return detail::compose(wide, count == 0 ? low : Low{});
    if (count < 32) return detail::compose(wide, shift_left(low, count));
    return detail::compose(wide, Low::constant(0))
        .meet(detail::compose(raised(shift_left(low, count - 32)), Low{}));
}

// Shift by any count in [first, last]. Left: the operand's known trailing zeros grow by at least `first`;
// without overflow at the greatest count the ends are those of the smallest operand and count, and of the
// greatest. Right: unsigned numbers shrink with the count. Arithmetic right: numbers approach 0, or -1 from
// below.
template <typename U>
View<U> shift_between(spec::AluOp op, const View<U>& a, unsigned first, unsigned last) noexcept {
    if (op == spec::AluOp::Rsh) return View<U>::unsigned_range(a.umin >> last, a.umax >> first);
    if (op == spec::AluOp::Arsh) {
        return View<U>::signed_range(a.smin >> (a.smin < 0 ? first : last),
                                     a.smax >> (a.smax < 0 ? last : first));
    }
    const unsigned zeros = static_cast<unsigned>(std::countr_zero(a.value | a.mask)) + first;
    View<U> result =
        View<U>::bits(0, zeros >= View<U>::kBits ? U{0} : static_cast<U>(View<U>::kMax << zeros));
    if (a.umax <= View<U>::kMax >> last) {
        result.umin = static_cast<U>(a.umin << first);
        result.umax = static_cast<U>(a.umax << last);
    }
    return result;
}

// Shift by a count that may vary; only its low 6 (W32: 5) bits matter. Few possible counts: the union over
// them. Many: what holds for all counts between the least and the greatest.
Scalar shift_any(spec::AluOp op, spec::Width width, const ScalarParts& a, const ScalarParts& b) noexcept {
    constexpr unsigned kFewCounts = 4;
    const unsigned last = width == spec::Width::W64 ? 63 : 31;
    const Low count = detail::low_view(b);
    const bool is_in_range = width == spec::Width::W64 ? b.umax <= last : count.umax <= last;
    unsigned counts[64] = {};
    unsigned size = 0;
    for (unsigned candidate = 0; candidate <= last; ++candidate) {
        if (is_in_range && !count.contains(candidate)) continue;
        if (((candidate ^ count.value) & ~count.mask & last) == 0) counts[size++] = candidate;
    }
    if (size > kFewCounts) {
        const unsigned least = counts[0];
        const unsigned greatest = counts[size - 1];
        if (width == spec::Width::W32) {
            return detail::zero_extended(shift_between(op, detail::low_view(a), least, greatest));
        }
        return detail::compose(shift_between(op, detail::wide_view(a), least, greatest), Low{});
    }
    Scalar result = Scalar::bottom();
    for (unsigned i = 0; i < size; ++i) result = result.join(shift_by(op, width, a, counts[i]));
    return Scalar::from_parts(result.parts());
}

template <typename U>
View<U> combine(spec::AluOp op, const View<U>& a, const View<U>& b) noexcept {
    if (a.is_constant() && b.is_constant()) {
        constexpr spec::Width kWidth = View<U>::kBits == 64 ? spec::Width::W64 : spec::Width::W32;
        return View<U>::constant(static_cast<U>(isa::eval_alu(op, kWidth, a.umin, b.umin)));
    }
    switch (op) {
        case spec::AluOp::Add:
            return add(a, b);
        case spec::AluOp::Sub:
            return subtract(a, b);
        case spec::AluOp::Mul:
            return multiply(a, b);
        case spec::AluOp::Div:
            return detail::divide_unsigned(a, b);
        case spec::AluOp::SDiv:
            return detail::divide_signed(a, b);
        case spec::AluOp::Mod:
            return detail::modulo_unsigned(a, b);
        case spec::AluOp::SMod:
            return detail::modulo_signed(a, b);
        case spec::AluOp::And:
            return conjoin(a, b);
        case spec::AluOp::Or:
            return disjoin(a, b);
        case spec::AluOp::Xor:
            return exclude(a, b);
        case spec::AluOp::Mov:
            return b;
        case spec::AluOp::Lsh:
        case spec::AluOp::Rsh:
        case spec::AluOp::Arsh:
            break;
    }
    return View<U>{};
}

// True if the low half of a 64-bit result is the 32-bit operator's result on the low halves.
bool is_closed_on_low_half(spec::AluOp op) noexcept {
    switch (op) {
        case spec::AluOp::Add:
        case spec::AluOp::Sub:
        case spec::AluOp::Mul:
        case spec::AluOp::And:
        case spec::AluOp::Or:
        case spec::AluOp::Xor:
        case spec::AluOp::Mov:
            return true;
        case spec::AluOp::Div:
        case spec::AluOp::SDiv:
        case spec::AluOp::Mod:
        case spec::AluOp::SMod:
        case spec::AluOp::Lsh:
        case spec::AluOp::Rsh:
        case spec::AluOp::Arsh:
            break;
    }
    return false;
}

bool is_shift(spec::AluOp op) noexcept {
    return op == spec::AluOp::Lsh || op == spec::AluOp::Rsh || op == spec::AluOp::Arsh;
}

}  // namespace

// Soundness: W32 reads low halves only and zero-extends, so the low views' result, zero-extended, holds all
// results. W64: the wide views' result holds all results; for operators closed on low halves the low views'
// result holds all their low halves, so the intersection does too.
Scalar alu(spec::AluOp op, spec::Width width, const Scalar& a, const Scalar& b) noexcept {
    if (a.is_bottom() || b.is_bottom()) return Scalar::bottom();
    if (a.is_constant() && b.is_constant())
        return Scalar::constant(isa::eval_alu(op, width, a.value(), b.value()));
    if (is_shift(op)) return shift_any(op, width, a.parts(), b.parts());
    const Low low_a = detail::low_view(a.parts());
    const Low low_b = detail::low_view(b.parts());
    if (width == spec::Width::W32) return detail::zero_extended(combine(op, low_a, low_b));
    const Wide wide = combine(op, detail::wide_view(a.parts()), detail::wide_view(b.parts()));
    return detail::compose(wide, is_closed_on_low_half(op) ? combine(op, low_a, low_b) : Low{});
}

}  // namespace ebpf::domains
