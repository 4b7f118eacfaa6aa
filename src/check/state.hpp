// SPDX-License-Identifier: MIT
// State: what is known before an instruction on one way through the program. Plain data that can be copied
// and compared.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/fallible_vector.hpp"
#include "base/status.hpp"
#include "check/value.hpp"
#include "spec/instructions.hpp"

namespace ebpf::check {

/// A piece of the stack whose content is known better than "some bytes".
struct StackCell {
    std::uint16_t first = 0;  ///< byte of the frame, 0 is the lowest address (r10 - 512)
    std::uint8_t size = 0;    ///< 1, 2, 4 or 8; pointers only 8
    Value value;              ///< Scalar: zero-extended from `size` bytes
};

inline constexpr std::uint32_t kSavedRegisters = 4;  ///< r6..r9
inline constexpr std::uint32_t kFirstSaved = 6;
// Behind them, while a helper calls back: what it was called with, see check/callback.cpp.
inline constexpr std::uint32_t kSavedSubject = kSavedRegisters;  ///< r1: count or map
inline constexpr std::uint32_t kSavedContext =
    kSavedRegisters + 1;  ///< r3: what callbacks get as their context

/// The stack of one active function, and what its caller gets back when it returns.
class Frame {
  public:
    std::uint32_t function_slot = 0;  ///< first slot of the function
    std::uint32_t return_slot = 0;    ///< where the caller goes on; of a callback: the helper's call
    bool is_callback = false;         ///< a helper called the function
    std::array<Value, kSavedContext + 1>
        saved{};  ///< r6..r9 of this function while it waits for a callee, and more

    /// True if bytes [first, first + size) were all written.
    [[nodiscard]] bool is_written(std::uint32_t first, std::uint32_t size) const noexcept;
    /// The first byte of [first, first + size) that was not written. Requires: !is_written(first, size).
    [[nodiscard]] std::uint32_t first_unwritten(std::uint32_t first, std::uint32_t size) const noexcept;
    void set_written(std::uint32_t first, std::uint32_t size, bool is_written) noexcept;

    /// Forgets what is known of [first, first + size), which is overwritten (`is_certain`) or may be. Where
    /// an address, or a part of one, may stay behind, the bytes count as not written, so that they cannot be
    /// read as numbers.
    void forget(std::uint32_t first, std::uint32_t size, bool is_certain) noexcept;
    /// Adds a cell. Requires: no cell overlaps it.
    [[nodiscard]] bool insert(const StackCell& cell) noexcept;
    /// Takes the cell at `index` away; its bytes count as not written unless `keep_written`.
    void erase(std::size_t index, bool keep_written) noexcept;
    /// Returns the cell that covers byte `at`, or nullptr.
    [[nodiscard]] const StackCell* find(std::uint32_t at) const noexcept;
    /// True if a pointer's cell overlaps [first, first + size) without being exactly it.
    [[nodiscard]] bool cuts_pointer(std::uint32_t first, std::uint32_t size) const noexcept;
    /// True if a pointer's cell overlaps [first, first + size).
    [[nodiscard]] bool holds_pointer(std::uint32_t first, std::uint32_t size) const noexcept;

    [[nodiscard]] bool copy_from(const Frame& other) noexcept;

    std::array<std::uint64_t, spec::kStackBytes / 64> written{};  ///< one bit a byte
    FallibleVector<StackCell> cells;  ///< by ascending first byte, without overlap
};

/// Bytes behind a packet pointer that a comparison proved to be inside: base + number + bytes <= limit, where
/// number is the one of all pointers of `kind` with this id, and limit is the packet's end (PacketMeta: its
/// start). `bytes` may be negative where id is not 0. No fact is not a fact of 0 bytes: without one the
/// pointers may lie anywhere. Only of id 0, the region itself, 0 bytes are always known: it starts at or
/// before its limit.
struct PacketFact {
    Kind kind = Kind::Packet;
    std::uint32_t id = 0;
    std::int64_t bytes = 0;
};

/// Something that the program holds and has to give back: a record that it reserved.
struct Reference {
    std::uint32_t id = 0;    ///< of the values that point to it, if any are left
    std::uint32_t slot = 0;  ///< of the call that returned it
    std::uint32_t depth =
        0;  ///< of the frame that holds it: a function leaves it to its caller, a callback must not
    friend bool operator==(const Reference&, const Reference&) = default;
};

/// Everything known at one point of one path.
class State {
  public:
    std::array<Value, spec::kRegisterCount> registers{};
    FallibleVector<Frame> frames;          ///< outermost first; the last one is active
    FallibleVector<PacketFact> facts;      ///< of id 0 only those of more than 0 bytes
    FallibleVector<Reference> references;  ///< by id in normalised states
    std::uint32_t next_id = 1;

    [[nodiscard]] Frame& active() noexcept { return frames[frames.size() - 1]; }
    [[nodiscard]] const Frame& active() const noexcept { return frames[frames.size() - 1]; }
    [[nodiscard]] std::uint32_t depth() const noexcept {
        return static_cast<std::uint32_t>(frames.size() - 1);
    }

    [[nodiscard]] std::uint32_t make_id() noexcept { return next_id++; }

    /// Bytes proven behind pointers of `kind` with `id`; nothing if no comparison spoke of them.
    [[nodiscard]] std::optional<std::int64_t> proven_bytes(Kind kind, std::uint32_t id) const noexcept;
    /// Bytes proven behind the start of the region of `kind`, at least 0.
    [[nodiscard]] std::int64_t proven_bytes(Kind kind) const noexcept;
    /// Records at least `bytes` behind pointers of `kind` with `id`.
    [[nodiscard]] bool prove_bytes(Kind kind, std::uint32_t id, std::int64_t bytes) noexcept;

    /// Calls `visit(Value&)` for each value: registers, saved registers, stack cells, outermost frame first.
    template <typename Visit>
    void for_each(Visit&& visit) noexcept {
        for (Value& value : registers) visit(value);
        for (Frame& frame : frames) {
            for (Value& value : frame.saved) visit(value);
            for (StackCell& cell : frame.cells) visit(cell.value);
        }
    }
    template <typename Visit>
    void for_each(Visit&& visit) const noexcept {
        for (const Value& value : registers) visit(value);
        for (const Frame& frame : frames) {
            for (const Value& value : frame.saved) visit(value);
            for (const StackCell& cell : frame.cells) visit(cell.value);
        }
    }

    /// Takes the reference `id` away. `is_null`: there was nothing to refer to. Else what points to it
    /// becomes unusable.
    void release(std::uint32_t id, bool is_null) noexcept;
    /// Returns a reference of frame `depth` or one that it called, or nullptr.
    [[nodiscard]] const Reference* held_since(std::uint32_t depth) const noexcept;

    /// Makes all pointers into the packet, and what is known of its size, unusable.
    void drop_packet() noexcept;

    /// Renumbers ids in order of appearance and drops those that tie nothing, so that equal knowledge looks
    /// equal.
    [[nodiscard]] bool normalise() noexcept;

    /// Returns false, with this state unchanged in meaning but not usable, when memory is short.
    [[nodiscard]] bool copy_from(const State& other) noexcept;

    /// Bytes held, for limits.
    [[nodiscard]] std::size_t memory_bytes() const noexcept;

    /// A number that equal normalised states share.
    [[nodiscard]] std::uint64_t hash() const noexcept;
};

}  // namespace ebpf::check
