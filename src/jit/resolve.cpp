// SPDX-License-Identifier: MIT
#include "jit/resolve.hpp"

#include <algorithm>
#include <functional>

namespace ebpf::jit {
namespace {

// Groups of moves around the thing with index x, in order. Results leave fixed registers after x - 1.
enum Phase : std::uint32_t { AfterPrevious, Before, BlockEnd };
constexpr std::uint32_t kPhases = 3;

std::uint32_t group_at(Point point, Phase phase) {
    return point / kPointsPerIndex * kPhases + phase;
}

// How often a place runs, roughly: eight times for each loop around it.
std::uint64_t frequency(std::uint32_t depth) {
    return std::uint64_t{1} << (3 * std::min(depth, 12U));
}

}  // namespace

void Resolver::run(Intervals& intervals, const ir::Function& function, const Selection& selection,
                   const RegisterFile& file, Allocation& result) {
    intervals_ = &intervals;
    function_ = &function;
    selection_ = &selection;
    result_ = &result;
    pending_.clear();
    assign_slots();
    note_used(file);
    locate_operands();
    for (ir::BlockId block = 0; block < function.blocks.size(); ++block) {
        const std::uint32_t end = selection.block_begin[block + 1];
        for (std::uint32_t i = selection.block_begin[block]; i < end; ++i) move_fixed(i, block);
    }
    for (ValueId value = 0; value < intervals.values.size(); ++value) {
        const std::uint32_t first = intervals.values[value].first_piece;
        if (first == kNoPiece || intervals.pieces[first].next == kNoPiece) continue;
        connect_pieces(value);
        connect_edges(value);
    }
    connect_phis();
    if (result.slot_count > 0) store_at_definitions();
    order_moves();
}

// A value has one slot for all its life; values whose lives do not meet share one.
void Resolver::assign_slots() {
    auto& pieces = intervals_->pieces;
    spilled_.clear();
    for (const Piece& piece : pieces) {
        if (piece.reg != kNoRegister || piece.value == ir::kNone || intervals_->can_remake(piece.value))
            continue;
        Value& value = intervals_->values[piece.value];
        if (value.slot != ir::kNone) continue;
        value.slot = 0;
        spilled_.push_back(piece.value);
    }
    const auto start_of = [&](ValueId v) { return pieces[intervals_->values[v].first_piece].start; };
    std::ranges::sort(spilled_, {}, start_of);
    free_slots_.clear();
    result_->slot_count = 0;
    for (const ValueId id : spilled_) {
        std::uint32_t last = intervals_->values[id].first_piece;
        while (pieces[last].next != kNoPiece) last = pieces[last].next;
        std::uint32_t slot = 0;
        if (!free_slots_.empty() && free_slots_.front().first <= start_of(id)) {
            slot = free_slots_.front().second;
            std::ranges::pop_heap(free_slots_, std::greater<>());
            free_slots_.pop_back();
        } else {
            slot = result_->slot_count++;
        }
        intervals_->values[id].slot = slot;
        free_slots_.emplace_back(pieces[last].end, slot);
        std::ranges::push_heap(free_slots_, std::greater<>());
    }
}

Location Resolver::location_of(const Piece& piece) const {
    if (piece.reg != kNoRegister) return Location::in(piece.reg);
    if (intervals_->can_remake(piece.value)) return Location::remake(piece.value);
    return Location::slot(intervals_->values[piece.value].slot);
}

Location Resolver::location_at(ValueId value, Point point) const {
    return location_of(intervals_->piece_at(value, point));
}

void Resolver::note_used(const RegisterFile& file) {
    RegisterSet used;
    for (const Piece& piece : intervals_->pieces) {
        if (piece.reg != kNoRegister) used.add(piece.reg);
    }
    for (std::size_t i = 0; i < intervals_->busy.size(); ++i) {
        const auto r = static_cast<Register>(i);
        if (!intervals_->busy[i].empty() && file.callee_saved.has(r)) used.add(r);
    }
    result_->used = used;
}

void Resolver::locate_operands() {
    result_->locations.assign(selection_->operands.size(), Location{});
    for (const Piece& piece : intervals_->pieces) {
        const Location location = piece.value == ir::kNone ? Location::in(piece.reg) : location_of(piece);
        for (std::uint32_t i = piece.use_begin; i < piece.use_end; ++i) {
            const std::uint32_t operand = intervals_->uses[i].operand;
            if (operand != ir::kNone) result_->locations[operand] = location;
        }
    }
    for (std::size_t i = 0; i < selection_->operands.size(); ++i) {
        const Operand& operand = selection_->operands[i];
        if (operand.policy == Policy::Fixed) result_->locations[i] = Location::in(operand.fixed);
    }
}

void Resolver::move_fixed(std::uint32_t instruction, ir::BlockId block) {
    const Instruction& it = selection_->instructions[instruction];
    const Point point = intervals_->instruction_point(instruction, block);
    for (std::uint32_t i = it.first_operand; i < it.first_operand + it.operand_count; ++i) {
        const Operand& operand = selection_->operands[i];
        if (operand.policy != Policy::Fixed || operand.role == Role::Temporary) continue;
        const Location fixed = Location::in(operand.fixed);
        if (operand.role == Role::Result) {
            const Value& value = intervals_->values[operand.value];
            if (value.use_end - value.use_begin == 1) continue;  // nothing but its definition
            add(group_at(point + kPointsPerIndex, AfterPrevious), fixed,
                location_at(operand.value, point + 3));
        } else {
            add(group_at(point, Before), location_at(operand.value, point - 1), fixed);
        }
    }
}

// Where a value changes its place inside a block.
void Resolver::connect_pieces(ValueId value) {
    const auto& pieces = intervals_->pieces;
    for (std::uint32_t i = intervals_->values[value].first_piece; pieces[i].next != kNoPiece;
         i = pieces[i].next) {
        const Piece& early = pieces[i];
        const Piece& late = pieces[early.next];
        const ir::BlockId block = intervals_->block_of(late.start);
        if (early.end != late.start || late.start == intervals_->block_start(block)) continue;
        add(group_at(late.start, Before), location_of(early), location_of(late), value);
    }
}

void Resolver::connect_edges(ValueId value) {
    const auto block_count = static_cast<ir::BlockId>(function_->blocks.size());
    for (std::uint32_t i = intervals_->values[value].first_piece; i != kNoPiece;
         i = intervals_->pieces[i].next) {
        const Piece& piece = intervals_->pieces[i];
        const Location to = location_of(piece);
        for (std::uint32_t r = piece.range_begin; r < piece.range_end; ++r) {
            const Point from = std::max(intervals_->ranges[r].from, piece.start);
            const Point end = std::min(intervals_->ranges[r].to, piece.end);
            ir::BlockId block = intervals_->block_of(from);
            if (intervals_->block_start(block) < from) ++block;
            for (; block < block_count && intervals_->block_start(block) < end; ++block) {
                if (block == intervals_->values[value].block) continue;  // defined here, not live into it
                for (const ir::BlockId before : function_->blocks[block].predecessors) {
                    add_on_edge(before, block, location_at(value, intervals_->block_end(before) - 1), to,
                                value);
                }
            }
        }
    }
}

void Resolver::connect_phis() {
    for (ir::BlockId block = 0; block < function_->blocks.size(); ++block) {
        const auto& before = function_->blocks[block].predecessors;
        for (const ir::NodeId id : function_->blocks[block].nodes) {
            const ir::Node& phi = function_->nodes[id];
            if (phi.opcode != ir::Opcode::Phi) break;
            const Value& value = intervals_->values[id];
            if (value.use_begin == value.use_end) continue;
            const Location to = location_of(intervals_->pieces[value.first_piece]);
            const auto inputs = function_->inputs_of(phi);
            for (std::size_t i = 0; i < before.size(); ++i) {
                const Location from = location_at(inputs[i], intervals_->block_end(before[i]) - 1);
                add_on_edge(before[i], block, from, to, ir::kNone);
            }
        }
    }
}

void Resolver::add(std::uint32_t group, Location from, Location to, ValueId value) {
    // What can be remade needs no move to be nowhere.
    if (from == to || to.is_remake()) return;
    const bool is_spill = value != ir::kNone && to.is_slot() && from.is_register();
    pending_.push_back({group, is_spill ? value : ir::kNone, {from, to, false}});
}

void Resolver::add_on_edge(ir::BlockId from_block, ir::BlockId to_block, Location from, Location to,
                           ValueId value) {
    const bool is_only_way = function_->blocks[from_block].successors[1] == ir::kNone;
    const std::uint32_t group = is_only_way
                                    ? group_at(intervals_->block_end(from_block) - kPointsPerIndex, BlockEnd)
                                    : group_at(intervals_->block_start(to_block), Before);
    add(group, from, to, value);
}

// A value never changes, so its slot can be written once, where it is defined, instead of each time it
// leaves its register. That is better unless it does so on a colder path only.
void Resolver::store_at_definitions() {
    spill_weight_.assign(intervals_->values.size(), 0);
    for (const Pending& it : pending_) {
        if (it.value == ir::kNone) continue;
        spill_weight_[it.value] += frequency(intervals_->depth_of(it.group / kPhases * kPointsPerIndex));
    }
    for (const ValueId value : spilled_) {
        const Piece& first = intervals_->pieces[intervals_->values[value].first_piece];
        if (first.reg == kNoRegister) {
            spill_weight_[value] = ~std::uint64_t{0};  // it starts in its slot
            continue;
        }
        if (spill_weight_[value] < frequency(intervals_->depth_of(first.start))) {
            spill_weight_[value] = 0;
            continue;
        }
        spill_weight_[value] = ~std::uint64_t{0};
        const Point next = first.start / kPointsPerIndex * kPointsPerIndex + kPointsPerIndex;
        add(group_at(next, Before), Location::in(first.reg), Location::slot(intervals_->values[value].slot));
    }
    std::erase_if(pending_, [&](const Pending& it) {
        return it.value != ir::kNone && spill_weight_[it.value] == ~std::uint64_t{0};
    });
}

void Resolver::order_moves() {
    const auto block_count = static_cast<std::uint32_t>(function_->blocks.size());
    const auto index_count = static_cast<std::uint32_t>(selection_->instructions.size()) + block_count;
    counts_.assign(std::size_t{index_count + 1} * kPhases + 1, 0);
    for (const Pending& it : pending_) ++counts_[it.group + 1];
    for (std::size_t i = 1; i < counts_.size(); ++i) counts_[i] += counts_[i - 1];
    sorted_.resize(pending_.size());
    for (const Pending& it : pending_) sorted_[counts_[it.group]++] = it;
    // Now counts_[g] is where group g ends.
    result_->moves.clear();
    result_->first_move.clear();
    result_->spill_moves = 0;
    std::size_t begin = 0;
    for (ir::BlockId block = 0; block < block_count; ++block) {
        std::uint32_t index = selection_->block_begin[block] + block;
        const std::uint32_t last = selection_->block_begin[block + 1] + block;
        const std::uint32_t first = index + 1;  // its moves and those of the block's start are one list
        for (; index <= last; ++index) {
            if (index != first)
                result_->first_move.push_back(static_cast<std::uint32_t>(result_->moves.size()));
            for (std::uint32_t phase = 0; phase < kPhases; ++phase) {
                const std::size_t end = counts_[std::size_t{index} * kPhases + phase];
                if (end > begin) emit_group(begin, end);
                begin = end;
            }
        }
    }
    result_->first_move.push_back(static_cast<std::uint32_t>(result_->moves.size()));
}

// Orders moves that happen at the same time: first those whose target nobody still reads; a circle is
// opened by exchanging.
void Resolver::emit_group(std::size_t begin, std::size_t end) {
    while (begin < end) {
        bool is_stuck = true;
        for (std::size_t i = begin; i < end; ++i) {
            const Move move = sorted_[i].move;
            bool is_read = false;
            for (std::size_t j = begin; j < end && !is_read; ++j) {
                is_read = j != i && sorted_[j].move.from == move.to;
            }
            if (is_read) continue;
            if (move.from != move.to) {
                result_->moves.push_back(move);
                if (move.from.is_slot() || move.to.is_slot()) ++result_->spill_moves;
            }
            std::swap(sorted_[i], sorted_[begin]);
            ++begin;
            is_stuck = false;
            break;
        }
        if (!is_stuck) continue;
        Move swap = sorted_[begin].move;
        swap.is_swap = true;
        result_->moves.push_back(swap);
        if (swap.from.is_slot() || swap.to.is_slot()) ++result_->spill_moves;
        ++begin;
        for (std::size_t i = begin; i < end; ++i) {
            Location& from = sorted_[i].move.from;
            if (from == swap.to) {
                from = swap.from;
            } else if (from == swap.from) {
                from = swap.to;
            }
        }
    }
}

}  // namespace ebpf::jit
