// SPDX-License-Identifier: MIT
// Live intervals: what the allocator knows about values, pieces of their intervals, and fixed registers.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/ir.hpp"
#include "jit/allocation.hpp"
#include "jit/target.hpp"

namespace ebpf::jit {

/// A point of the function. Each block start and each instruction has an index; four points lie in each:
/// +0 moves before it, +1 uses are read, +2 results are written, +3 moves of results out of fixed registers.
using Point = std::uint32_t;
inline constexpr Point kPointsPerIndex = 4;
inline constexpr std::uint32_t kNoPiece = ir::kNone;

/// [from, to)
struct Range {
    Point from;
    Point to;
};

enum class UseKind : std::uint8_t { Free, Should, Must };

/// A place where a value is read or written.
struct Use {
    Point point;
    Point end;              ///< the value must be live until here
    std::uint32_t operand;  ///< of the selection; kNone: input of a phi
    UseKind kind;           ///< whether it needs a register
};

/// Part of a value's interval with one location. Ranges and uses are slices of the value's.
struct Piece {
    ValueId value = ir::kNone;  ///< kNone: a temporary
    Point start = 0;
    Point end = 0;
    std::uint32_t range_begin = 0;
    std::uint32_t range_end = 0;
    std::uint32_t use_begin = 0;
    std::uint32_t use_end = 0;
    std::uint32_t next = kNoPiece;  ///< of the same value, later
    Register reg = kNoRegister;     ///< none: in the value's slot, or remade
    Register hint = kNoRegister;    ///< of the piece before
};

struct Value {
    std::uint32_t first_piece = kNoPiece;
    std::uint32_t use_begin = 0;  ///< slice of Intervals::uses, ascending; a result's definition comes first
    std::uint32_t use_end = 0;
    ir::BlockId block = ir::kNone;           ///< where it is defined
    std::uint32_t hint_operand = ir::kNone;  ///< a use of the defining instruction to share a register with
    ValueId hint_phi = ir::kNone;            ///< a phi that it flows into
    Register hint_fixed = kNoRegister;       ///< a register that an instruction wants it in
    Register phi_register = kNoRegister;     ///< of a phi: what an input of it got
    std::uint32_t slot = ir::kNone;
};

/// Live intervals of a function, all in flat arrays.
class Intervals {
  public:
    /// Numbers the function and computes the intervals.
    void build(const ir::Function& function, const Selection& selection);

    [[nodiscard]] Point block_start(ir::BlockId block) const {
        return (selection_->block_begin[block] + block) * kPointsPerIndex;
    }
    [[nodiscard]] Point block_end(ir::BlockId block) const {
        return (selection_->block_begin[block + 1] + block + 1) * kPointsPerIndex;
    }
    [[nodiscard]] Point instruction_point(std::uint32_t instruction, ir::BlockId block) const {
        return (instruction + block + 1) * kPointsPerIndex;
    }
    [[nodiscard]] ir::BlockId block_of(Point point) const { return block_of_index_[point / kPointsPerIndex]; }
    [[nodiscard]] std::uint32_t depth_of(Point point) const {
        return function_->blocks[block_of(point)].loop_depth;
    }
    /// Cuts `piece` at `at`, a multiple of kPointsPerIndex inside it; returns the later part.
    std::uint32_t split(std::uint32_t piece, Point at);
    /// First point that both cover, at or after `from`; or the greatest Point.
    [[nodiscard]] Point intersection(const Piece& a, const Piece& b, Point from) const;
    [[nodiscard]] bool covers(const Piece& piece, Point point) const;
    [[nodiscard]] bool can_remake(ValueId value) const { return selection_->can_remake[value]; }
    /// The piece of `value` that covers `point`, or the last one before.
    [[nodiscard]] const Piece& piece_at(ValueId value, Point point) const;

    std::vector<Value> values;
    std::vector<Piece> pieces;
    std::vector<Range> ranges;
    std::vector<Use> uses;
    std::vector<std::vector<Range>> busy;  ///< by register: where instructions use it themselves
    std::vector<Point> loop_end;           ///< by block: end of the innermost loop around it; 0: none
    std::vector<Point> loop_start;
    std::vector<std::uint32_t> by_start;  ///< pieces whose values are not remade, ascending by start

  private:
    void number();
    void find_loops();
    void collect_uses();
    void add_instruction_uses(std::uint32_t instruction, ir::BlockId block);
    void add_use(ValueId value, Use use);
    void note_busy(const Instruction& instruction, Point point);
    void build_pieces();
    void build_results(std::uint32_t instruction, ir::BlockId block);
    void build_piece(ValueId value, ir::BlockId block, Point start);
    void mark_live(ir::BlockId block, Point end, ValueId value);

    const ir::Function* function_ = nullptr;
    const Selection* selection_ = nullptr;
    std::vector<ir::BlockId> block_of_index_;
    std::vector<ValueId> stamp_;  // by block: the value whose live_until_ is valid
    std::vector<Point> live_until_;
    std::vector<ir::BlockId> visited_;
};

}  // namespace ebpf::jit
