// SPDX-License-Identifier: MIT
// Ring buffers: records from many producers to one consumer, in Linux's layout. What helpers and consumers
// do.
//
// The region (docs/memory.md): the page of the header; the consumer's page, which starts with its position;
// the producers' page, likewise; then the bytes for records, with room for as many again behind them.
// Positions only grow; position p stands at byte p modulo the size, and a record is read and written on from
// there without a break, into the room behind the ring if it reaches over its end. Where the host can map
// memory twice (Linux), that room is the ring's start, as clients of the kernel's ring buffers expect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "maps/map.hpp"

namespace ebpf::maps {

/// Called with a record, which stays in place during the call; false: it and those after it are left. It must
/// not call the ring buffer.
using RecordFunction = bool (*)(void* state, std::span<const std::byte> record) noexcept;

// Producers. Threads: any, inside. Requires: the map is a ring buffer.

/// Returns the address of a new record of `size` bytes, aligned to 8 and of unknown content, or nullptr if
/// there is no room before the oldest record that is unread or not submitted. Readers get no further than to
/// it until it is submitted or discarded.
void* reserve_record(Map& map, std::uint64_t size) noexcept;

/// Hands a reserved record to the reader, or (`is_discarded`) makes readers pass over it. Wakes who waits if
/// the reader has come to this record, unless `flags` says kRingNoWakeup, and always if it says
/// kRingForceWakeup.
void submit_record(void* record, bool is_discarded, std::uint64_t flags) noexcept;

/// Answers kRingAvailableData and so on; 0 for other questions.
std::uint64_t query_ring(const Map& map, std::uint64_t question) noexcept;

// Consumers. Threads: any; one is served at a time, and each record goes to one of them. All answer WrongKind
// if the map is no ring buffer, and Malformed if the consumer's position, which clients may write, is not
// that of a record.

/// Passes unread records on, oldest first, without consuming them. Returns the position behind the last one
/// that was taken, for release_records().
StatusOr<std::uint64_t> read_records(Map& map, RecordFunction function, void* state) noexcept;

/// Consumes records up to `position`; what was consumed before stays so. Errors: InvalidArgument - no record
/// that may be read ends there.
Status release_records(Map& map, std::uint64_t position) noexcept;

/// Passes unread records on and consumes each that is taken. Returns how many.
StatusOr<std::uint64_t> consume_records(Map& map, RecordFunction function, void* state) noexcept;

/// Waits until a record can be read or passed over, or a producer forces a wakeup. Errors: TimedOut;
/// OutOfMemory - also when the host gives no event.
Status wait_for_record(Map& map, std::uint64_t timeout_ns) noexcept;

}  // namespace ebpf::maps
