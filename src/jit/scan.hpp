// SPDX-License-Identifier: MIT
// The linear scan: gives each piece of an interval a register, or cuts it and leaves parts in memory.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "jit/intervals.hpp"

namespace ebpf::jit {

class LinearScan {
  public:
    /// Sets Piece::reg of every piece, cutting pieces as needed.
    void run(Intervals& intervals, const ir::Function& function, const Selection& selection,
             const RegisterFile& file);

  private:
    using PieceId = std::uint32_t;

    void push(PieceId piece);
    bool pop(PieceId& piece);
    void requeue(PieceId piece);
    bool is_remade(const Piece& piece) const;
    void place(PieceId piece);
    bool take_free(PieceId piece);
    void compute_free_until(const Piece& piece);
    Point busy_from(Register reg, const Piece& piece);
    Register choose_whole(PieceId piece) const;
    Register choose_hint(const Piece& piece) const;
    Register phi_hint(ValueId phi) const;
    void assign(PieceId piece, Register reg);
    void take_occupied(PieceId piece);
    Point next_need(const Piece& piece, Point from, bool counts_loops) const;
    Point cheapest(Register& best, const Piece& piece, Point from);
    void evict(Register reg, PieceId for_piece);
    void leave_in_memory(PieceId piece, Point from);
    Point best_cut(Point from, Point to) const;

    Intervals* intervals_ = nullptr;
    const ir::Function* function_ = nullptr;
    const Selection* selection_ = nullptr;
    const RegisterFile* file_ = nullptr;
    RegisterSet used_;
    Point position_ = 0;
    std::size_t next_by_start_ = 0;
    std::vector<std::pair<Point, PieceId>> queue_;  // heap: pieces that cutting made, and remade values
    std::vector<std::vector<PieceId>> occupants_;   // by register: pieces that have not ended
    std::vector<std::size_t> busy_cursor_;
    std::vector<Point> free_until_;
};

}  // namespace ebpf::jit
