// SPDX-License-Identifier: MIT
// Intervals are computed value by value: from each use backwards through predecessors to the definition.
// That costs as much as the result is long, without sets of values by block.
#include "jit/intervals.hpp"

#include <algorithm>
#include <limits>

#include "base/assert.hpp"

namespace ebpf::jit {

void Intervals::build(const ir::Function& function, const Selection& selection) {
    function_ = &function;
    selection_ = &selection;
    pieces.clear();
    ranges.clear();
    by_start.clear();
    busy.resize(32);
    for (auto& list : busy) list.clear();
    number();
    find_loops();
    collect_uses();
    build_pieces();
}

void Intervals::number() {
    const auto block_count = static_cast<ir::BlockId>(function_->blocks.size());
    block_of_index_.clear();
    for (ir::BlockId block = 0; block < block_count; ++block) {
        const std::uint32_t count = selection_->block_begin[block + 1] - selection_->block_begin[block];
        block_of_index_.insert(block_of_index_.end(), count + 1, block);
    }
    block_of_index_.push_back(block_count == 0 ? 0 : block_count - 1);  // points just after the last block
    stamp_.assign(block_count, ir::kNone);
    live_until_.resize(block_count);
}

// Blocks are in reverse postorder and loops contiguous, so a loop is from its header to the last block that
// jumps back there. Outer loops come first, inner ones overwrite.
void Intervals::find_loops() {
    const auto block_count = static_cast<ir::BlockId>(function_->blocks.size());
    loop_start.assign(block_count, 0);
    loop_end.assign(block_count, 0);
    for (ir::BlockId header = 0; header < block_count; ++header) {
        ir::BlockId last = ir::kNone;
        for (const ir::BlockId from : function_->blocks[header].predecessors) {
            if (from >= header && (last == ir::kNone || from > last)) last = from;
        }
        if (last == ir::kNone) continue;
        for (ir::BlockId block = header; block <= last; ++block) {
            loop_start[block] = block_start(header);
            loop_end[block] = block_end(last);
        }
    }
}

void Intervals::collect_uses() {
    values.assign(selection_->value_count, Value{});
    for (const Operand& operand : selection_->operands) {
        if (operand.role != Role::Temporary) ++values[operand.value].use_end;
    }
    for (const ir::Block& block : function_->blocks) {
        for (const ir::NodeId id : block.nodes) {
            const ir::Node& node = function_->nodes[id];
            if (node.opcode != ir::Opcode::Phi) break;
            for (const ir::NodeId input : function_->inputs_of(node)) ++values[input].use_end;
        }
    }
    std::uint32_t total = 0;
    for (Value& value : values) {
        const std::uint32_t count = value.use_end;
        value.use_begin = value.use_end = total;
        total += count;
    }
    uses.resize(total);
    for (ir::BlockId block = 0; block < function_->blocks.size(); ++block) {
        const std::uint32_t end = selection_->block_begin[block + 1];
        for (std::uint32_t i = selection_->block_begin[block]; i < end; ++i) add_instruction_uses(i, block);
        const Point at_end = block_end(block);
        for (const ir::BlockId next : function_->blocks[block].successors) {
            if (next == ir::kNone) continue;
            const auto& from = function_->blocks[next].predecessors;
            const auto index = static_cast<std::size_t>(std::ranges::find(from, block) - from.begin());
            for (const ir::NodeId id : function_->blocks[next].nodes) {
                const ir::Node& phi = function_->nodes[id];
                if (phi.opcode != ir::Opcode::Phi) break;
                const ValueId input = function_->inputs_of(phi)[index];
                add_use(input, {at_end - 1, at_end, ir::kNone, UseKind::Free});
                // A value that goes round a loop matters more than one that enters it.
                if (values[input].hint_phi == ir::kNone || next <= block) values[input].hint_phi = id;
            }
        }
    }
}

void Intervals::add_instruction_uses(std::uint32_t instruction, ir::BlockId block) {
    const Instruction& it = selection_->instructions[instruction];
    const Point point = instruction_point(instruction, block);
    for (std::uint32_t index = it.first_operand; index < it.first_operand + it.operand_count; ++index) {
        const Operand& operand = selection_->operands[index];
        if (operand.role == Role::Temporary) continue;
        Value& value = values[operand.value];
        const bool is_fixed = operand.policy == Policy::Fixed;
        if (operand.role == Role::Result) {
            if (is_fixed) {
                value.hint_fixed = operand.fixed;
            } else if (it.hint != Instruction::kNoHint) {
                value.hint_operand = it.first_operand + it.hint;
            }
            const Point written = point + (is_fixed ? 3 : 2);
            add_use(operand.value, {written, written + 1, index, is_fixed ? UseKind::Free : UseKind::Must});
        } else if (is_fixed) {
            if (value.hint_fixed == kNoRegister) value.hint_fixed = operand.fixed;
            add_use(operand.value, {point - 1, point, index, UseKind::Free});
        } else {
            UseKind kind = UseKind::Must;
            if (operand.policy == Policy::Any && !can_remake(operand.value)) kind = UseKind::Should;
            if (operand.policy == Policy::Anything)
                kind = can_remake(operand.value) ? UseKind::Free : UseKind::Should;
            add_use(operand.value, {point + 1, point + (operand.role == Role::Use ? 2 : 3), index, kind});
        }
    }
    note_busy(it, point);
}

void Intervals::add_use(ValueId value, Use use) {
    Value& of = values[value];
    std::uint32_t at = of.use_end++;
    // Only the operands of one instruction can come out of order: a fixed use is read before the others.
    for (; at > of.use_begin && uses[at - 1].point > use.point; --at) uses[at] = uses[at - 1];
    uses[at] = use;
}

void Intervals::note_busy(const Instruction& instruction, Point point) {
    RegisterSet taken = instruction.clobbers;
    for (std::uint32_t i = 0; i < instruction.operand_count; ++i) {
        const Operand& operand = selection_->operands[instruction.first_operand + i];
        if (operand.policy == Policy::Fixed) taken.add(operand.fixed);
    }
    for (; !taken.is_empty(); taken.remove(taken.first())) {
        busy[taken.first()].push_back({point, point + 3});
    }
}

void Intervals::build_pieces() {
    for (ir::BlockId block = 0; block < function_->blocks.size(); ++block) {
        for (const ir::NodeId id : function_->blocks[block].nodes) {
            if (function_->nodes[id].opcode != ir::Opcode::Phi) break;
            build_piece(id, block, block_start(block));
            by_start.push_back(values[id].first_piece);
        }
        const std::uint32_t end = selection_->block_begin[block + 1];
        for (std::uint32_t i = selection_->block_begin[block]; i < end; ++i) build_results(i, block);
    }
    for (ValueId value = 0; value < function_->nodes.size(); ++value) {
        if (!can_remake(value) || values[value].use_begin == values[value].use_end) continue;
        const ir::BlockId block = function_->nodes[value].block;
        build_piece(value, block, block_start(block));
    }
}

void Intervals::build_results(std::uint32_t instruction, ir::BlockId block) {
    const Instruction& it = selection_->instructions[instruction];
    const Point point = instruction_point(instruction, block);
    for (const bool wants_fixed : {false, true}) {
        for (std::uint32_t i = it.first_operand; i < it.first_operand + it.operand_count; ++i) {
            const Operand& operand = selection_->operands[i];
            const bool is_fixed = operand.policy == Policy::Fixed;
            if (is_fixed != wants_fixed) continue;
            if (operand.role == Role::Temporary && !is_fixed) {
                Piece piece;
                piece.start = point;
                piece.end = point + 3;
                piece.range_begin = static_cast<std::uint32_t>(ranges.size());
                piece.range_end = piece.range_begin + 1;
                piece.use_begin = static_cast<std::uint32_t>(uses.size());
                piece.use_end = piece.use_begin + 1;
                ranges.push_back({piece.start, piece.end});
                uses.push_back({point, point + 3, i, UseKind::Must});
                // Temporaries start before the results that may be listed first.
                auto at = by_start.end();
                while (at != by_start.begin() && pieces[*(at - 1)].start > piece.start) --at;
                by_start.insert(at, static_cast<std::uint32_t>(pieces.size()));
                pieces.push_back(piece);
            } else if (operand.role == Role::Result) {
                build_piece(operand.value, block, point + (is_fixed ? 3 : 2));
                by_start.push_back(values[operand.value].first_piece);
            }
        }
    }
}

void Intervals::mark_live(ir::BlockId block, Point end, ValueId value) {
    if (stamp_[block] != value) {
        stamp_[block] = value;
        live_until_[block] = end;
        visited_.push_back(block);
    } else if (live_until_[block] < end) {
        live_until_[block] = end;
    }
}

void Intervals::build_piece(ValueId id, ir::BlockId block, Point start) {
    Value& value = values[id];
    value.block = block;
    Point local_end = start + 1;
    visited_.clear();
    for (std::uint32_t i = value.use_begin; i < value.use_end; ++i) {
        const ir::BlockId where = block_of(uses[i].point);
        if (where == block) {
            local_end = std::max(local_end, uses[i].end);
        } else {
            mark_live(where, uses[i].end, id);
        }
    }
    for (std::size_t i = 0; i < visited_.size(); ++i) {
        for (const ir::BlockId from : function_->blocks[visited_[i]].predecessors) {
            if (from == block) {
                local_end = block_end(block);
            } else {
                mark_live(from, block_end(from), id);
            }
        }
    }
    Piece piece;
    piece.value = id;
    piece.range_begin = static_cast<std::uint32_t>(ranges.size());
    ranges.push_back({start, local_end});
    std::ranges::sort(visited_);
    for (const ir::BlockId live : visited_) {
        const Point from = block_start(live);
        if (ranges.back().to == from) {
            ranges.back().to = live_until_[live];
        } else {
            ranges.push_back({from, live_until_[live]});
        }
    }
    piece.range_end = static_cast<std::uint32_t>(ranges.size());
    piece.use_begin = value.use_begin;
    piece.use_end = value.use_end;
    piece.start = start;
    piece.end = ranges.back().to;
    value.first_piece = static_cast<std::uint32_t>(pieces.size());
    pieces.push_back(piece);
}

std::uint32_t Intervals::split(std::uint32_t which, Point at) {
    EBPF_ASSERT(at > pieces[which].start && at < pieces[which].end);
    const auto index = static_cast<std::uint32_t>(pieces.size());
    pieces.push_back(pieces[which]);
    Piece& early = pieces[which];
    Piece& late = pieces[index];
    // Not the last range that ends before: the late part starts where the value is live.
    while (ranges[late.range_begin].to <= at) ++late.range_begin;
    late.start = std::max(at, ranges[late.range_begin].from);
    late.reg = kNoRegister;
    late.hint = early.reg != kNoRegister ? early.reg : early.hint;
    early.range_end = late.range_begin + (ranges[late.range_begin].from < at ? 1 : 0);
    early.end = std::min(at, ranges[early.range_end - 1].to);
    const auto first = uses.begin() + early.use_begin;
    const auto last = uses.begin() + early.use_end;
    const auto cut = std::partition_point(first, last, [at](const Use& use) { return use.point < at; });
    early.use_end = late.use_begin = static_cast<std::uint32_t>(cut - uses.begin());
    early.next = index;
    return index;
}

bool Intervals::covers(const Piece& piece, Point point) const {
    if (point < piece.start || point >= piece.end) return false;
    const auto first = ranges.begin() + piece.range_begin;
    const auto last = ranges.begin() + piece.range_end;
    const auto it = std::partition_point(first, last, [point](const Range& r) { return r.to <= point; });
    return it != last && it->from <= point;
}

Point Intervals::intersection(const Piece& a, const Piece& b, Point from) const {
    constexpr Point kNever = std::numeric_limits<Point>::max();
    const Point start = std::max({a.start, b.start, from});
    const Point end = std::min(a.end, b.end);
    if (start >= end) return kNever;
    const auto first_after = [&](const Piece& piece) {
        const auto first = ranges.begin() + piece.range_begin;
        const auto last = ranges.begin() + piece.range_end;
        return std::partition_point(first, last, [start](const Range& r) { return r.to <= start; });
    };
    auto i = first_after(a);
    auto j = first_after(b);
    const auto i_end = ranges.begin() + a.range_end;
    const auto j_end = ranges.begin() + b.range_end;
    while (i != i_end && j != j_end) {
        const Point low = std::max({i->from, j->from, start});
        if (low >= end) return kNever;
        if (low < i->to && low < j->to) return low;
        if (i->to <= low) {
            ++i;
        } else {
            ++j;
        }
    }
    return kNever;
}

const Piece& Intervals::piece_at(ValueId value, Point point) const {
    std::uint32_t piece = values[value].first_piece;
    while (pieces[piece].next != kNoPiece && pieces[pieces[piece].next].start <= point) {
        piece = pieces[piece].next;
    }
    return pieces[piece];
}

}  // namespace ebpf::jit
