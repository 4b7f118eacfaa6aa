// SPDX-License-Identifier: MIT
// What a conditional jump says about the two numbers it compared.
#include <algorithm>
#include <bit>

#include "domains/reduce.hpp"
#include "domains/scalar.hpp"
#include "domains/view.hpp"

namespace ebpf::domains {
namespace {

using detail::Low;
using detail::View;
using detail::Wide;

// Each narrows both operands to what any pair with the relation must satisfy, and returns false if there is
// no pair.

// a == b: what is known of one holds for the other.
template <typename U>
bool assume_equal(View<U>& a, View<U>& b) noexcept {
    if (((a.value ^ b.value) & ~a.mask & ~b.mask) != 0) return false;
    a.value |= b.value;
    a.mask &= b.mask;
    a.umin = std::max(a.umin, b.umin);
    a.umax = std::min(a.umax, b.umax);
    a.smin = std::max(a.smin, b.smin);
    a.smax = std::min(a.smax, b.smax);
    b = a;
    return a.umin <= a.umax && a.smin <= a.smax;
}

// a != constant: a bound that is the constant moves inwards.
template <typename U>
bool exclude_constant(View<U>& a, U constant) noexcept {
    using S = typename View<U>::S;
    const S as_signed = static_cast<S>(constant);
    if (a.umin == constant && a.umax == constant) return false;
    if (a.umin == constant) ++a.umin;
    if (a.umax == constant) --a.umax;
    if (a.smin == as_signed && a.smax == as_signed) return false;
    if (a.smin == as_signed) ++a.smin;
    if (a.smax == as_signed) --a.smax;
    return true;
}

template <typename U>
bool assume_unequal(View<U>& a, View<U>& b) noexcept {
    const bool a_is_constant = a.is_constant();
    const U a_constant = a.umin;
    if (b.is_constant() && !exclude_constant(a, b.umin)) return false;
    return !a_is_constant || exclude_constant(b, a_constant);
}

// a < b, unsigned: a is below the greatest b, b above the least a. (If no number is, there is no pair.)
template <typename U>
bool assume_below(View<U>& a, View<U>& b) noexcept {
    if (b.umax == 0 || a.umin == View<U>::kMax) return false;
    a.umax = std::min<U>(a.umax, b.umax - 1U);
    b.umin = std::max<U>(b.umin, a.umin + 1U);
    return a.umin <= a.umax && b.umin <= b.umax;
}

template <typename U>
bool assume_not_above(View<U>& a, View<U>& b) noexcept {
    a.umax = std::min(a.umax, b.umax);
    b.umin = std::max(b.umin, a.umin);
    return a.umin <= a.umax && b.umin <= b.umax;
}

// a < b, signed.
template <typename U>
bool assume_less(View<U>& a, View<U>& b) noexcept {
    using S = typename View<U>::S;
    if (b.smax == View<U>::kSignedMin || a.smin == View<U>::kSignedMax) return false;
    a.smax = std::min<S>(a.smax, b.smax - 1);
    b.smin = std::max<S>(b.smin, a.smin + 1);
    return a.smin <= a.smax && b.smin <= b.smax;
}

template <typename U>
bool assume_not_greater(View<U>& a, View<U>& b) noexcept {
    a.smax = std::min(a.smax, b.smax);
    b.smin = std::max(b.smin, a.smin);
    return a.smin <= a.smax && b.smin <= b.smax;
}

// (a & b) != 0: some bit is 1 in both. If only one bit can be, it is; in any case neither number is 0.
template <typename U>
bool assume_common_bit(View<U>& a, View<U>& b) noexcept {
    const U candidates = (a.value | a.mask) & (b.value | b.mask);
    if (candidates == 0 || !exclude_constant(a, U{0}) || !exclude_constant(b, U{0})) return false;
    if (std::has_single_bit(candidates)) {
        a.value |= candidates;
        a.mask &= ~candidates;
        b.value |= candidates;
        b.mask &= ~candidates;
    }
    return true;
}

// (a & b) == 0: where one is known to be 1, the other is 0.
template <typename U>
bool assume_no_common_bit(View<U>& a, View<U>& b) noexcept {
    if ((a.value & b.value) != 0) return false;
    a.mask &= ~b.value;
    b.mask &= ~a.value;
    return true;
}

template <typename U>
bool assume(spec::JumpOp op, bool taken, View<U>& a, View<U>& b) noexcept {
    switch (op) {
        case spec::JumpOp::Eq:
            return taken ? assume_equal(a, b) : assume_unequal(a, b);
        case spec::JumpOp::Ne:
            return taken ? assume_unequal(a, b) : assume_equal(a, b);
        case spec::JumpOp::Gt:
            return taken ? assume_below(b, a) : assume_not_above(a, b);
        case spec::JumpOp::Ge:
            return taken ? assume_not_above(b, a) : assume_below(a, b);
        case spec::JumpOp::Lt:
            return taken ? assume_below(a, b) : assume_not_above(b, a);
        case spec::JumpOp::Le:
            return taken ? assume_not_above(a, b) : assume_below(b, a);
        case spec::JumpOp::SGt:
            return taken ? assume_less(b, a) : assume_not_greater(a, b);
        case spec::JumpOp::SGe:
            return taken ? assume_not_greater(b, a) : assume_less(a, b);
        case spec::JumpOp::SLt:
            return taken ? assume_less(a, b) : assume_not_greater(b, a);
        case spec::JumpOp::SLe:
            return taken ? assume_not_greater(a, b) : assume_less(b, a);
        case spec::JumpOp::Set:
            return taken ? assume_common_bit(a, b) : assume_no_common_bit(a, b);
    }
    return true;
}

}  // namespace

// Soundness: each assume_...() keeps every pair with the relation. For W32 only the low views are narrowed,
// and a number stays exactly if its low half does; the other components follow by reduction.
bool refine(spec::JumpOp op, spec::Width width, bool taken, Scalar& a, Scalar& b) noexcept {
    if (!a.is_bottom() && !b.is_bottom()) {
        Wide wide_a = detail::wide_view(a.parts());
        Wide wide_b = detail::wide_view(b.parts());
        Low low_a = detail::low_view(a.parts());
        Low low_b = detail::low_view(b.parts());
        const bool may_hold =
            width == spec::Width::W64 ? assume(op, taken, wide_a, wide_b) : assume(op, taken, low_a, low_b);
        if (may_hold) {
            a = detail::compose(wide_a, low_a);
            b = detail::compose(wide_b, low_b);
            if (!a.is_bottom() && !b.is_bottom()) return true;
        }
    }
    a = Scalar::bottom();
    b = Scalar::bottom();
    return false;
}

// A number equals itself; it has a bit in common with itself unless it is 0.
bool refine_self(spec::JumpOp op, spec::Width width, bool taken, Scalar& a) noexcept {
    if (a.is_bottom()) return false;
    if (op == spec::JumpOp::Set) {
        Scalar zero = Scalar::constant(0);
        return refine(spec::JumpOp::Ne, width, taken, a, zero);
    }
    const bool holds = op == spec::JumpOp::Eq || op == spec::JumpOp::Ge || op == spec::JumpOp::Le ||
                       op == spec::JumpOp::SGe || op == spec::JumpOp::SLe;
    if (holds == taken) return true;
    a = Scalar::bottom();
    return false;
}

}  // namespace ebpf::domains
