// SPDX-License-Identifier: MIT
// Transfer functions of division and remainder. Division by zero gives 0, remainder by zero the dividend.
#include <algorithm>
#include <bit>

#include "domains/view.hpp"

namespace ebpf::domains::detail {
namespace {

// The low bits in which a remainder agrees with its dividend: it differs by a multiple of the divisor, hence
// by a multiple of every power of two that divides all divisors. (Remainder by zero: it is the dividend.)
template <typename U>
View<U> common_low_bits(const View<U>& a, const View<U>& b) noexcept {
    const int zeros = std::countr_zero(b.value | b.mask);
    if (zeros >= static_cast<int>(View<U>::kBits)) return a;  // the divisor is 0
    const U kept = (U{1} << zeros) - 1U;
    return View<U>::bits(a.value & kept, a.mask | ~kept);
}

// The least and the greatest of the quotients seen.
template <typename S>
struct Quotients {
    S low = std::numeric_limits<S>::max();
    S high = std::numeric_limits<S>::min();
    void add(S quotient) noexcept {
        low = std::min(low, quotient);
        high = std::max(high, quotient);
    }
};

}  // namespace

// Quotients grow with the dividend and shrink with the divisor; a divisor of 0 adds the result 0. Division by
// a power of two moves the known bits.
template <typename U>
View<U> divide_unsigned(const View<U>& a, const View<U>& b) noexcept {
    if (b.umax == 0) return View<U>::constant(0);
    View<U> result;
    if (b.is_constant() && std::has_single_bit(b.umin)) {
        const int count = std::countr_zero(b.umin);
        result = View<U>::bits(a.value >> count, a.mask >> count);
    }
    result.umin = b.contains(0) ? U{0} : a.umin / b.umax;
    result.umax = a.umax / std::max(U{1}, b.umin);
    return result;
}

// A remainder is below its divisor and not above its dividend; a dividend below every divisor but 0 is its
// own remainder, as it is for the divisor 0.
template <typename U>
View<U> modulo_unsigned(const View<U>& a, const View<U>& b) noexcept {
    if (a.umax < std::max(U{1}, b.umin) || b.umax == 0) return a;
    View<U> result = common_low_bits(a, b);
    result.umin = 0;
    result.smin = View<U>::kSignedMin;
    result.smax = View<U>::kSignedMax;
    result.umax = b.contains(0) ? a.umax : std::min<U>(a.umax, b.umax - 1U);
    return result;
}

// Over positive divisors, and over negative ones, the truncated quotient is monotone in each operand for a
// fixed other one, so its extremes are at the corners of the two boxes. The one overflow, least / -1, leaves
// the result unknown; a divisor of 0 adds the result 0.
template <typename U>
View<U> divide_signed(const View<U>& a, const View<U>& b) noexcept {
    using S = typename View<U>::S;
    const bool has_negative = b.smin <= -1;
    const bool has_positive = b.smax >= 1;
    if (a.smin == View<U>::kSignedMin && has_negative && b.smax >= -1) return View<U>{};
    Quotients<S> quotients;
    for (const S dividend : {a.smin, a.smax}) {
        if (has_positive) {
            quotients.add(dividend / std::max<S>(1, b.smin));
            quotients.add(dividend / b.smax);
        }
        if (has_negative) {
            quotients.add(dividend / b.smin);
            quotients.add(dividend / std::min<S>(-1, b.smax));
        }
    }
    if (b.contains(0)) quotients.add(0);
    if (quotients.low > quotients.high) return View<U>{};
    return View<U>::signed_range(quotients.low, quotients.high);
}

// A remainder has its dividend's sign or is 0; its magnitude is below the divisor's and not above the
// dividend's.
template <typename U>
View<U> modulo_signed(const View<U>& a, const View<U>& b) noexcept {
    using S = typename View<U>::S;
    if (b.smin == 0 && b.smax == 0) return a;
    View<U> result = common_low_bits(a, b);
    result.umin = 0;
    result.umax = View<U>::kMax;
    result.smin = std::min<S>(a.smin, 0);
    result.smax = std::max<S>(a.smax, 0);
    if (b.contains(0)) return result;
    // The greatest magnitude less one: ~x is -x - 1, which cannot overflow.
    const S limit = std::max<S>(b.smin < 0 ? ~b.smin : b.smin - 1, b.smax > 0 ? b.smax - 1 : ~b.smax);
    result.smin = std::max<S>(result.smin, -limit);
    result.smax = std::min<S>(result.smax, limit);
    return result;
}

template View<std::uint32_t> divide_unsigned(const View<std::uint32_t>&, const View<std::uint32_t>&) noexcept;
template View<std::uint64_t> divide_unsigned(const View<std::uint64_t>&, const View<std::uint64_t>&) noexcept;
template View<std::uint32_t> modulo_unsigned(const View<std::uint32_t>&, const View<std::uint32_t>&) noexcept;
template View<std::uint64_t> modulo_unsigned(const View<std::uint64_t>&, const View<std::uint64_t>&) noexcept;
template View<std::uint32_t> divide_signed(const View<std::uint32_t>&, const View<std::uint32_t>&) noexcept;
template View<std::uint64_t> divide_signed(const View<std::uint64_t>&, const View<std::uint64_t>&) noexcept;
template View<std::uint32_t> modulo_signed(const View<std::uint32_t>&, const View<std::uint32_t>&) noexcept;
template View<std::uint64_t> modulo_signed(const View<std::uint64_t>&, const View<std::uint64_t>&) noexcept;

}  // namespace ebpf::domains::detail
