// SPDX-License-Identifier: MIT
// Scalar: what is known of a 64-bit number. A reduced product of known bits and of unsigned and signed
// ranges, each of the whole number and of its low half. No eBPF state here, no memory of its own.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "spec/instructions.hpp"

namespace ebpf::domains {

/// Bits known of a number: those not in `mask` are the bits of `value`. value & mask is 0.
struct KnownBits {
    std::uint64_t value = 0;
    std::uint64_t mask = std::numeric_limits<std::uint64_t>::max();  ///< unknown bits

    /// True if `number` has every known bit.
    [[nodiscard]] constexpr bool contains(std::uint64_t number) const noexcept {
        return (number & ~mask) == value;
    }
    friend constexpr bool operator==(const KnownBits&, const KnownBits&) noexcept = default;
};

/// The components of a Scalar: a number is described if every component holds it. All bounds are inclusive.
struct ScalarParts {
    KnownBits bits;
    std::uint64_t umin = 0;
    std::uint64_t umax = std::numeric_limits<std::uint64_t>::max();
    std::int64_t smin = std::numeric_limits<std::int64_t>::min();
    std::int64_t smax = std::numeric_limits<std::int64_t>::max();
    std::uint32_t umin32 = 0;  ///< of the low half
    std::uint32_t umax32 = std::numeric_limits<std::uint32_t>::max();
    std::int32_t smin32 = std::numeric_limits<std::int32_t>::min();
    std::int32_t smax32 = std::numeric_limits<std::int32_t>::max();

    friend constexpr bool operator==(const ScalarParts&, const ScalarParts&) noexcept = default;
};

/// A set of 64-bit numbers. Every operation returns a set that holds all numbers it must hold, perhaps more.
/// Threads: plain value. Cost: no operation allocates.
class Scalar {
  public:
    /// All numbers.
    constexpr Scalar() noexcept = default;
    static constexpr Scalar unknown() noexcept { return Scalar{}; }
    /// No number: no execution gets here.
    static Scalar bottom() noexcept;
    static Scalar constant(std::uint64_t number) noexcept;
    /// Numbers in [low, high], compared unsigned. low > high gives bottom.
    static Scalar unsigned_range(std::uint64_t low, std::uint64_t high) noexcept;
    /// Numbers in [low, high], compared signed. low > high gives bottom.
    static Scalar signed_range(std::int64_t low, std::int64_t high) noexcept;
    /// Numbers that agree with known bits. value bits inside mask are ignored.
    static Scalar known_bits(KnownBits bits) noexcept;
    /// Numbers that every component of `parts` holds. For states read back from bytes: any content is
    /// allowed.
    static Scalar from_parts(const ScalarParts& parts) noexcept;

    [[nodiscard]] bool is_bottom() const noexcept { return parts_.umin > parts_.umax; }
    [[nodiscard]] bool is_unknown() const noexcept { return parts_ == ScalarParts{}; }
    [[nodiscard]] bool is_constant() const noexcept { return parts_.umin == parts_.umax; }
    /// The number. Requires: is_constant().
    [[nodiscard]] std::uint64_t value() const noexcept { return parts_.umin; }

    // Bounds mean nothing when is_bottom().
    [[nodiscard]] std::uint64_t umin() const noexcept { return parts_.umin; }
    [[nodiscard]] std::uint64_t umax() const noexcept { return parts_.umax; }
    [[nodiscard]] std::int64_t smin() const noexcept { return parts_.smin; }
    [[nodiscard]] std::int64_t smax() const noexcept { return parts_.smax; }
    [[nodiscard]] std::uint32_t umin32() const noexcept { return parts_.umin32; }
    [[nodiscard]] std::uint32_t umax32() const noexcept { return parts_.umax32; }
    [[nodiscard]] std::int32_t smin32() const noexcept { return parts_.smin32; }
    [[nodiscard]] std::int32_t smax32() const noexcept { return parts_.smax32; }
    [[nodiscard]] const KnownBits& bits() const noexcept { return parts_.bits; }
    [[nodiscard]] const ScalarParts& parts() const noexcept { return parts_; }

    /// True if `number` is in the set.
    [[nodiscard]] bool contains(std::uint64_t number) const noexcept;
    /// True if some number above zero (below zero, taken signed) cannot be told apart from 0: 0 is in the
    /// set.
    [[nodiscard]] bool may_be_zero() const noexcept { return contains(0); }

    /// Order: true if every component lies inside other's, which implies that the set does.
    [[nodiscard]] bool leq(const Scalar& other) const noexcept;
    /// Least upper bound, component by component.
    [[nodiscard]] Scalar join(const Scalar& other) const noexcept;
    /// Holds every number that both hold.
    [[nodiscard]] Scalar meet(const Scalar& other) const noexcept;
    /// An upper bound of both, such that any chain x1 = widen(x0, y0), x2 = widen(x1, y1), ... becomes stable
    /// after at most 64 + 8 * (thresholds.size() + 8) changes: an unstable bound moves to the next threshold
    /// (read unsigned, signed, and as 32-bit numbers, in any order), unstable bits and those above become
    /// unknown.
    static Scalar widen(const Scalar& older, const Scalar& newer,
                        std::span<const std::uint64_t> thresholds) noexcept;

    /// Equal Scalars have equal hashes.
    [[nodiscard]] std::uint64_t hash() const noexcept;

    friend bool operator==(const Scalar&, const Scalar&) noexcept = default;

  private:
    ScalarParts parts_;
};

/// dst after `dst op= source`; a is dst, b the source (an immediate: a sign-extended constant). W32
/// zero-extends. Holds isa::eval_alu(op, width, x, y) for all x in a, y in b. Bottom if either is.
Scalar alu(spec::AluOp op, spec::Width width, const Scalar& a, const Scalar& b) noexcept;

/// -a; W32: of the low half, zero-extended.
Scalar negate(spec::Width width, const Scalar& a) noexcept;

/// The low `size` bytes of a, sign-extended to `width`, then zero-extended. Requires: size is 1, 2, 4 or 8.
Scalar move_sx(spec::Width width, std::uint8_t size, const Scalar& a) noexcept;

/// isa::eval_byte_order of every number. Requires: size is 2, 4 or 8.
Scalar byte_order(spec::ByteOrderOp op, std::uint8_t size, const Scalar& a) noexcept;

/// The low `size` bytes, zero-extended: what a store of `size` bytes keeps. Requires: size is 1, 2, 4 or 8.
Scalar truncate(std::uint8_t size, const Scalar& a) noexcept;

/// The low `size` bytes, sign-extended to 64 bits. Requires: size is 1, 2, 4 or 8.
Scalar sign_extend(std::uint8_t size, const Scalar& a) noexcept;

/// Narrows a and b to the pairs for which `a op b` is `taken`. W32 compares low halves, and only these are
/// narrowed. Returns false if there is no such pair: the edge is never taken; both are bottom then. Requires:
/// a and b are distinct objects (copy the constant or the register).
bool refine(spec::JumpOp op, spec::Width width, bool taken, Scalar& a, Scalar& b) noexcept;

/// Narrows one number that is compared with itself; as refine() with both operands equal.
bool refine_self(spec::JumpOp op, spec::Width width, bool taken, Scalar& a) noexcept;

}  // namespace ebpf::domains
