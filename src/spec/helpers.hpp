// SPDX-License-Identifier: MIT
// Helper functions: ids, contracts and effects, for verifier, runtime, engines and headers.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::spec {

/// What a helper expects in an argument register (r1..r5).
enum class ArgKind : std::uint8_t {
    None,         ///< not used
    Anything,     ///< any initialised value; a pointer would leak, see the verifier's rules
    Optional,     ///< as Anything, or not initialised: the caller's prototype ends before it
    Scalar,       ///< an initialised number
    Context,      ///< the program's own context, unmodified
    Map,          ///< a map, by LoadImm64
    MapKey,       ///< readable, initialised memory of the map's key size
    MapValue,     ///< readable, initialised memory of the map's value size
    ReadMemory,   ///< readable, initialised memory; the next argument is its size
    WriteMemory,  ///< writable memory, which the helper fills; the next argument is its size
    Size,         ///< bytes of the memory before it; may be 0
    SizeNonZero,  ///< bytes of the memory before it; at least 1
    Callback,  ///< a function of the program, by LoadImm64 CodeAddress: the helper calls it, see CallbackKind
    CallbackContext,  ///< any initialised value: the callback gets it as it is
    RecordSize,       ///< bytes of the record that is reserved: a number known when the program is verified
    Record,           ///< a reserved record, unmoved, which the helper takes back: it cannot be used any more
};

/// What a helper calls its Callback argument with, any number of times within its bound; the callback returns
/// 0 to go on and 1 to stop.
enum class CallbackKind : std::uint8_t {
    None,   ///< the helper calls nothing
    Index,  ///< (index, context): index counts from 0 to r1 - 1, r1 taken as 32 bits and at most kMaxLoops
    MapElement,  ///< (map, key, value, context): key is read-only; for the elements of the Map argument
};

/// Most iterations of bpf_loop. Source: Linux include/linux/bpf.h, BPF_MAX_LOOPS.
inline constexpr std::uint32_t kMaxLoops = 1U << 23U;

enum class ReturnKind : std::uint8_t {
    Scalar,          ///< any number
    Error,           ///< 0 or a negative errno, or a count: any signed number
    MapValueOrNull,  ///< address of a value of the Map argument, or 0
    RecordOrNull,    ///< address of a new record of RecordSize bytes, which must be given back, or 0
    Nothing,         ///< r0 holds nothing
};

enum class LicenceGate : std::uint8_t { Any, Gpl };

struct Effects {
    bool moves_packet = false;  ///< packet pointers held by the program become invalid
    bool tail_call = false;     ///< does not return when it succeeds
    CallbackKind calls_back =
        CallbackKind::None;  ///< before it returns, and what that does is the helper's, too
};
inline constexpr Effects kNoEffects{};
inline constexpr Effects kMovesPacket{
    .moves_packet = true, .tail_call = false, .calls_back = CallbackKind::None};
inline constexpr Effects kTailCall{
    .moves_packet = false, .tail_call = true, .calls_back = CallbackKind::None};
inline constexpr Effects kCallsForIndices{
    .moves_packet = false, .tail_call = false, .calls_back = CallbackKind::Index};
inline constexpr Effects kCallsForElements{
    .moves_packet = false, .tail_call = false, .calls_back = CallbackKind::MapElement};

struct HelperSpec {
    std::uint32_t id;
    const char* name;  ///< without the bpf_ prefix
    ReturnKind returns;
    std::array<ArgKind, 5> arguments;
    Effects effects;
    MapTypeMask maps;          ///< map types its Map argument may have
    ProgramTypeMask programs;  ///< program types that may call it
    LicenceGate licence;
    const char* text;
};

enum class HelperId : std::uint32_t {
#define EBPF_HELPER(id, name, returns, a1, a2, a3, a4, a5, effects, map_mask, program_mask, licence, text) \
    name = id,
#include "spec/helpers.def"
#undef EBPF_HELPER
};

/// Returns all rows of helpers.def, by ascending id.
std::span<const HelperSpec> helpers() noexcept;
/// Returns the row with `id`, or nullptr.
const HelperSpec* find_helper(std::uint32_t id) noexcept;

}  // namespace ebpf::spec
