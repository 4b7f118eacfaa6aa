// SPDX-License-Identifier: MIT
// Turns pieces with registers into locations of operands, spill slots, and moves in the order to emit.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/intervals.hpp"

namespace ebpf::jit {

class Resolver {
  public:
    /// Fills in `result`.
    void run(Intervals& intervals, const ir::Function& function, const Selection& selection,
             const RegisterFile& file, Allocation& result);

  private:
    /// A move before it has its place in the order.
    struct Pending {
        std::uint32_t group;  ///< moves of one group happen at the same time; groups ascend
        ValueId value;        ///< kNone unless it may be dropped if the value is stored where it is defined
        Move move;
    };

    void assign_slots();
    [[nodiscard]] Location location_of(const Piece& piece) const;
    [[nodiscard]] Location location_at(ValueId value, Point point) const;
    void note_used(const RegisterFile& file);
    void locate_operands();
    void move_fixed(std::uint32_t instruction, ir::BlockId block);
    void connect_pieces(ValueId value);
    void connect_edges(ValueId value);
    void connect_phis();
    void add(std::uint32_t group, Location from, Location to, ValueId value = ir::kNone);
    void add_on_edge(ir::BlockId from_block, ir::BlockId to_block, Location from, Location to, ValueId value);
    void store_at_definitions();
    void order_moves();
    void emit_group(std::size_t begin, std::size_t end);

    Intervals* intervals_ = nullptr;
    const ir::Function* function_ = nullptr;
    const Selection* selection_ = nullptr;
    Allocation* result_ = nullptr;
    std::vector<Pending> pending_;
    std::vector<Pending> sorted_;
    std::vector<std::uint32_t> counts_;
    std::vector<std::uint64_t> spill_weight_;
    std::vector<ValueId> spilled_;
    std::vector<std::pair<Point, std::uint32_t>> free_slots_;
};

}  // namespace ebpf::jit
