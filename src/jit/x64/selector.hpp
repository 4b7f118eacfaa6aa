// SPDX-License-Identifier: MIT
// The class behind select(): one pass from the last node to the first, so that a node is reached after
// everything that may take it in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jit/x64/select.hpp"

namespace ebpf::jit::x64 {

class Selector {
  public:
    Selector(const ir::Function& function, const SelectOptions& options, Selected& result)
        : function_(function), options_(options), result_(result) {}
    void run();

  private:
    using NodeId = ir::NodeId;
    /// Use count of a node that became part of another one's instruction.
    static constexpr std::uint32_t kTakenIn = 0xffffffff;

    // select.cpp: order and counting
    void count_uses();
    void select_block(ir::BlockId block);
    void select_node(NodeId id);
    void select_choice(NodeId id);
    void begin(NodeId id, Form form);
    void finish();
    void add_entry();
    void drop_inputs(NodeId id);
    bool is_live(NodeId id) const;

    // select.cpp: operands
    std::int8_t add(ValueId value, Role role, Policy policy, Register fixed = kNoRegister);
    std::int8_t use(ValueId value, Policy policy = Policy::InRegister, Role role = Role::Use);
    void result(Policy policy = Policy::InRegister, Register fixed = kNoRegister);
    void temporary(Policy policy = Policy::InRegister, Register fixed = kNoRegister);
    void hint(std::int8_t operand);
    void clobber(RegisterSet set) { instruction_.clobbers = instruction_.clobbers | set; }
    std::int8_t use_invocation(Policy policy, Role role, Register fixed = kNoRegister);

    // fold.cpp: taking nodes in
    const ir::Node& node(NodeId id) const { return function_.nodes[id]; }
    NodeId input(NodeId id, std::size_t index) const {
        return function_.inputs[node(id).first_input + index];
    }
    std::optional<std::int64_t> constant(NodeId id) const;
    bool fits_imm(std::int64_t value, spec::Width width) const;
    bool can_fold(NodeId id) const;
    bool can_fold_load(NodeId id, std::uint8_t bytes) const;
    void fold(NodeId id);
    void address(NodeId base, std::int64_t disp, Role role);
    bool fits_disp(std::int64_t disp) const;
    bool split_scaled(NodeId id, NodeId& index, std::uint8_t& scale);
    void fold_load(NodeId id, Role role);
    bool imm_operand(NodeId id, spec::Width width);

    // select_alu.cpp
    void select_alu(NodeId id);
    bool select_rotate(NodeId id);
    bool select_scaled_add(NodeId id);
    bool select_and_not(NodeId id);
    bool select_mask(NodeId id);
    void select_shift(NodeId id);
    void select_extend(NodeId id);
    void select_swap(NodeId id);
    void select_division(NodeId id);
    void select_condition(NodeId id, Role role);
    void compare_next(NodeId& a, std::int64_t& value);
    bool fold_test(NodeId& a, NodeId& b, spec::Width& width);
    void select_compared(NodeId a, std::optional<std::int64_t> value, NodeId b, Role role);

    // select_memory.cpp
    void select_load(NodeId id);
    void select_store(NodeId id);
    bool select_update(NodeId id);
    void select_atomic(NodeId id);
    void select_call(NodeId id);
    void select_local_call(NodeId id);
    void select_packet_load(NodeId id);

    const ir::Function& function_;
    const SelectOptions& options_;
    Selected& result_;
    std::vector<std::uint32_t> use_count_;
    std::vector<std::uint32_t> epoch_;  // by node: memory is the same for nodes with equal numbers
    NodeId current_ = ir::kNone;
    Instruction instruction_;
    Shape shape_;
};

}  // namespace ebpf::jit::x64
