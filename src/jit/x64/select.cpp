// SPDX-License-Identifier: MIT
#include "jit/x64/select.hpp"

#include <algorithm>
#include <cstddef>

#include "ir/opcode.hpp"
#include "jit/x64/selector.hpp"

namespace ebpf::jit::x64 {
namespace {

// Whether loads may not be moved across the node. Lookups change nothing, but are calls.
bool changes_memory(const ir::Node& node) {
    return ir::opcode_spec(node.opcode).has_effect || node.opcode == ir::Opcode::MapLookup;
}

bool is_remade(const ir::Node& node) {
    return node.opcode == ir::Opcode::Constant || node.opcode == ir::Opcode::MapHandle ||
           node.opcode == ir::Opcode::MapValue || node.opcode == ir::Opcode::FrameAddress ||
           node.opcode == ir::Opcode::CodeAddress;
}

}  // namespace

void Selector::run() {
    const auto node_count = static_cast<ValueId>(function_.nodes.size());
    result_.selection.clear();
    result_.shapes.clear();
    result_.invocation = node_count;
    result_.uses_invocation = false;
    result_.has_calls = false;
    result_.has_stack_arguments = false;
    Selection& selection = result_.selection;
    selection.value_count = node_count + 1;
    selection.can_remake.assign(selection.value_count, false);
    for (NodeId id = 0; id < node_count; ++id) {
        if (is_remade(function_.nodes[id])) selection.can_remake[id] = true;
    }
    count_uses();
    const auto block_count = static_cast<ir::BlockId>(function_.blocks.size());
    selection.block_begin.assign(block_count + 1, 0);
    for (ir::BlockId block = block_count; block-- > 0;) {
        select_block(block);
        // Counted from the end until everything is turned round.
        selection.block_begin[block] = static_cast<std::uint32_t>(selection.instructions.size());
    }
    const auto total = static_cast<std::uint32_t>(selection.instructions.size());
    for (std::uint32_t& first : selection.block_begin) first = total - first;
    std::ranges::reverse(selection.instructions);
    std::ranges::reverse(result_.shapes);
}

void Selector::count_uses() {
    use_count_.assign(function_.nodes.size(), 0);
    epoch_.assign(function_.nodes.size(), 0);
    std::uint32_t epoch = 0;
    for (const ir::Block& block : function_.blocks) {
        ++epoch;
        for (const NodeId id : block.nodes) {
            for (const NodeId from : function_.inputs_of(node(id))) ++use_count_[from];
            epoch_[id] = epoch;
            if (changes_memory(node(id))) ++epoch;
        }
    }
}

void Selector::select_block(ir::BlockId block) {
    const auto& nodes = function_.blocks[block].nodes;
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
        const ir::Node& current = node(*it);
        if (current.opcode == ir::Opcode::Phi || is_remade(current)) continue;
        if (current.opcode == ir::Opcode::Parameter && !options_.is_program) continue;
        if (use_count_[*it] == kTakenIn) continue;
        if (!is_live(*it)) {
            drop_inputs(*it);
            continue;
        }
        select_node(*it);
    }
    if (block == 0) add_entry();
}

bool Selector::is_live(NodeId id) const {
    return use_count_[id] > 0 || ir::opcode_spec(node(id).opcode).has_effect;
}

// For a node that nobody needs.
void Selector::drop_inputs(NodeId id) {
    for (const NodeId from : function_.inputs_of(node(id))) --use_count_[from];
}

void Selector::begin(NodeId id, Form form) {
    current_ = id;
    instruction_ = {};
    instruction_.node = id;
    instruction_.first_operand = static_cast<std::uint32_t>(result_.selection.operands.size());
    shape_ = {};
    shape_.form = form;
    if (id != ir::kNone) shape_.width = node(id).width;
}

void Selector::finish() {
    instruction_.operand_count =
        static_cast<std::uint8_t>(result_.selection.operands.size() - instruction_.first_operand);
    result_.selection.instructions.push_back(instruction_);
    result_.shapes.push_back(shape_);
}

void Selector::add_entry() {
    const Convention& convention = *options_.convention;
    begin(ir::kNone, Form::Entry);
    if (!options_.is_program) {
        for (const NodeId id : function_.blocks[0].nodes) {
            if (node(id).opcode != ir::Opcode::Parameter || use_count_[id] == 0) continue;
            add(id, Role::Result, Policy::Fixed,
                convention.local_arguments[static_cast<std::size_t>(node(id).imm)]);
        }
    }
    if (result_.uses_invocation) {
        add(result_.invocation, Role::Result, Policy::Fixed,
            options_.is_program ? convention.arguments[1] : convention.local_arguments[5]);
    }
    finish();
}

std::int8_t Selector::add(ValueId value, Role role, Policy policy, Register fixed) {
    auto& operands = result_.selection.operands;
    operands.push_back({value, role, policy, fixed});
    return static_cast<std::int8_t>(operands.size() - 1 - instruction_.first_operand);
}

std::int8_t Selector::use(ValueId value, Policy policy, Role role) {
    return add(value, role, policy);
}

void Selector::result(Policy policy, Register fixed) {
    shape_.result = add(current_, Role::Result, policy, fixed);
}

