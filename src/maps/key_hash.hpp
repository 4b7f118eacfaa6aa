// SPDX-License-Identifier: MIT
// Keyed hash of map keys and their comparison. Both fold to a few instructions where the size is a constant.
// Code generators emit the same hash (ir/expand_hash.cpp, include/ebpf/native_operations.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ebpf::maps {

/// Secret of one map: random numbers, of which words[1] and `last` must be odd.
struct HashSeed {
    std::uint64_t words[6] = {0, 1, 0, 0, 0, 0};
    std::uint64_t last = 1;
};

/// The largest keys that are hashed without a loop.
inline constexpr std::size_t kMostShortKeyBytes = 24;

namespace detail {

template <typename Word>
inline std::uint64_t load_word(const unsigned char* at) noexcept {
    Word word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

/// A key of at most eight bytes as a number; different keys of one size give different numbers.
[[gnu::always_inline]] inline std::uint64_t short_key(const unsigned char* key, std::size_t bytes) noexcept {
    if (bytes == 8) return load_word<std::uint64_t>(key);
    if (bytes == 4) return load_word<std::uint32_t>(key);
    if (bytes > 4) return load_word<std::uint32_t>(key) | load_word<std::uint32_t>(key + bytes - 4) << 32U;
    return key[0] | std::uint64_t{key[bytes / 2]} << 8U | std::uint64_t{key[bytes - 1]} << 16U;
}

/// One word's part in the sum of a key of more than one (pair-multiply-shift: M. Thorup, "High Speed Hashing
/// for Integers and Strings", 2015): for two different keys the sums' upper halves agree with a probability
/// of 2^-32.
[[gnu::always_inline]] inline std::uint64_t term(std::uint64_t word, const std::uint64_t* seed) noexcept {
    return (seed[0] + (word >> 32U)) * (seed[1] + static_cast<std::uint32_t>(word));
}

[[gnu::always_inline]] inline std::uint64_t long_key(const unsigned char* at, std::size_t bytes,
                                                     const HashSeed& seed) noexcept {
    using Word = std::uint64_t;
    const unsigned char* const end = at + bytes;
    std::uint64_t state = seed.words[0];
    for (; bytes > 16; at += 16, bytes -= 16)
        state = fold(load_word<Word>(at) ^ state, load_word<Word>(at + 8) ^ seed.words[1]);
    // The last two words take in what is left and may go back over bytes that were taken in before.
    return fold(load_word<Word>(end - 16) ^ state, load_word<Word>(end - 8) ^ seed.words[1]);
}

}  // namespace detail

/// Keyed hash; the secret seed keeps clients from choosing collisions blindly. Its upper bits are the better
/// ones. Requires: bytes > 0.
[[gnu::always_inline]] inline std::uint32_t hash_key(const void* key, std::size_t bytes,
                                                     const HashSeed& seed) noexcept {
    using detail::load_word;
    using detail::term;
    using Word = std::uint64_t;
    const auto* at = static_cast<const unsigned char*>(key);
    std::uint64_t state = 0;
    if (bytes <= 8) {
        state = (detail::short_key(at, bytes) ^ seed.words[0]) * seed.words[1];
    } else if (bytes <= kMostShortKeyBytes) {
        // The last word may overlap the one before.
        state =
            term(load_word<Word>(at), &seed.words[0]) + term(load_word<Word>(at + bytes - 8), &seed.words[2]);
        if (bytes > 16) state += term(load_word<Word>(at + 8), &seed.words[4]);
    } else {
        state = detail::long_key(at, bytes, seed);
    }
    // Keys in equal steps would fill buckets in equal steps, at times the same few. Mixing ends that.
    return static_cast<std::uint32_t>((state ^ state >> 32U) * seed.last >> 32U);
}

/// True if two keys of `bytes` bytes agree.
[[gnu::always_inline]] inline bool keys_agree(const void* a, const void* b, std::size_t bytes) noexcept {
    const auto* left = static_cast<const unsigned char*>(a);
    const auto* right = static_cast<const unsigned char*>(b);
    using Word = std::uint64_t;
    if (bytes == 4) return detail::load_word<std::uint32_t>(left) == detail::load_word<std::uint32_t>(right);
    if (bytes < 8 || bytes > kMostShortKeyBytes) return std::memcmp(left, right, bytes) == 0;
    const auto differs_at = [&](std::size_t offset) {
        return detail::load_word<Word>(left + offset) ^ detail::load_word<Word>(right + offset);
    };
    std::uint64_t differs = differs_at(0);
    if (bytes > 8) differs |= differs_at(bytes - 8);
    if (bytes > 16) differs |= differs_at(8);
    return differs == 0;
}

}  // namespace ebpf::maps
