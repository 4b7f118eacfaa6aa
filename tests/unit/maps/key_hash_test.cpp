// SPDX-License-Identifier: MIT
#include "maps/key_hash.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace ebpf::maps {
namespace {

constexpr HashSeed kSeed{{0x243f6a8885a308d3, 0x13198a2e03707345, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
                          0x452821e638d01377, 0xbe5466cf34e90c6c},
                         0xc0ac29b7c97c50dd};

HashSeed random_seed(std::mt19937_64& random) {
    HashSeed seed;
    for (auto& word : seed.words) word = random();
    seed.words[1] |= 1U;
    seed.last = random() | 1U;
    return seed;
}

/// Longest chain when 4096 keys of `bytes` bytes, that differ in a 12-bit number at `shift`, fall into as
/// many buckets.
unsigned longest_chain(std::size_t bytes, unsigned shift, const HashSeed& seed) {
    constexpr unsigned kBits = 12;
    constexpr std::uint32_t kBuckets = 1U << kBits;
    std::vector<unsigned> chains(kBuckets);
    for (std::uint64_t i = 0; i < kBuckets; ++i) {
        std::vector<unsigned char> key(bytes, 0x5a);
        for (unsigned bit = 0; bit < 12; ++bit) {
            if ((i >> bit & 1U) == 0) continue;
            const unsigned at = shift + bit;
            key[at / 8] = static_cast<unsigned char>(key[at / 8] ^ 1U << at % 8U);
        }
        ++chains[hash_key(key.data(), bytes, seed) >> (32 - kBits)];
    }
    return *std::ranges::max_element(chains);
}

TEST(KeyHash, SpreadsKeysThatDifferInFewNeighbouringBits) {
    // Random keys give 6 to 9.
    constexpr unsigned kMost = 14;
    std::mt19937_64 random(7);
    for (int round = 0; round < 4; ++round) {
        const HashSeed seed = random_seed(random);
        for (const std::size_t bytes : {2U, 4U, 6U, 8U, 12U, 13U, 16U, 20U, 24U, 40U}) {
            for (unsigned shift = 0; shift + 12 <= bytes * 8; shift += 4) {
                EXPECT_LE(longest_chain(bytes, shift, seed), kMost) << bytes << " bytes, bit " << shift;
            }
        }
    }
}

TEST(KeyHash, DependsOnEveryByteAndOnTheSeed) {
    std::mt19937_64 random(11);
    const HashSeed other = random_seed(random);
    for (std::size_t bytes = 1; bytes <= 48; ++bytes) {
        std::vector<unsigned char> key(bytes, 7);
        const std::uint32_t hash = hash_key(key.data(), bytes, kSeed);
        EXPECT_NE(hash, hash_key(key.data(), bytes, other));
        for (std::size_t at = 0; at < bytes; ++at) {
            ++key[at];
            EXPECT_NE(hash, hash_key(key.data(), bytes, kSeed)) << at << " of " << bytes;
            --key[at];
        }
    }
}

TEST(KeyHash, AgreementComparesEveryByte) {
    for (std::size_t bytes = 1; bytes <= 48; ++bytes) {
        const std::vector<unsigned char> key(bytes, 7);
        std::vector<unsigned char> other(key);
        EXPECT_TRUE(keys_agree(key.data(), other.data(), bytes));
        for (std::size_t at = 0; at < bytes; ++at) {
            ++other[at];
            EXPECT_FALSE(keys_agree(key.data(), other.data(), bytes)) << at << " of " << bytes;
            --other[at];
        }
    }
}

}  // namespace
}  // namespace ebpf::maps
