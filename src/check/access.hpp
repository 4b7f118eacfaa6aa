// SPDX-License-Identifier: MIT
// Memory: which bytes a pointer may reach, and what loads and stores do to them.
#pragma once

#include <cstdint>

#include "check/program.hpp"
#include "check/state.hpp"

namespace ebpf::check {

/// What is done to `size` bytes at pointer + offset.
struct Request {
    std::int64_t offset = 0;
    std::int64_t size = 0;
    bool reads = false;
    bool writes = false;
    bool needs_written = true;  ///< reads of stack bytes that were never written are refused
};

/// Proves that the bytes may be accessed through `pointer` (any kind but Context): inside their region for
/// every value of its offset, permitted, and on the stack written before and not a part of a pointer. Rules:
/// Uninitialised, NotPointer, NullCheck, OffsetRange, PacketBounds, MapValueBounds, StackBounds,
/// MemoryBounds, MapKeyBounds, RecordBounds,
///   ReadOnly, WriteOnly, StackUninitialised, PartialPointer, PointerLeak (a pointer read as plain bytes).
bool check_region(const Program& program, const State& state, const Value& pointer, const Request& request,
                  Finding& finding) noexcept;

/// Proves a load, store or atomic instruction; `state` is the one before it.
bool check_memory(const Program& program, const State& state, const isa::Instruction& instruction,
                  Finding& finding) noexcept;

/// Does what a load, store or atomic instruction does. Requires: check_memory() held. Errors: OutOfMemory.
Status apply_memory(const Program& program, State& state, const isa::Instruction& instruction) noexcept;

/// Makes `size` bytes at `pointer` + `offset` unknown; on the stack those that are certainly written count as
/// such. Requires: check_region() held for `max_size` >= `size` bytes. Errors: OutOfMemory.
void write_unknown(State& state, const Value& pointer, std::int64_t offset, std::int64_t size,
                   std::int64_t max_size) noexcept;

/// Returns the register that holds the address of a memory instruction.
std::uint8_t address_register(const isa::Instruction& instruction) noexcept;

}  // namespace ebpf::check
