// SPDX-License-Identifier: MIT
// View: one width of a Scalar, so that each transfer function is written once for 64 and for 32 bits. Private
// to domains/.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "domains/scalar.hpp"

namespace ebpf::domains::detail {

/// Known bits, unsigned and signed range of a number of the width of U.
template <typename U>
struct View {
    using S = std::make_signed_t<U>;
    static constexpr unsigned kBits = std::numeric_limits<U>::digits;
    static constexpr U kMax = std::numeric_limits<U>::max();
    static constexpr U kSign = U{1} << (kBits - 1);
    static constexpr S kSignedMin = std::numeric_limits<S>::min();
    static constexpr S kSignedMax = std::numeric_limits<S>::max();

    U value = 0;
    U mask = kMax;
    U umin = 0;
    U umax = kMax;
    S smin = kSignedMin;
    S smax = kSignedMax;

    friend constexpr bool operator==(const View&, const View&) noexcept = default;
    static constexpr View constant(U number) noexcept {
        return {number, 0, number, number, static_cast<S>(number), static_cast<S>(number)};
    }
    static constexpr View bits(U value, U mask) noexcept {
        View view;
        view.value = value & ~mask;
        view.mask = mask;
        return view;
    }
    static constexpr View unsigned_range(U low, U high) noexcept {
        View view;
        view.umin = low;
        view.umax = high;
        return view;
    }
    static constexpr View signed_range(S low, S high) noexcept {
        View view;
        view.smin = low;
        view.smax = high;
        return view;
    }
    [[nodiscard]] constexpr bool is_constant() const noexcept { return umin == umax; }
    [[nodiscard]] constexpr bool contains(U number) const noexcept {
        const S as_signed = static_cast<S>(number);
        return (number & ~mask) == value && umin <= number && number <= umax && smin <= as_signed &&
               as_signed <= smax;
    }
};

using Wide = View<std::uint64_t>;
using Low = View<std::uint32_t>;

constexpr Wide wide_view(const ScalarParts& parts) noexcept {
    return {parts.bits.value, parts.bits.mask, parts.umin, parts.umax, parts.smin, parts.smax};
}

constexpr Low low_view(const ScalarParts& parts) noexcept {
    return {static_cast<std::uint32_t>(parts.bits.value),
            static_cast<std::uint32_t>(parts.bits.mask),
            parts.umin32,
            parts.umax32,
            parts.smin32,
            parts.smax32};
}

/// Requires: both views know the same bits of the low half.
constexpr ScalarParts parts_of(const Wide& wide, const Low& low) noexcept {
    return {{wide.value, wide.mask},
            wide.umin,
            wide.umax,
            wide.smin,
            wide.smax,
            low.umin,
            low.umax,
            low.smin,
            low.smax};
}

/// The numbers whose whole is in `wide` and whose low half is in `low`.
Scalar compose(const Wide& wide, const Low& low) noexcept;

/// The numbers of `low`, zero-extended.
Scalar zero_extended(const Low& low) noexcept;

// Division, in divide.cpp. Each holds isa::eval_alu of its operator for all pairs of the width.
template <typename U>
View<U> divide_unsigned(const View<U>& a, const View<U>& b) noexcept;
template <typename U>
View<U> modulo_unsigned(const View<U>& a, const View<U>& b) noexcept;
template <typename U>
View<U> divide_signed(const View<U>& a, const View<U>& b) noexcept;
template <typename U>
View<U> modulo_signed(const View<U>& a, const View<U>& b) noexcept;

}  // namespace ebpf::domains::detail
