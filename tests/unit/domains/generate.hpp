// SPDX-License-Identifier: MIT
// Random sets of numbers with members known by construction, biased towards the edges of types.
// Deterministic.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <ostream>
#include <string>
#include <vector>

#include "domains/scalar.hpp"

namespace ebpf::domains::testing {

/// A small generator of its own, so that a failing case is the same on every host.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e37'79b9'7f4a'7c15U;
        std::uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
        mixed = (mixed ^ (mixed >> 27U)) * 0x94d0'49bb'1331'11ebU;
        return mixed ^ (mixed >> 31U);
    }
    std::uint64_t below(std::uint64_t limit) { return next() % limit; }

    /// A number: small, near an edge of a type, with few bits set, or any.
    std::uint64_t number() {
        static constexpr std::array<std::uint64_t, 8> kEdges{0,
                                                             0x80,
                                                             0x8000,
                                                             0x7fff'ffff,
                                                             0x8000'0000,
                                                             0x1'0000'0000,
                                                             0x7fff'ffff'ffff'ffff,
                                                             0x8000'0000'0000'0000};
        switch (below(6)) {
            case 0:
                return below(70);
            case 1:
                return 0 - below(70);
            case 2:
                return kEdges[below(kEdges.size())] + below(5) - 2;
            case 3:
                return (std::uint64_t{1} << below(64)) | (std::uint64_t{1} << below(64));
            case 4:
                return next() >> below(64);
            default:
                return next();
        }
    }

    /// Bits that are unknown in a set: none, all, a low part, a few.
    std::uint64_t mask() {
        switch (below(5)) {
            case 0:
                return 0;
            case 1:
                return ~std::uint64_t{0};
            case 2:
                return ~std::uint64_t{0} >> below(64);
            case 3:
                return next() & next();
            default:
                return next();
        }
    }

  private:
    std::uint64_t state_;
};

/// Components that all hold `member`: each is a constant, a range around it or everything.
inline ScalarParts parts_around(Random& random, std::uint64_t member) {
    ScalarParts parts;
    parts.bits.mask = random.mask();
    if (random.below(2) == 0) parts.bits.mask = ~std::uint64_t{0};
    parts.bits.value = member & ~parts.bits.mask;
    const auto narrow = [&]<typename T>(T& low, T& high, T at) {
        if (random.below(2) == 0) return;
        const T first = static_cast<T>(random.below(2) == 0 ? random.number() : member - random.below(40));
        const T last = static_cast<T>(random.below(2) == 0 ? random.number() : member + random.below(40));
        if (first <= at) low = first;
        if (last >= at) high = last;
    };
    narrow(parts.umin, parts.umax, member);
    narrow(parts.smin, parts.smax, static_cast<std::int64_t>(member));
    narrow(parts.umin32, parts.umax32, static_cast<std::uint32_t>(member));
    narrow(parts.smin32, parts.smax32, static_cast<std::int32_t>(member));
    return parts;
}

/// True if each component holds `number`, said independently of the implementation.
inline bool holds(const ScalarParts& parts, std::uint64_t number) {
    const auto wide = static_cast<std::int64_t>(number);
    const auto low = static_cast<std::uint32_t>(number);
    const auto low_signed = static_cast<std::int32_t>(low);
    return ((number ^ parts.bits.value) & ~parts.bits.mask) == 0 && parts.umin <= number &&
           number <= parts.umax && parts.smin <= wide && wide <= parts.smax && parts.umin32 <= low &&
           low <= parts.umax32 && parts.smin32 <= low_signed && low_signed <= parts.smax32;
}

/// A set and some of its members.
struct Sample {
    Scalar set;
    std::vector<std::uint64_t> members;
};

inline void add_members(Random& random, Sample& sample) {
    const auto consider = [&](std::uint64_t number) {
        if (holds(sample.set.parts(), number)) sample.members.push_back(number);
    };
    const KnownBits& bits = sample.set.bits();
    consider(sample.set.umin());
    consider(sample.set.umax());
    consider(static_cast<std::uint64_t>(sample.set.smin()));
    consider(static_cast<std::uint64_t>(sample.set.smax()));
    consider((random.number() & bits.mask) | bits.value);
    if (sample.set.umax() > sample.set.umin()) {
        consider(sample.set.umin() + random.below(sample.set.umax() - sample.set.umin()));
    }
}

inline Sample sample(Random& random) {
    const std::uint64_t member = random.number();
    Sample result{Scalar::from_parts(parts_around(random, member)), {member}};
    if (random.below(4) == 0) {  // sets that joins and widening make are not reduced
        const std::uint64_t other = random.number();
        const Scalar second = Scalar::from_parts(parts_around(random, other));
        result.set = random.below(2) == 0 ? result.set.join(second) : Scalar::widen(result.set, second, {});
        result.members.push_back(other);
    }
    add_members(random, result);
    return result;
}

inline std::string describe(const Scalar& set) {
    const ScalarParts& parts = set.parts();
    std::array<char, 400> text{};
    std::snprintf(
        text.data(), text.size(), "{bits %llx/%llx u [%llx,%llx] s [%lld,%lld] u32 [%x,%x] s32 [%d,%d]}",
        static_cast<unsigned long long>(parts.bits.value), static_cast<unsigned long long>(parts.bits.mask),
        static_cast<unsigned long long>(parts.umin), static_cast<unsigned long long>(parts.umax),
        static_cast<long long>(parts.smin), static_cast<long long>(parts.smax), parts.umin32, parts.umax32,
        parts.smin32, parts.smax32);
    return text.data();
}

}  // namespace ebpf::domains::testing

namespace ebpf::domains {

// GoogleTest prints failing values with this.
inline void PrintTo(const Scalar& set, std::ostream* out) {
    *out << testing::describe(set);
}

}  // namespace ebpf::domains
