// SPDX-License-Identifier: MIT
// Operations of the execution context: numbers, names, limits. Messages and codecs are made from the same
// table in protocol/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ebpf::spec {

inline constexpr std::uint32_t kProtocolVersion = 7;

// Limits of messages; a message beyond them is refused before it is interpreted.
inline constexpr std::size_t kMaxMessageBytes = std::size_t{32} << 20U;
inline constexpr std::size_t kMaxMessageHandles = 128;
inline constexpr std::size_t kMaxErrorBytes = 16384;
inline constexpr std::size_t kMaxBytecodeBytes = std::size_t{8} << 20U;  ///< 1,048,576 slots
inline constexpr std::size_t kMaxMachineCodeBytes = std::size_t{16} << 20U;
inline constexpr std::size_t kMaxMachineSlots = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxImageBytes = std::size_t{16} << 20U;  ///< a native image
inline constexpr std::size_t kMaxTypesBytes = std::size_t{8} << 20U;
inline constexpr std::size_t kMaxTestBytes = 65536;
inline constexpr std::size_t kMaxTestOutputBytes = kMaxTestBytes + 4096;  ///< a program may grow its packet
inline constexpr std::size_t kMaxProgramMaps = 64;
inline constexpr std::size_t kMaxLines = 262144;
inline constexpr std::size_t kMaxSubprograms = 4096;
inline constexpr std::size_t kMaxCounters = 64;
inline constexpr std::size_t kMaxRecordsAtOnce = 1024;                 ///< of a ring buffer
inline constexpr std::size_t kMaxRecordData = std::size_t{16} << 20U;  ///< what is longer is cut
inline constexpr std::size_t kMaxNameBytes = 127;
inline constexpr std::size_t kMaxPathBytes = 255;
inline constexpr std::size_t kMaxInterfaceBytes = 15;
inline constexpr std::size_t kMaxTreePrograms = 64;
inline constexpr std::size_t kMaxExtensions = 64;
inline constexpr std::size_t kMaxExtensionParts = 64;     ///< program types, and hooks, of an extension
inline constexpr std::size_t kMaxRegisteredTypes = 1024;  ///< of a context

enum class Operation : std::uint32_t {
#define EBPF_OPERATION(name, number, pace, text, request, reply) name = number,
#include "spec/operations.def"
#undef EBPF_OPERATION
};

/// Longest time that an operation of pace Waits waits.
inline constexpr std::uint32_t kMostWaitMs = 1000;

/// Slow operations may block or compute for long: an event loop hands them to a worker. Those that wait for
/// programs to do something, up to kMostWaitMs, must not keep these workers from others.
enum class Pace : std::uint8_t { Quick, Slow, Waits };

struct OperationSpec {
    Operation operation;
    const char* name;
    Pace pace;
    const char* text;
};

/// Returns all rows of operations.def by ascending number. Threads: any.
std::span<const OperationSpec> operations() noexcept;

/// Returns the row with `number`, or nullptr.
const OperationSpec* find_operation(std::uint32_t number) noexcept;

}  // namespace ebpf::spec
