// SPDX-License-Identifier: MIT
// After Wimmer and Moessenboeck, "Optimized interval splitting in a linear scan register allocator" (2005),
// and Wimmer and Franz, "Linear scan register allocation on SSA form" (2010).
#include "jit/scan.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/assert.hpp"

namespace ebpf::jit {
namespace {

constexpr Point kNever = std::numeric_limits<Point>::max();

Point round_down(Point point) {
    return point / kPointsPerIndex * kPointsPerIndex;
}

Point round_up(Point point) {
    return round_down(point + kPointsPerIndex - 1);
}

}  // namespace

void LinearScan::run(Intervals& intervals, const ir::Function& function, const Selection& selection,
                     const RegisterFile& file) {
    intervals_ = &intervals;
    function_ = &function;
    selection_ = &selection;
    file_ = &file;
    used_ = {};
    next_by_start_ = 0;
    queue_.clear();
    occupants_.resize(32);
    for (auto& list : occupants_) list.clear();
    busy_cursor_.assign(32, 0);
    free_until_.assign(32, 0);
    for (Register r = 0; r < 32; ++r) {
        if (file.callee_saved.has(r) && !intervals.busy[r].empty()) used_.add(r);
    }
    // A value that can be remade is nowhere until something needs it in a register.
    for (PieceId piece = 0, count = static_cast<PieceId>(intervals.pieces.size()); piece < count; ++piece) {
        if (is_remade(intervals.pieces[piece])) leave_in_memory(piece, intervals.pieces[piece].start);
    }
    PieceId piece = 0;
    while (pop(piece)) {
        position_ = intervals.pieces[piece].start;
        place(piece);
    }
}

void LinearScan::push(PieceId piece) {
    queue_.emplace_back(intervals_->pieces[piece].start, piece);
    std::ranges::push_heap(queue_, std::greater<>());
}

// For what follows a cut: a value that can be remade leaves its register until it is needed again.
void LinearScan::requeue(PieceId piece) {
    if (is_remade(intervals_->pieces[piece])) {
        leave_in_memory(piece, intervals_->pieces[piece].start);
    } else {
        push(piece);
    }
}

bool LinearScan::is_remade(const Piece& piece) const {
    return piece.value != ir::kNone && intervals_->can_remake(piece.value);
}

bool LinearScan::pop(PieceId& piece) {
    const auto& sorted = intervals_->by_start;
    const bool has_sorted = next_by_start_ < sorted.size();
    if (queue_.empty() && !has_sorted) return false;
    if (has_sorted &&
        (queue_.empty() || intervals_->pieces[sorted[next_by_start_]].start <= queue_.front().first)) {
        piece = sorted[next_by_start_++];
        return true;
    }
    piece = queue_.front().second;
    std::ranges::pop_heap(queue_, std::greater<>());
    queue_.pop_back();
    return true;
}

void LinearScan::place(PieceId piece) {
    const Piece& it = intervals_->pieces[piece];
    bool wants_register = false;
    for (std::uint32_t i = it.use_begin; i < it.use_end; ++i) {
        if (intervals_->uses[i].kind != UseKind::Free) wants_register = true;
    }
    if (is_remade(it) && !wants_register) return;
    if (take_free(piece)) return;
    if (wants_register) take_occupied(piece);
}

Point LinearScan::busy_from(Register reg, const Piece& piece) {
    const auto& list = intervals_->busy[reg];
    std::size_t& cursor = busy_cursor_[reg];
    while (cursor < list.size() && list[cursor].to <= position_) ++cursor;
    auto range = intervals_->ranges.begin() + piece.range_begin;
    const auto last = intervals_->ranges.begin() + piece.range_end;
    for (std::size_t i = cursor; i < list.size() && list[i].from < piece.end; ++i) {
        while (range != last && range->to <= list[i].from) ++range;
        if (range == last) return kNever;
        const Point from = std::max(range->from, piece.start);
        if (from < list[i].to && list[i].from < std::min(range->to, piece.end)) {
            return std::max(list[i].from, from);
        }
    }
    return kNever;
}

void LinearScan::compute_free_until(const Piece& piece) {
    for (const Register reg : file_->allocatable) {
        auto& list = occupants_[reg];
        Point until = busy_from(reg, piece);
        std::size_t kept = 0;
        for (std::size_t i = 0; i < list.size(); ++i) {
            const Piece& other = intervals_->pieces[list[i]];
            if (other.end <= position_) continue;
            list[kept++] = list[i];
            if (until > position_) until = std::min(until, intervals_->intersection(piece, other, position_));
        }
        list.resize(kept);
        free_until_[reg] = until;
    }
}

Register LinearScan::phi_hint(ValueId phi) const {
    const Value& value = intervals_->values[phi];
    if (value.first_piece != kNoPiece) {
        const Register reg = intervals_->pieces[value.first_piece].reg;
        if (reg != kNoRegister) return reg;
    }
    return value.phi_register;
}

// Returns a register that saves a move, if it is free for the whole piece.
Register LinearScan::choose_hint(const Piece& piece) const {
    const auto is_good = [&](Register reg) {
        return reg != kNoRegister && free_until_[reg] >= piece.end &&
               std::ranges::find(file_->allocatable, reg) != file_->allocatable.end();
    };
    if (piece.value == ir::kNone) return kNoRegister;
    const Value& value = intervals_->values[piece.value];
    if (is_good(piece.hint)) return piece.hint;
    if (value.hint_phi != ir::kNone) {
        const Register reg = phi_hint(value.hint_phi);
        if (is_good(reg)) return reg;
    }
    if (piece.start == intervals_->pieces[value.first_piece].start) {
        if (is_good(value.phi_register)) return value.phi_register;
        if (value.hint_operand != ir::kNone) {
            const Operand& operand = selection_->operands[value.hint_operand];
            const Register reg = intervals_->piece_at(operand.value, piece.start - 1).reg;
            if (is_good(reg)) return reg;
        }
    }
    if (is_good(value.hint_fixed)) return value.hint_fixed;
    return kNoRegister;
}

// Returns a register that is free for the whole piece, if there is one that costs no more than memory.
Register LinearScan::choose_whole(PieceId which) const {
    const Piece& piece = intervals_->pieces[which];
    const Register hint = choose_hint(piece);
    if (hint != kNoRegister) return hint;
    Register saved = kNoRegister;
    for (const Register reg : file_->allocatable) {
        if (free_until_[reg] < piece.end) continue;
        if (!file_->callee_saved.has(reg) || used_.has(reg)) return reg;
        if (saved == kNoRegister) saved = reg;
    }
    return is_remade(piece) && intervals_->loop_end[intervals_->block_of(piece.start)] == 0 ? kNoRegister
                                                                                            : saved;
}

bool LinearScan::take_free(PieceId which) {
    compute_free_until(intervals_->pieces[which]);
    const Register whole = choose_whole(which);
    if (whole != kNoRegister) {
        assign(which, whole);
        return true;
    }
    Register best = kNoRegister;
    const Piece& piece = intervals_->pieces[which];
    for (const Register reg : file_->allocatable) {
        if (free_until_[reg] >= piece.end) continue;  // whole, but not worth it
        if (best == kNoRegister || free_until_[reg] > free_until_[best]) best = reg;
    }
    const Register hint = piece.hint;
    if (best == kNoRegister) return false;
    if (hint != kNoRegister && free_until_[hint] == free_until_[best]) best = hint;
    const Point limit = round_down(free_until_[best]);
    if (limit <= piece.start) return false;
    // A register that is lost before it is used would only cause moves.
    Point last_use = 0;
    for (std::uint32_t i = piece.use_begin; i < piece.use_end; ++i) {
        const Use& use = intervals_->uses[i];
        if (use.kind != UseKind::Free && use.point < limit) last_use = use.point;
    }
    if (last_use == 0) return false;
    const Point cut =
        best_cut(std::max(round_down(last_use) + kPointsPerIndex, round_up(piece.start + 1)), limit);
    const PieceId rest = intervals_->split(which, cut);
    assign(which, best);
    requeue(rest);
    return true;
}

void LinearScan::assign(PieceId which, Register reg) {
    Piece& piece = intervals_->pieces[which];
    piece.reg = reg;
    used_.add(reg);
    occupants_[reg].push_back(which);
    if (piece.next != kNoPiece) intervals_->pieces[piece.next].hint = reg;
    if (piece.value == ir::kNone) return;
    const ValueId phi = intervals_->values[piece.value].hint_phi;
    if (phi != ir::kNone && intervals_->values[phi].phi_register == kNoRegister) {
        intervals_->values[phi].phi_register = reg;
    }
}

// Returns the first point at or after `from` where the piece should be in a register. A value that is used
// again in the next round of the loop that `from` is in counts as used at that loop's end.
Point LinearScan::next_need(const Piece& piece, Point from, bool counts_loops) const {
    Point need = kNever;
    for (std::uint32_t i = piece.use_begin; i < piece.use_end; ++i) {
        const Use& use = intervals_->uses[i];
        if (use.point < from || use.kind == UseKind::Free) continue;
        need = use.point;
        break;
    }
    if (!counts_loops || piece.value == ir::kNone) return need;
    const ir::BlockId block = intervals_->block_of(from);
    const Point end = intervals_->loop_end[block];
    if (end == 0 || need < end || piece.end < end) return need;
    const Point start = intervals_->loop_start[block];
    const Value& value = intervals_->values[piece.value];
    for (std::uint32_t i = value.use_begin; i < value.use_end; ++i) {
        const Use& use = intervals_->uses[i];
        if (use.kind != UseKind::Free && use.point >= start && use.point < end) return end;
    }
    return need;
}

// Finds the register whose occupants are needed latest from `from` on; returns when that is, 0 if none can
// be emptied.
Point LinearScan::cheapest(Register& best, const Piece& piece, Point from) {
    Point best_need = 0;
    const Point next_instruction = round_down(from) + kPointsPerIndex;
    for (const Register reg : file_->allocatable) {
        if (busy_from(reg, piece) < next_instruction) continue;
        Point need = kNever;
        for (const PieceId other : occupants_[reg]) {
            const Piece& occupant = intervals_->pieces[other];
            if (intervals_->intersection(piece, occupant, position_) == kNever) continue;
            Point of = next_need(occupant, round_down(from), true);
            // In use by this very instruction, unless as something that may also be in memory.
            for (std::uint32_t i = occupant.use_begin; i < occupant.use_end; ++i) {
                const Use& use = intervals_->uses[i];
                if (use.kind == UseKind::Must && use.point >= round_down(from) &&
                    use.point < next_instruction)
                    of = 0;
            }
            if (occupant.value == ir::kNone) of = 0;
            if (of != 0 && of != kNever && intervals_->can_remake(occupant.value)) of += (of - from) * 3;
            need = std::min(need, of);
        }
        if (need > best_need) {
            best_need = need;
            best = reg;
        }
    }
    return best_need;
}

void LinearScan::take_occupied(PieceId which) {
    const Piece& piece = intervals_->pieces[which];
    Point must = kNever;
    for (std::uint32_t i = piece.use_begin; i < piece.use_end && must == kNever; ++i) {
        if (intervals_->uses[i].kind == UseKind::Must) must = intervals_->uses[i].point;
    }
    const Point next_instruction = round_down(piece.start) + kPointsPerIndex;
    const bool needs_it_now = must < next_instruction;
    Register best = kNoRegister;
    const Point need = cheapest(best, piece, piece.start);
    const Point own_need = next_need(piece, piece.start, true);
    if (!needs_it_now && (best == kNoRegister || need <= own_need)) {
        leave_in_memory(which, next_instruction);
        return;
    }
    EBPF_ASSERT(best != kNoRegister);  // else it needs more registers at once than there are
    evict(best, which);
    const Point busy = busy_from(best, intervals_->pieces[which]);
    const PieceId rest =
        busy < intervals_->pieces[which].end ? intervals_->split(which, round_down(busy)) : kNoPiece;
    assign(which, best);
    if (rest != kNoPiece) requeue(rest);
}

void LinearScan::evict(Register reg, PieceId for_piece) {
    auto& list = occupants_[reg];
    const Point now = round_down(position_);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const PieceId other = list[i];
        if (intervals_->intersection(intervals_->pieces[for_piece], intervals_->pieces[other], position_) ==
            kNever) {
            list[kept++] = other;
            continue;
        }
        PieceId rest = other;
        if (intervals_->pieces[other].start < now) {
            // It may leave the register as early as after its last use, best outside of loops.
            const Piece& piece = intervals_->pieces[other];
            Point last = piece.start;
            for (std::uint32_t u = piece.use_begin; u < piece.use_end; ++u) {
                const Use& use = intervals_->uses[u];
                if (use.kind != UseKind::Free && use.point < now) last = use.point;
            }
            const Point earliest = round_down(last) + kPointsPerIndex;
            rest = intervals_->split(other, intervals_->covers(piece, now) ? best_cut(earliest, now) : now);
            list[kept++] = other;
        } else {
            intervals_->pieces[other].reg = kNoRegister;
        }
        if (intervals_->pieces[rest].start > position_) {
            push(rest);
        } else {
            leave_in_memory(rest, now + kPointsPerIndex);
        }
    }
    list.resize(kept);
}

// Leaves the piece without a register from its start until shortly before its first need at or after `from`.
void LinearScan::leave_in_memory(PieceId which, Point from) {
    const Piece& piece = intervals_->pieces[which];
    const Point need = next_need(piece, from, false);
    if (need == kNever) return;
    const Point latest = round_down(need);
    Point cut = best_cut(std::max(round_up(from), round_up(piece.start)), latest);
    if (cut <= piece.start) {
        push(which);
        return;
    }
    push(intervals_->split(which, cut));
}

// Returns where between the two points a move costs least: as late as possible, but at the end of the
// outermost loop level on the way.
Point LinearScan::best_cut(Point from, Point to) const {
    if (from >= to) return to;
    const ir::BlockId first = intervals_->block_of(from);
    const ir::BlockId last = intervals_->block_of(to);
    ir::BlockId best = last;
    std::uint32_t depth = function_->blocks[last].loop_depth;
    for (ir::BlockId block = last; block > first && depth > 0;) {
        --block;
        if (function_->blocks[block].loop_depth < depth) {
            best = block;
            depth = function_->blocks[block].loop_depth;
        }
    }
    return best == last ? to : intervals_->block_start(best + 1);
}

}  // namespace ebpf::jit
