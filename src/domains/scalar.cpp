// SPDX-License-Identifier: MIT
#include "domains/scalar.hpp"

#include <algorithm>
#include <bit>

#include "domains/reduce.hpp"
#include "domains/view.hpp"

namespace ebpf::domains {
namespace {

constexpr ScalarParts kBottom{{0, 0}, 1, 0, 1, 0, 1, 0, 1, 0};

// Where unstable bounds rest although the program names no such number: the ends of the types that C code
// counts in.
constexpr std::uint64_t kTypeEnds[] = {
    0, 0x7fff'ffff, 0xffff'ffff, 0x7fff'ffff'ffff'ffff, 0xffff'ffff'8000'0000, 0xffff'ffff'ffff'ffff};

// The least threshold at or above `bound`, or the type's end.
template <typename T>
T rest_above(T bound, std::span<const std::uint64_t> thresholds) noexcept {
    T best = std::numeric_limits<T>::max();
    const auto look = [&](std::uint64_t threshold) {
        const T candidate = static_cast<T>(threshold);
        if (candidate >= bound && candidate < best) best = candidate;
    };
    for (const std::uint64_t threshold : kTypeEnds) look(threshold);
    for (const std::uint64_t threshold : thresholds) look(threshold);
    return best;
}

// The greatest threshold at or below `bound`, or the type's end.
template <typename T>
T rest_below(T bound, std::span<const std::uint64_t> thresholds) noexcept {
    T best = std::numeric_limits<T>::min();
    const auto look = [&](std::uint64_t threshold) {
        const T candidate = static_cast<T>(threshold);
        if (candidate <= bound && candidate > best) best = candidate;
    };
    for (const std::uint64_t threshold : kTypeEnds) look(threshold);
    for (const std::uint64_t threshold : thresholds) look(threshold);
    return best;
}

template <typename T>
void widen_range(T& low, T& high, T newer_low, T newer_high,
                 std::span<const std::uint64_t> thresholds) noexcept {
    if (newer_low < low) low = rest_below(newer_low, thresholds);
    if (newer_high > high) high = rest_above(newer_high, thresholds);
}

KnownBits join_bits(const KnownBits& a, const KnownBits& b) noexcept {
    const std::uint64_t mask = a.mask | b.mask | (a.value ^ b.value);
    return {a.value & ~mask, mask};
}

bool is_inside(const KnownBits& inner, const KnownBits& outer) noexcept {
    return (inner.mask & ~outer.mask) == 0 && outer.contains(inner.value & ~outer.mask);
}

}  // namespace

Scalar Scalar::bottom() noexcept {
    Scalar result;
    result.parts_ = kBottom;
    return result;
}

Scalar Scalar::constant(std::uint64_t number) noexcept {
    const auto low = static_cast<std::uint32_t>(number);
    const auto as_signed = static_cast<std::int64_t>(number);
    const auto low_signed = static_cast<std::int32_t>(low);
    Scalar result;
    result.parts_ = {{number, 0}, number, number, as_signed, as_signed, low, low, low_signed, low_signed};
    return result;
}

Scalar Scalar::unsigned_range(std::uint64_t low, std::uint64_t high) noexcept {
    ScalarParts parts;
    parts.umin = low;
    parts.umax = high;
    return from_parts(parts);
}

Scalar Scalar::signed_range(std::int64_t low, std::int64_t high) noexcept {
    ScalarParts parts;
    parts.smin = low;
    parts.smax = high;
    return from_parts(parts);
}

Scalar Scalar::known_bits(KnownBits bits) noexcept {
    ScalarParts parts;
    parts.bits = bits;
    return from_parts(parts);
}

Scalar Scalar::from_parts(const ScalarParts& parts) noexcept {
    Scalar result;
    if (parts.umin == parts.umax) {  // by far the most frequent case
        result.parts_ = parts;
        result.parts_.bits.value &= ~parts.bits.mask;
        return result.contains(parts.umin) ? constant(parts.umin) : bottom();
    }
    result.parts_ = parts;
    result.parts_.bits.value &= ~parts.bits.mask;
    if (!detail::reduce(result.parts_)) return bottom();
    return result;
}

bool Scalar::contains(std::uint64_t number) const noexcept {
    return detail::wide_view(parts_).contains(number) &&
           detail::low_view(parts_).contains(static_cast<std::uint32_t>(number));
}

bool Scalar::leq(const Scalar& other) const noexcept {
    if (is_bottom()) return true;
    if (other.is_bottom()) return false;
    const ScalarParts& a = parts_;
    const ScalarParts& b = other.parts_;
    return b.umin <= a.umin && a.umax <= b.umax && b.smin <= a.smin && a.smax <= b.smax &&
           b.umin32 <= a.umin32 && a.umax32 <= b.umax32 && b.smin32 <= a.smin32 && a.smax32 <= b.smax32 &&
           is_inside(a.bits, b.bits);
}

// Not reduced: each component then holds both operands' components, which is what makes it an upper bound
// even of operands that were not reduced themselves.
Scalar Scalar::join(const Scalar& other) const noexcept {
    if (is_bottom()) return other;
    if (other.is_bottom()) return *this;
    const ScalarParts& a = parts_;
    const ScalarParts& b = other.parts_;
    Scalar result;
    result.parts_ = {
        join_bits(a.bits, b.bits),    std::min(a.umin, b.umin),     std::max(a.umax, b.umax),
        std::min(a.smin, b.smin),     std::max(a.smax, b.smax),     std::min(a.umin32, b.umin32),
        std::max(a.umax32, b.umax32), std::min(a.smin32, b.smin32), std::max(a.smax32, b.smax32)};
    return result;
}

Scalar Scalar::meet(const Scalar& other) const noexcept {
    if (is_bottom() || other.is_bottom()) return bottom();
    const ScalarParts& a = parts_;
    const ScalarParts& b = other.parts_;
    const std::uint64_t known_in_both = ~a.bits.mask & ~b.bits.mask;
    if (((a.bits.value ^ b.bits.value) & known_in_both) != 0) return bottom();
    Scalar result;
    result.parts_ = {{a.bits.value | b.bits.value, a.bits.mask & b.bits.mask},
                     std::max(a.umin, b.umin),
                     std::min(a.umax, b.umax),
                     std::max(a.smin, b.smin),
                     std::min(a.smax, b.smax),
                     std::max(a.umin32, b.umin32),
                     std::min(a.umax32, b.umax32),
                     std::max(a.smin32, b.smin32),
                     std::min(a.smax32, b.smax32)};
    if (!detail::reduce(result.parts_)) return bottom();
    return result;
}

// Not reduced, or a bound that was pulled back by another component could be pushed out again without end.
// Terminates: each bound only moves outwards and only to thresholds; each bit becomes unknown at most once.
Scalar Scalar::widen(const Scalar& older, const Scalar& newer,
                     std::span<const std::uint64_t> thresholds) noexcept {
    if (older.is_bottom()) return newer;
    if (newer.is_bottom()) return older;
    Scalar result = older;
    ScalarParts& parts = result.parts_;
    const ScalarParts& next = newer.parts_;
    const KnownBits joined = join_bits(parts.bits, next.bits);
    const std::uint64_t lost = joined.mask & ~parts.bits.mask;
    if (lost != 0) {
        // The bits below the lowest unstable one say by what the number is divisible: they stay.
        const std::uint64_t mask = joined.mask | ~((lost & (~lost + 1)) - 1);
        parts.bits = {joined.value & ~mask, mask};
    }
    widen_range(parts.umin, parts.umax, next.umin, next.umax, thresholds);
    widen_range(parts.smin, parts.smax, next.smin, next.smax, thresholds);
    widen_range(parts.umin32, parts.umax32, next.umin32, next.umax32, thresholds);
    widen_range(parts.smin32, parts.smax32, next.smin32, next.smax32, thresholds);
    return result;
}

std::uint64_t Scalar::hash() const noexcept {
    std::uint64_t hash = 0;
    const auto mix = [&](std::uint64_t number) {
        hash = (std::rotl(hash, 23) ^ number) * 0x9e37'79b9'7f4a'7c15U;
    };
    mix(parts_.bits.value);
    mix(parts_.bits.mask);
    mix(parts_.umin);
    mix(parts_.umax);
    mix(static_cast<std::uint64_t>(parts_.smin));
    mix(static_cast<std::uint64_t>(parts_.smax));
    mix((std::uint64_t{parts_.umin32} << 32U) | parts_.umax32);
    mix((std::uint64_t{static_cast<std::uint32_t>(parts_.smin32)} << 32U) |
        static_cast<std::uint32_t>(parts_.smax32));
    return hash ^ (hash >> 29U);
}

}  // namespace ebpf::domains
