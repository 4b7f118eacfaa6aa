// SPDX-License-Identifier: MIT
// What a lookup in a hash map reads, for the family itself and for code generators that look up in place.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "maps/key_hash.hpp"
#include "maps/region.hpp"

namespace ebpf::maps {

/// Units of references to elements.
inline constexpr std::size_t kReferenceBytes = 8;

/// An element of a hash map. The key follows, padded to kValueAlignment, then the value. References count
/// from the region's start in units of kReferenceBytes; 0: none.
struct HashElement {
    std::atomic<std::uint32_t> next{0};      ///< reference: next one of the bucket
    std::atomic<std::uint32_t> sequence{0};  ///< odd while the value is being written in place
    std::uint32_t hash = 0;
    std::uint32_t link = 0;  ///< reference: next one on the free list, or of those retired together
};
static_assert(sizeof(HashElement) % kValueAlignment == 0 && kValueAlignment % kReferenceBytes == 0);

/// Where the buckets are in the region.
inline constexpr std::uint64_t kBucketsOffset = round_up(sizeof(RegionHeader), kValueAlignment);

/// Bytes from an element to its value.
constexpr std::uint64_t hash_value_offset(std::uint32_t key_bytes) {
    return sizeof(HashElement) + round_up(key_bytes, kValueAlignment);
}

/// Returns the binary logarithm of the number of buckets, which is at least 1.
constexpr std::uint32_t bucket_bits(std::uint32_t max_entries) {
    std::uint32_t bits = 1;
    while (bits < 31 && (1U << bits) < max_entries) ++bits;
    return bits;
}

/// Where a map's buckets and elements are. Constant while the map lives. A key's bucket is the upper
/// bucket_bits() bits of its hash.
struct HashTable {
    std::atomic<std::uint32_t>* buckets = nullptr;  ///< references to first elements
    std::byte* region = nullptr;
    HashSeed seed;
};

}  // namespace ebpf::maps
