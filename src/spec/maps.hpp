// SPDX-License-Identifier: MIT
// Map types and map shapes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

namespace ebpf::spec {

// Flags of map creation; Linux's values (BPF_F_*).
inline constexpr std::uint32_t kMapNoPrealloc = 1U << 0U;
inline constexpr std::uint32_t kMapReadOnlyProgram = 1U << 7U;
inline constexpr std::uint32_t kMapWriteOnlyProgram = 1U << 8U;
inline constexpr std::uint32_t kMapMmapable = 1U << 10U;

// Flags of an update; Linux's values.
inline constexpr std::uint64_t kUpdateAny = 0;
inline constexpr std::uint64_t kUpdateNoExist = 1;
inline constexpr std::uint64_t kUpdateExist = 2;

// Ring buffers: flags of output and submission, what a query asks for, and the header in front of each record
// (its length with two flags, and how many pages lie between the start of the buffer's memory and it).
// Linux's values (BPF_RB_*, BPF_RINGBUF_*).
inline constexpr std::uint64_t kRingNoWakeup = 1;
inline constexpr std::uint64_t kRingForceWakeup = 2;
inline constexpr std::uint64_t kRingAvailableData = 0;
inline constexpr std::uint64_t kRingSize = 1;
inline constexpr std::uint64_t kRingConsumerPosition = 2;
inline constexpr std::uint64_t kRingProducerPosition = 3;
inline constexpr std::uint32_t kRecordBusy = 1U << 31U;
inline constexpr std::uint32_t kRecordDiscarded = 1U << 30U;
inline constexpr std::uint32_t kRecordHeaderBytes = 8;
inline constexpr std::uint32_t kMaxRecordBytes = 0xffffffffU / 4;  ///< of any ring buffer
inline constexpr std::uint32_t kRingPageBytes = 4096;  ///< a ring buffer's size is a multiple of it

enum class MapType : std::uint32_t {
#define EBPF_MAP_TYPE(name, number, text_name, key_rule, value_rule, flags, holds) name = number,
#include "spec/map_types.def"
#undef EBPF_MAP_TYPE
};

enum class KeyRule : std::uint8_t { AnyKey, U32Index, NoKey };
enum class ValueRule : std::uint8_t { Bytes, U32Handle, Records };
enum class MapHolds : std::uint8_t { Bytes, Programs, Records };

struct MapTypeSpec {
    MapType type;
    const char* name;
    KeyRule key_rule;
    ValueRule value_rule;
    std::uint32_t allowed_flags;
    MapHolds holds;
};

/// Returns all rows of map_types.def.
std::span<const MapTypeSpec> map_types() noexcept;

/// Returns the row with Linux's number `type`, or nullptr.
const MapTypeSpec* find_map_type(std::uint32_t type) noexcept;

/// A set of map types (bit = number), for helper contracts.
using MapTypeMask = std::uint64_t;
constexpr MapTypeMask maps(auto... types) {
    return ((MapTypeMask{1} << static_cast<unsigned>(types)) | ...);
}
inline constexpr MapTypeMask kNoMaps = 0;

/// What the verifier and engines know of a map: everything but its contents. Also the record the runtime
/// keeps.
struct MapShape {
    MapType type = MapType::Array;
    std::uint32_t key_size = 0;    ///< bytes
    std::uint32_t value_size = 0;  ///< bytes
    std::uint32_t max_entries = 0;
    std::uint32_t flags = 0;
    friend bool operator==(const MapShape&, const MapShape&) = default;
};

inline constexpr std::uint32_t kMaxKeyBytes = 512;
inline constexpr std::uint32_t kMaxValueBytes = 1U << 20U;
inline constexpr std::uint64_t kMaxMapBytes = std::uint64_t{1} << 32U;

}  // namespace ebpf::spec
