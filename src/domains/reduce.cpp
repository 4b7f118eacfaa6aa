// SPDX-License-Identifier: MIT
#include "domains/reduce.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include "domains/view.hpp"

namespace ebpf::domains::detail {
namespace {

constexpr unsigned kMaxRounds = 16;
constexpr std::uint64_t kHalfSpan = std::uint64_t{1} << 31U;  // moves signed 32-bit order onto unsigned order
constexpr std::uint64_t kLowMask = 0xffff'ffff;

// All bits from the highest set bit of `number` down.
template <typename U>
constexpr U fill_below(U number) noexcept {
    return number == 0 ? U{0} : static_cast<U>(std::numeric_limits<U>::max() >> std::countl_zero(number));
}

// The least number >= bound with the known bits (value, mask).
// If bound disagrees, take its highest disagreeing bit. Where the known bit is 1 and bound's is 0, setting it
// already exceeds bound, so everything below is free and takes its least value. Where the known bit is 0 and
// bound's is 1, the number must exceed bound at an unknown bit further up that is 0 in bound: the lowest such
// bit is the least choice.
template <typename U>
std::optional<U> least_from(U bound, U value, U mask) noexcept {
    const U wrong = (bound ^ value) & ~mask;
    if (wrong == 0) return bound;
    const U from_wrong = fill_below(wrong);  // the highest wrong bit and all below
    const U top_wrong = from_wrong ^ (from_wrong >> 1U);
    if ((value & top_wrong) != 0) return static_cast<U>((bound & ~from_wrong) | (value & from_wrong));
    const U raisable = mask & ~bound & ~from_wrong;
    if (raisable == 0) return std::nullopt;
    const U raised = raisable & (~raisable + 1U);
    const U below = raised - 1U;
    return static_cast<U>((bound & ~(raised | below)) | raised | (value & below));
}

// The greatest number <= bound with the known bits: complementing turns the order around.
template <typename U>
std::optional<U> greatest_to(U bound, U value, U mask) noexcept {
    const std::optional<U> found = least_from<U>(~bound, ~value & ~mask, mask);
    if (!found) return std::nullopt;
    return static_cast<U>(~*found);
}

// Bounds move inwards to numbers with the known bits. Flipping the sign bit turns signed order into unsigned
// order.
template <typename U>
bool bits_to_bounds(View<U>& view) noexcept {
    using S = typename View<U>::S;
    constexpr U kSign = View<U>::kSign;
    const auto umin = least_from(view.umin, view.value, view.mask);
    const auto umax = greatest_to(view.umax, view.value, view.mask);
    const U flipped = (view.mask & kSign) != 0 ? view.value : view.value ^ kSign;
    const auto smin = least_from<U>(static_cast<U>(view.smin) ^ kSign, flipped, view.mask);
    const auto smax = greatest_to<U>(static_cast<U>(view.smax) ^ kSign, flipped, view.mask);
    if (!umin || !umax || !smin || !smax) return false;
    view.umin = *umin;
    view.umax = *umax;
    view.smin = static_cast<S>(*smin ^ kSign);
    view.smax = static_cast<S>(*smax ^ kSign);
    return true;
}

// All numbers between two bounds share the bounds' common leading bits.
template <typename U>
bool bounds_to_bits(View<U>& view) noexcept {
    const U open = fill_below(view.umin ^ view.umax);
    const U known = ~open;
    if (((view.umin ^ view.value) & known & ~view.mask) != 0) return false;
    view.value |= view.umin & known & view.mask;
    view.mask &= open;
    return true;
}

// A signed range that does not cross zero is one unsigned range; one that does is [0, smax] and [smin, top],
// of which the unsigned range may touch only one. The same the other way round, with the sign change as the
// border.
template <typename U>
bool signs_to_bounds(View<U>& view) noexcept {
    using S = typename View<U>::S;
    const U low = static_cast<U>(view.smin);
    const U high = static_cast<U>(view.smax);
    if (low <= high) {
        view.umin = std::max(view.umin, low);
        view.umax = std::min(view.umax, high);
    } else {
        if (view.umin > high) view.umin = std::max(view.umin, low);
        if (view.umax < low) view.umax = std::min(view.umax, high);
    }
    if (view.umin > view.umax) return false;
    const S first = static_cast<S>(view.umin);
    const S last = static_cast<S>(view.umax);
    if (first <= last) {
        view.smin = std::max(view.smin, first);
        view.smax = std::min(view.smax, last);
    } else {
        if (view.smin > last) view.smin = std::max(view.smin, first);
        if (view.smax < first) view.smax = std::min(view.smax, last);
    }
    return view.smin <= view.smax;
}

template <typename U>
bool reduce_view(View<U>& view) noexcept {
    return view.umin <= view.umax && view.smin <= view.smax && signs_to_bounds(view) &&
           bits_to_bounds(view) && signs_to_bounds(view) && bounds_to_bits(view);
}

// Fewer than 2^32 consecutive numbers: their low halves are consecutive too, and do not wrap exactly if the
// first low half is not above the last, in the order asked for.
void wide_to_low(std::uint64_t first, std::uint64_t last, Low& low) noexcept {
    if (last - first > kLowMask) return;
    const auto low_first = static_cast<std::uint32_t>(first);
    const auto low_last = static_cast<std::uint32_t>(last);
    if (low_first <= low_last) {
        low.umin = std::max(low.umin, low_first);
        low.umax = std::min(low.umax, low_last);
    }
    const auto signed_first = static_cast<std::int32_t>(low_first);
    const auto signed_last = static_cast<std::int32_t>(low_last);
    if (signed_first <= signed_last) {
        low.smin = std::max(low.smin, signed_first);
        low.smax = std::min(low.smax, signed_last);
    }
}

// The range [first, last], in unsigned order, shrunk to ends whose low half, plus `shift`, lies in [low,
// high]. With shift = 2^31 the low halves are in signed order. Ends too near to 2^64 to be shifted are left
// alone.
bool low_to_wide(std::uint64_t& first, std::uint64_t& last, std::uint64_t shift, std::uint64_t low,
                 std::uint64_t high) noexcept {
    std::uint64_t shifted = first + shift;
    if (shifted >= shift) {
        const std::uint64_t half = shifted & kLowMask;
        const std::uint64_t upper = shifted - half;
        if (half < low) {
            shifted = upper + low;
        } else if (half > high) {
            if (upper == ~kLowMask) return false;
            shifted = upper + kLowMask + 1 + low;
        }
        first = shifted - shift;
    }
    shifted = last + shift;
    if (shifted >= shift) {
        const std::uint64_t half = shifted & kLowMask;
        const std::uint64_t upper = shifted - half;
        if (half > high) {
            shifted = upper + high;
        } else if (half < low) {
            if (upper == 0) return false;
            shifted = upper - (kLowMask + 1) + high;
        }
        if (shifted < shift) return false;
        last = shifted - shift;
    }
    return first <= last;
}

bool low_to_wide(Wide& wide, const Low& low) noexcept {
    const auto shrink = [&](std::uint64_t& first, std::uint64_t& last) {
        return low_to_wide(first, last, 0, low.umin, low.umax) &&
               low_to_wide(first, last, kHalfSpan, static_cast<std::uint32_t>(low.smin) ^ kHalfSpan,
                           static_cast<std::uint32_t>(low.smax) ^ kHalfSpan);
    };
    if (!shrink(wide.umin, wide.umax)) return false;
    std::uint64_t first = static_cast<std::uint64_t>(wide.smin) ^ Wide::kSign;
    std::uint64_t last = static_cast<std::uint64_t>(wide.smax) ^ Wide::kSign;
    if (!shrink(first, last)) return false;
    wide.smin = static_cast<std::int64_t>(first ^ Wide::kSign);
    wide.smax = static_cast<std::int64_t>(last ^ Wide::kSign);
    return true;
}

// Each view's known bits of the low half are also the other's.
bool share_bits(Wide& wide, Low& low) noexcept {
    const auto value = static_cast<std::uint32_t>(wide.value);
    const auto mask = static_cast<std::uint32_t>(wide.mask);
    if (((value ^ low.value) & ~mask & ~low.mask) != 0) return false;
    low.value |= value;
    low.mask &= mask;
    wide.value |= low.value;
    wide.mask &= ~kLowMask | low.mask;
    return true;
}

constexpr std::uint64_t kSmall = 0x7fff'ffff;  // up to here a number is the same in all four readings

bool is_small(const Wide& wide) noexcept {
    return wide.umax <= kSmall || (wide.smin >= 0 && static_cast<std::uint64_t>(wide.smax) <= kSmall);
}

// The frequent case: all bounds are bounds of one small range, which only has to agree with the known bits.
bool reduce_small(Wide& wide, Low& low) noexcept {
    if (wide.smax < 0 || low.smax < 0 || !share_bits(wide, low)) return false;
    std::uint64_t first = std::max<std::uint64_t>(wide.umin, low.umin);
    if (wide.smin > 0) first = std::max(first, static_cast<std::uint64_t>(wide.smin));
    if (low.smin > 0) first = std::max(first, static_cast<std::uint64_t>(low.smin));
    std::uint64_t last = std::min<std::uint64_t>(wide.umax, low.umax);
    last = std::min({last, static_cast<std::uint64_t>(wide.smax), static_cast<std::uint64_t>(low.smax)});
    if (first > last) return false;
    const auto least = least_from(first, wide.value, wide.mask);
    const auto greatest = greatest_to(last, wide.value, wide.mask);
    if (!least || !greatest || *least > *greatest) return false;
    wide.umin = *least;
    wide.umax = *greatest;
    if (!bounds_to_bits(wide)) return false;  // adds bits that all of the range has: its ends stay
    wide.smin = static_cast<std::int64_t>(wide.umin);
    wide.smax = static_cast<std::int64_t>(wide.umax);
    low = {static_cast<std::uint32_t>(wide.value), static_cast<std::uint32_t>(wide.mask),
           static_cast<std::uint32_t>(wide.umin),  static_cast<std::uint32_t>(wide.umax),
           static_cast<std::int32_t>(wide.umin),   static_cast<std::int32_t>(wide.umax)};
    return true;
}

bool reduce(Wide& wide, Low& low) noexcept {
    for (unsigned round = 0; round < kMaxRounds; ++round) {
        if (is_small(wide)) return reduce_small(wide, low);
        const Wide old_wide = wide;
        const Low old_low = low;
        if (!share_bits(wide, low) || !reduce_view(wide)) return false;
        wide_to_low(wide.umin, wide.umax, low);
        wide_to_low(static_cast<std::uint64_t>(wide.smin), static_cast<std::uint64_t>(wide.smax), low);
        if (!share_bits(wide, low) || !reduce_view(low) || !low_to_wide(wide, low)) return false;
        if (wide == old_wide && low == old_low) break;
    }
    return true;
}

}  // namespace

bool reduce(ScalarParts& parts) noexcept {
    Wide wide = wide_view(parts);
    Low low = low_view(parts);
    if (!reduce(wide, low)) return false;
    parts = parts_of(wide, low);
    return true;
}

Scalar compose(const Wide& wide, const Low& low) noexcept {
    Wide shared_wide = wide;
    Low shared_low = low;
    if (!share_bits(shared_wide, shared_low)) return Scalar::bottom();
    return Scalar::from_parts(parts_of(shared_wide, shared_low));
}

Scalar zero_extended(const Low& low) noexcept {
    Wide wide = Wide::bits(low.value, low.mask);
    wide.umin = low.umin;
    wide.umax = low.umax;
    return compose(wide, low);
}

}  // namespace ebpf::domains::detail