void Selector::temporary(Policy policy, Register fixed) {
    shape_.temporary = add(ir::kNone, Role::Temporary, policy, fixed);
}

void Selector::hint(std::int8_t operand) {
    if (operand >= 0) instruction_.hint = static_cast<std::uint8_t>(operand);
}

std::int8_t Selector::use_invocation(Policy policy, Role role, Register fixed) {
    result_.uses_invocation = true;
    return add(result_.invocation, role, policy, fixed);
}

// Compares, copies d, then moves c over it; or the other way round if c is where the result goes.
void Selector::select_choice(NodeId id) {
    begin(id, Form::Select);
    // A constant is made after the comparison, where blinding it would lose the flags.
    const NodeId d = input(id, 3);
    const bool is_made = result_.selection.can_remake[d] && !options_.blind_constants;
    shape_.c = use(input(id, 2), Policy::Any, is_made ? Role::LateUse : Role::Use);
    shape_.d = use(d, is_made ? Policy::Anything : Policy::Any);
    select_condition(id, Role::Use);
    result();
    hint(shape_.d);
    finish();
}

void Selector::select_node(NodeId id) {
    switch (node(id).opcode) {
        case ir::Opcode::Constant:
        case ir::Opcode::MapHandle:
        case ir::Opcode::MapValue:
        case ir::Opcode::FrameAddress:
        case ir::Opcode::CodeAddress:
        case ir::Opcode::Phi:
            return;  // never get here
        case ir::Opcode::Parameter:
            begin(id, Form::Load);
            shape_.memory_bytes = 8;
            shape_.has_memory = true;
            shape_.base = use_invocation(Policy::InRegister, Role::Use);
            shape_.disp = static_cast<std::int32_t>(node(id).imm == 0 ? offsetof(engine::Invocation, context)
                                                                      : offsetof(engine::Invocation, r2));
            result();
            return finish();
        case ir::Opcode::Add:
        case ir::Opcode::Sub:
        case ir::Opcode::Mul:
        case ir::Opcode::And:
        case ir::Opcode::Or:
        case ir::Opcode::Xor:
            return select_alu(id);
        case ir::Opcode::UDiv:
        case ir::Opcode::SDiv:
        case ir::Opcode::UMod:
        case ir::Opcode::SMod:
            return select_division(id);
        case ir::Opcode::Shl:
        case ir::Opcode::Shr:
        case ir::Opcode::Sar:
            return select_shift(id);
        case ir::Opcode::Negate:
            begin(id, Form::Negate);
            shape_.a = use(input(id, 0), Policy::Anything);
            result();
            hint(shape_.a);
            return finish();
        case ir::Opcode::SignExtend:
        case ir::Opcode::ZeroExtend:
            return select_extend(id);
        case ir::Opcode::ByteSwap:
            return select_swap(id);
        case ir::Opcode::Compare:
            begin(id, Form::Compare);
            select_condition(id, Role::Use);
            result();
            return finish();
        case ir::Opcode::Select:
            return select_choice(id);
        case ir::Opcode::Load:
        case ir::Opcode::LoadAcquire:
            return select_load(id);
        case ir::Opcode::Store:
        case ir::Opcode::StoreRelease:
            return select_store(id);
        case ir::Opcode::Atomic:
            return select_atomic(id);
        case ir::Opcode::CallHelper:
        case ir::Opcode::TailCall:
        case ir::Opcode::MapLookup:
            return select_call(id);
        case ir::Opcode::CallLocal:
            return select_local_call(id);
        case ir::Opcode::PacketLoad:
            return select_packet_load(id);
        case ir::Opcode::Jump:
            begin(id, Form::Jump);
            return finish();
        case ir::Opcode::Branch:
            begin(id, Form::Branch);
            select_condition(id, Role::Use);
            return finish();
        case ir::Opcode::Return:
            begin(id, Form::Return);
            shape_.a = add(input(id, 0), Role::Use, Policy::Fixed, kRax);
            return finish();
    }
}

void select(const ir::Function& function, const SelectOptions& options, Selected& result) {
    Selector(function, options, result).run();
}

std::vector<bool> find_invocation_users(const ir::Module& module) {
    const std::size_t count = module.functions.size();
    std::vector<bool> needs(count, false);
    // Calls nest at most kMaxCallFrames deep and never in a circle.
    for (std::uint32_t round = 0; round < spec::kMaxCallFrames; ++round) {
        for (std::size_t i = 0; i < count; ++i) {
            for (const ir::Block& block : module.functions[i].blocks) {
                for (const ir::NodeId id : block.nodes) {
                    const ir::Node& node = module.functions[i].nodes[id];
                    const bool is_user =
                        node.opcode == ir::Opcode::CallHelper || node.opcode == ir::Opcode::TailCall ||
                        node.opcode == ir::Opcode::PacketLoad ||
                        (node.opcode == ir::Opcode::CallLocal && needs[static_cast<std::size_t>(node.imm)]);
                    if (is_user) needs[i] = true;
                }
            }
        }
        if (count == 1) break;
    }
    return needs;
}

}  // namespace ebpf::jit::x64
