// SPDX-License-Identifier: MIT
// Laws of the order, of join, meet and widening, and of the reduction between components.
#include <gtest/gtest.h>

#include <vector>

#include "domains/scalar.hpp"
#include "generate.hpp"

namespace ebpf::domains {
namespace {

using testing::Random;
using testing::Sample;

constexpr int kCases = 20'000;

// Reduction neither loses nor adds a number: membership is that of the components as given.
TEST(Reduction, KeepsExactlyTheNumbersOfAllComponents) {
    Random random(1);
    for (int i = 0; i < kCases; ++i) {
        const std::uint64_t member = random.number();
        ScalarParts parts = testing::parts_around(random, member);
        if (random.below(3) == 0) parts.umin = random.number();
        if (random.below(3) == 0) parts.smax32 = static_cast<std::int32_t>(random.number());
        if (random.below(3) == 0) parts.bits.value = random.number() & ~parts.bits.mask;
        const Scalar set = Scalar::from_parts(parts);
        for (const std::uint64_t probe :
             {member, member + 1, member - 1, parts.umin, parts.umax, random.number(),
              static_cast<std::uint64_t>(parts.smin), member ^ 0x8000'0000U,
              static_cast<std::uint64_t>(parts.smax), parts.bits.value}) {
            ASSERT_EQ(set.contains(probe), testing::holds(parts, probe)) << std::hex << probe;
        }
    }
}

TEST(Reduction, IsIdempotent) {
    Random random(2);
    for (int i = 0; i < kCases; ++i) {
        const Scalar set = Scalar::from_parts(testing::parts_around(random, random.number()));
        ASSERT_EQ(Scalar::from_parts(set.parts()), set);
    }
}

TEST(Reduction, AcceptsAnyBytes) {
    Random random(3);
    for (int i = 0; i < kCases; ++i) {
        ScalarParts parts;
        parts.bits = {random.next(), random.next()};
        parts.umin = random.number();
        parts.umax = random.number();
        parts.smin = static_cast<std::int64_t>(random.number());
        parts.smax = static_cast<std::int64_t>(random.number());
        parts.umin32 = static_cast<std::uint32_t>(random.number());
        parts.smax32 = static_cast<std::int32_t>(random.number());
        const Scalar set = Scalar::from_parts(parts);
        ASSERT_EQ(set.bits().value & set.bits().mask, 0U);
        ASSERT_EQ(set.is_bottom(), set == Scalar::bottom());
    }
}

TEST(Order, IsReflexiveAndAntisymmetric) {
    Random random(4);
    for (int i = 0; i < kCases; ++i) {
        const Scalar a = testing::sample(random).set;
        const Scalar b = testing::sample(random).set;
        ASSERT_TRUE(a.leq(a));
        ASSERT_EQ(a.leq(b) && b.leq(a), a == b);
        ASSERT_TRUE(Scalar::bottom().leq(a));
        ASSERT_TRUE(a.leq(Scalar::unknown()));
        ASSERT_FALSE(a.leq(Scalar::bottom()));
        ASSERT_TRUE(a != b || a.hash() == b.hash());
    }
}

TEST(Order, IsTransitiveAndImpliesInclusion) {
    Random random(5);
    for (int i = 0; i < kCases; ++i) {
        const Sample a = testing::sample(random);
        const Scalar b = a.set.join(testing::sample(random).set);
        const Scalar c = b.join(testing::sample(random).set);
        ASSERT_TRUE(a.set.leq(b) && b.leq(c) && a.set.leq(c));
        const Scalar other = testing::sample(random).set;
        if (!a.set.leq(other)) continue;
        for (const std::uint64_t x : a.members) ASSERT_TRUE(other.contains(x));
    }
}

TEST(Join, IsTheLeastUpperBound) {
    Random random(6);
    for (int i = 0; i < kCases; ++i) {
        const Sample a = testing::sample(random);
        const Sample b = testing::sample(random);
        const Scalar both = a.set.join(b.set);
        ASSERT_TRUE(a.set.leq(both) && b.set.leq(both));
        ASSERT_EQ(both, b.set.join(a.set));
        ASSERT_EQ(a.set.join(a.set), a.set);
        ASSERT_EQ(a.set.join(Scalar::bottom()), a.set);
        const Scalar above = both.join(testing::sample(random).set);
        ASSERT_TRUE(both.leq(above));
        for (const std::uint64_t x : a.members) ASSERT_TRUE(both.contains(x));
        for (const std::uint64_t x : b.members) ASSERT_TRUE(both.contains(x));
    }
}

TEST(Meet, HoldsCommonNumbersAndNothingElse) {
    Random random(7);
    for (int i = 0; i < kCases; ++i) {
        const Sample a = testing::sample(random);
        const Sample b = testing::sample(random);
        const Scalar common = a.set.meet(b.set);
        ASSERT_TRUE(common.leq(a.set) && common.leq(b.set));
        ASSERT_EQ(common, b.set.meet(a.set));
        for (const std::uint64_t x : a.members) ASSERT_EQ(common.contains(x), b.set.contains(x));
        for (const std::uint64_t x : b.members) ASSERT_EQ(common.contains(x), a.set.contains(x));
        ASSERT_TRUE(a.set.meet(Scalar::bottom()).is_bottom());
    }
}

TEST(Widening, IsAnUpperBound) {
    Random random(8);
    for (int i = 0; i < kCases; ++i) {
        const Scalar a = testing::sample(random).set;
        const Scalar b = testing::sample(random).set;
        const std::vector<std::uint64_t> thresholds{random.number(), random.number()};
        const Scalar wide = Scalar::widen(a, b, thresholds);
        ASSERT_TRUE(a.leq(wide) && b.leq(wide));
        ASSERT_EQ(Scalar::widen(wide, a, thresholds), wide);
    }
}

// Whatever comes next: the number of changes is bounded.
TEST(Widening, EndsEveryChain) {
    Random random(9);
    for (int i = 0; i < 200; ++i) {
        const std::vector<std::uint64_t> thresholds{random.number(), random.number(), random.number()};
        Scalar current = testing::sample(random).set;
        std::size_t changes = 0;
        for (int step = 0; step < 400; ++step) {
            const Scalar grown = current.join(testing::sample(random).set);
            const Scalar next = Scalar::widen(current, grown, thresholds);
            changes += next == current ? 0U : 1U;
            current = next;
        }
        ASSERT_LE(changes, 64 + 8 * (thresholds.size() + 8));
    }
}

// A counter that grows without end settles quickly, and keeps its stride.
TEST(Widening, SettlesACounter) {
    const std::vector<std::uint64_t> thresholds{100};
    Scalar counter = Scalar::constant(0);
    int changes = 0;
    for (int step = 0; step < 50; ++step) {
        const Scalar next = alu(spec::AluOp::Add, spec::Width::W64, counter, Scalar::constant(4));
        const Scalar wide = Scalar::widen(counter, counter.join(next), thresholds);
        changes += wide == counter ? 0 : 1;
        counter = wide;
    }
    EXPECT_LE(changes, 10);
    EXPECT_EQ(counter.bits().mask & 3U, 0U);
    EXPECT_TRUE(counter.contains(400));
}

TEST(Widening, RestsAtThresholds) {
    const std::vector<std::uint64_t> thresholds{64};
    const Scalar wide = Scalar::widen(Scalar::constant(0), Scalar::unsigned_range(0, 1), thresholds);
    EXPECT_EQ(wide.umax(), 64U);
    EXPECT_EQ(wide.smax(), 64);
    EXPECT_EQ(wide.umax32(), 64U);
    EXPECT_EQ(wide.umin(), 0U);
}

}  // namespace
}  // namespace ebpf::domains
