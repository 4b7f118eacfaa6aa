// SPDX-License-Identifier: MIT
// Keyed hash of map keys and their comparison. Both fold to a few instructions where the size is a constant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ebpf::maps {

/// Secret of one map. The second word must be odd.
struct HashSeed {
    std::uint64_t words[2] = {0, 1};
};

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

}  // namespace detail

/// Keyed hash by multiply-and-fold, one multiplication for each 16 bytes; the secret seed keeps clients from
/// choosing collisions blindly. Requires: bytes > 0.
[[gnu::always_inline]] inline std::uint32_t hash_key(const void* key, std::size_t bytes,
                                                     const HashSeed& seed) noexcept {
    using detail::fold;
    using Word = std::uint64_t;
    const auto* at = static_cast<const unsigned char*>(key);
    const std::size_t key_bytes = bytes;
    std::uint64_t state = seed.words[0];
    if (bytes <= 8) {
        state = fold(detail::short_key(at, bytes) ^ state, seed.words[1]);
    } else {
        const unsigned char* const end = at + bytes;
        for (; bytes > 16; at += 16, bytes -= 16)
            state =
                fold(detail::load_word<Word>(at) ^ state, detail::load_word<Word>(at + 8) ^ seed.words[1]);
        // Two words take in what is left. They may overlap, or go back over bytes that were taken in before.
        const unsigned char* const left = bytes < key_bytes ? end - 16 : at;
        state = fold(detail::load_word<Word>(left) ^ state, detail::load_word<Word>(end - 8) ^ seed.words[1]);
    }
    // Keys that differ in few neighbouring bits give products in steps of a multiple of the seed. If that is
    // even, the low bits, which choose the bucket, take few values: bits from elsewhere break that up.
    return static_cast<std::uint32_t>(state ^ state >> 23U ^ state >> 41U);
}

/// True if two keys of `bytes` bytes agree.
[[gnu::always_inline]] inline bool keys_agree(const void* a, const void* b, std::size_t bytes) noexcept {
    const auto* left = static_cast<const unsigned char*>(a);
    const auto* right = static_cast<const unsigned char*>(b);
    using Word = std::uint64_t;
    if (bytes == 4) return detail::load_word<std::uint32_t>(left) == detail::load_word<std::uint32_t>(right);
    if (bytes == 8) return detail::load_word<Word>(left) == detail::load_word<Word>(right);
    if (bytes == 16) {
        const std::uint64_t differs =
            (detail::load_word<Word>(left) ^ detail::load_word<Word>(right)) |
            (detail::load_word<Word>(left + 8) ^ detail::load_word<Word>(right + 8));
        return differs == 0;
    }
    return std::memcmp(left, right, bytes) == 0;
}

}  // namespace ebpf::maps
