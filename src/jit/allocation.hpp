// SPDX-License-Identifier: MIT
// Register allocation: where each operand of a Selection is, and which moves make it so.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ir/ir.hpp"
#include "jit/target.hpp"

namespace ebpf::jit {

/// Where a value is at some point.
struct Location {
    enum class Kind : std::uint8_t {
        None,
        InRegister,  ///< index: its number
        Slot,        ///< index: number of an 8-byte spill slot
        Remake,      ///< nowhere; index: the ValueId that the target makes on the spot
    };
    Kind kind = Kind::None;
    std::uint32_t index = 0;

    static constexpr Location in(Register r) { return {Kind::InRegister, r}; }
    static constexpr Location slot(std::uint32_t number) { return {Kind::Slot, number}; }
    static constexpr Location remake(ValueId value) { return {Kind::Remake, value}; }
    [[nodiscard]] constexpr bool is_register() const { return kind == Kind::InRegister; }
    [[nodiscard]] constexpr bool is_slot() const { return kind == Kind::Slot; }
    [[nodiscard]] constexpr bool is_remake() const { return kind == Kind::Remake; }
    /// Requires: is_register().
    [[nodiscard]] constexpr Register reg() const { return static_cast<Register>(index); }
    friend constexpr bool operator==(Location, Location) = default;
};

/// Copies 64 bits, or exchanges them. `to` is a register or a slot; `from` that, or (not for swaps) Remake.
/// Both may be slots: the target needs a scratch register that is not allocatable for these and for Remake
/// to a slot.
struct Move {
    Location from;
    Location to;
    bool is_swap = false;
};

struct Allocation {
    std::vector<Location> locations;  ///< by operand of the Selection; a dead result still has a register
    /// Moves before instruction i are moves[first_move[i]] up to moves[first_move[i + 1]], to be emitted one
    /// after the other. They include what phis and block boundaries need. Moves must not change flags that
    /// an earlier instruction left for a later one.
    std::vector<std::uint32_t> first_move;
    std::vector<Move> moves;
    RegisterSet used;               ///< allocatable registers that hold a value or temporary somewhere; the
                                    ///< prologue saves those that are callee-saved
    std::uint32_t slot_count = 0;   ///< 8-byte spill slots of the frame
    std::uint32_t spill_moves = 0;  ///< moves to or from slots, for statistics

    [[nodiscard]] std::span<const Move> moves_before(std::uint32_t instruction) const {
        return std::span(moves).subspan(first_move[instruction],
                                        first_move[instruction + 1] - first_move[instruction]);
    }
};

/// Linear scan over live intervals with holes, on SSA form. Keeps its working memory between functions.
class Allocator {
  public:
    Allocator();
    ~Allocator();
    Allocator(const Allocator&) = delete;
    Allocator& operator=(const Allocator&) = delete;

    /// Fills in `result`. Requires: `function` and `selection` fit together as jit/target.hpp says, and no
    /// instruction needs more registers at once than there are.
    /// Cost: about linear in instructions plus the blocks that values live through.
    void allocate(const ir::Function& function, const Selection& selection, const RegisterFile& file,
                  Allocation& result);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ebpf::jit
