// SPDX-License-Identifier: MIT
// Selection of memory accesses and calls.
#include <cstddef>
#include <utility>

#include "jit/x64/selector.hpp"

namespace ebpf::jit::x64 {

void Selector::select_load(NodeId id) {
    const ir::Node& it = node(id);
    begin(id, Form::Load);
    shape_.memory_bytes = it.size;
    address(input(id, 0), it.imm, Role::Use);
    result();
    finish();
}

// A load, one operation and a store of the same cell.
bool Selector::select_update(NodeId id) {
    const ir::Node& store = node(id);
    const NodeId operation = input(id, 1);
    const ir::Opcode opcode = node(operation).opcode;
    const bool is_fitting = opcode == ir::Opcode::Add || opcode == ir::Opcode::Sub ||
                            opcode == ir::Opcode::And || opcode == ir::Opcode::Or ||
                            opcode == ir::Opcode::Xor;
    if (!is_fitting || store.opcode != ir::Opcode::Store) return false;
    // The operation must compute all bits that are stored.
    if (store.size == 8 && node(operation).width == spec::Width::W32) return false;
    begin(id, Form::Update);
    if (use_count_[operation] != 1 || node(operation).block != store.block) return false;
    const auto is_same_cell = [&](NodeId load) {
        const ir::Node& it = node(load);
        return it.opcode == ir::Opcode::Load && it.size == store.size && it.imm == store.imm &&
               use_count_[load] == 1 && it.block == store.block && epoch_[load] == epoch_[id] &&
               input(load, 0) == input(id, 0);
    };
    NodeId cell = input(operation, 0);
    NodeId other = input(operation, 1);
    if (!is_same_cell(cell)) {
        std::swap(cell, other);
        if (opcode == ir::Opcode::Sub || !is_same_cell(cell)) return false;
    }
    fold(operation);
    fold(cell);
    // The address is computed once for both accesses.
    --use_count_[input(id, 0)];
    shape_.operation = opcode;
    shape_.memory_bytes = store.size;
    const auto imm = constant(other);
    const spec::Width width = store.size == 8 ? spec::Width::W64 : spec::Width::W32;
    if (imm && fits_imm(*imm, width) && store.size != 2) {
        shape_.has_imm = true;
        shape_.imm = *imm;
    } else {
        shape_.b = use(other);
    }
    address(input(id, 0), store.imm, Role::Use);
    finish();
    return true;
}

void Selector::select_store(NodeId id) {
    if (select_update(id)) return;
    const ir::Node& it = node(id);
    begin(id, Form::Store);
    shape_.memory_bytes = it.size;
    NodeId value = input(id, 1);
    const spec::Width width = it.size == 8 ? spec::Width::W64 : spec::Width::W32;
    if (const auto imm = constant(value); imm && fits_imm(*imm, width)) {
        shape_.has_imm = true;
        shape_.imm = *imm;
    } else {
        const ir::Node& stored = node(value);
        if (stored.opcode == ir::Opcode::ByteSwap && stored.size == it.size && options_.features.has_movbe &&
            can_fold(value)) {
            shape_.form = Form::SwapStore;
            fold(value);
            value = input(value, 0);
        }
        shape_.b = use(value);
    }
    address(input(id, 0), it.imm, Role::Use);
    finish();
}

void Selector::select_atomic(NodeId id) {
    const ir::Node& it = node(id);
    const NodeId operand = input(id, 1);
    const spec::Width width = it.size == 8 ? spec::Width::W64 : spec::Width::W32;
    begin(id, Form::AtomicUpdate);
    shape_.width = width;
    shape_.memory_bytes = it.size;
    switch (it.atomic) {
        case spec::AtomicOp::Add:
        case spec::AtomicOp::Or:
        case spec::AtomicOp::And:
        case spec::AtomicOp::Xor:
            if (!it.fetch) {
                if (!imm_operand(operand, width)) shape_.b = use(operand);
            } else if (it.atomic == spec::AtomicOp::Add) {
                shape_.form = Form::AtomicExchange;
                shape_.b = use(operand, Policy::Anything);
                hint(shape_.b);
            } else {
                shape_.form = Form::AtomicLoop;
                shape_.b = use(operand, Policy::InRegister, Role::LateUse);
                temporary();
                clobber(registers(kRax));
            }
            break;
        case spec::AtomicOp::Xchg:
            shape_.form = Form::AtomicExchange;
            shape_.b = use(operand, Policy::Anything);
            hint(shape_.b);
            break;
        case spec::AtomicOp::Cmpxchg:
            shape_.form = Form::CompareExchange;
            shape_.b = use(operand, Policy::InRegister, Role::LateUse);
            shape_.c = add(input(id, 2), Role::Use, Policy::Fixed, kRax);
            clobber(registers(kRax));
            break;
    }
    address(input(id, 0), it.imm, Role::LateUse);
    const bool is_in_rax = shape_.form == Form::AtomicLoop || shape_.form == Form::CompareExchange;
    if (it.fetch) {
        is_in_rax ? result(Policy::Fixed, kRax) : result();
    } else if (shape_.form == Form::AtomicExchange) {
        temporary();
    }
    finish();
}

// CallHelper, TailCall and MapLookup: C functions.
void Selector::select_call(NodeId id) {
    const ir::Node& it = node(id);
    const Convention& convention = *options_.convention;
    const bool is_lookup = it.opcode == ir::Opcode::MapLookup;
    begin(id, is_lookup                             ? Form::MapLookup
              : it.opcode == ir::Opcode::CallHelper ? Form::CallHelper
                                                    : Form::TailCall);
    result_.has_calls = true;
    clobber(convention.file.call_clobbered);
    if (is_lookup) {
        add(input(id, 0), Role::Use, Policy::Fixed, convention.arguments[1]);
    } else {
        for (std::size_t i = 0; i < it.input_count; ++i) {
            if (i < convention.argument_registers) {
                add(input(id, i), Role::Use, Policy::Fixed, convention.arguments[i]);
            } else {
                result_.has_stack_arguments = true;
                shape_.b = use(input(id, i), Policy::Anything, Role::LateUse);
            }
        }
        if (convention.argument_registers == 6) {
            use_invocation(Policy::Fixed, Role::Use, convention.arguments[5]);
        } else {
            result_.has_stack_arguments = true;
            shape_.c = use_invocation(Policy::Any, Role::LateUse);
        }
        if (it.opcode == ir::Opcode::TailCall) shape_.d = use_invocation(Policy::Any, Role::LateUse);
    }
    result(Policy::Fixed, kRax);
    finish();
}

void Selector::select_local_call(NodeId id) {
    const ir::Node& it = node(id);
    const Convention& convention = *options_.convention;
    begin(id, Form::CallLocal);
    result_.has_calls = true;
    clobber(convention.file.call_clobbered);
    for (std::size_t i = 0; i < it.input_count; ++i) {
        add(input(id, i), Role::Use, Policy::Fixed, convention.local_arguments[i]);
    }
    if ((*options_.needs_invocation)[static_cast<std::size_t>(it.imm)]) {
        use_invocation(Policy::Fixed, Role::Use, convention.local_arguments[5]);
    }
    result(Policy::Fixed, kRax);
    finish();
}

// packet_bytes(invocation, offset, size)
void Selector::select_packet_load(NodeId id) {
    const Convention& convention = *options_.convention;
    begin(id, Form::PacketLoad);
    result_.has_calls = true;
    clobber(convention.file.call_clobbered);
    use_invocation(Policy::Fixed, Role::Use, convention.arguments[0]);
    if (node(id).input_count > 0) {
        shape_.a = add(input(id, 0), Role::Use, Policy::Fixed, convention.arguments[1]);
    }
    shape_.imm = node(id).imm;
    result(Policy::Fixed, kRax);
    finish();
}

}  // namespace ebpf::jit::x64
