// SPDX-License-Identifier: MIT
// Selection of arithmetic, comparisons and divisions.
#include <bit>
#include <utility>

#include "isa/semantics.hpp"
#include "jit/x64/selector.hpp"

namespace ebpf::jit::x64 {
namespace {

bool is_commutative(ir::Opcode opcode) {
    return opcode != ir::Opcode::Sub;
}

bool is_signed(spec::JumpOp op) {
    return op == spec::JumpOp::SGt || op == spec::JumpOp::SGe || op == spec::JumpOp::SLt ||
           op == spec::JumpOp::SLe;
}

std::uint8_t bytes_of(spec::Width width) {
    return width == spec::Width::W64 ? 8 : 4;
}

}  // namespace

void Selector::select_alu(NodeId id) {
    const ir::Opcode opcode = node(id).opcode;
    if (opcode == ir::Opcode::Or || opcode == ir::Opcode::Xor || opcode == ir::Opcode::Add) {
        if (select_rotate(id)) return;
    }
    if (opcode == ir::Opcode::Add && select_scaled_add(id)) return;
    if (opcode == ir::Opcode::And && (select_mask(id) || select_and_not(id))) return;
    begin(id, Form::Alu);
    NodeId a = input(id, 0);
    NodeId b = input(id, 1);
    const spec::Width width = shape_.width;
    if (is_commutative(opcode)) {
        if (constant(a) && !constant(b)) std::swap(a, b);
        // The one that is read from memory goes second; otherwise the one that may end here goes first.
        if (can_fold_load(a, bytes_of(width))) {
            std::swap(a, b);
        } else if (use_count_[a] > 1 && use_count_[b] == 1 && !constant(b)) {
            std::swap(a, b);
        }
    }
    const bool is_remade = result_.selection.can_remake[a];
    shape_.a = use(a, Policy::Anything);
    if (!imm_operand(b, width)) {
        if (a != b && can_fold_load(b, bytes_of(width))) {
            fold_load(b, Role::LateUse);
        } else {
            shape_.b = use(b, Policy::Any, is_commutative(opcode) && !is_remade ? Role::Use : Role::LateUse);
        }
    }
    result();
    hint(shape_.a);
    finish();
}

// (x << k) | (x >> (width - k)), also with + or ^.
bool Selector::select_rotate(NodeId id) {
    NodeId left = input(id, 0);
    NodeId right = input(id, 1);
    if (node(left).opcode == ir::Opcode::Shr) std::swap(left, right);
    const spec::Width width = node(id).width;
    if (node(left).opcode != ir::Opcode::Shl || node(right).opcode != ir::Opcode::Shr) return false;
    if (node(left).width != width || node(right).width != width) return false;
    if (input(left, 0) != input(right, 0)) return false;
    const auto up = constant(input(left, 1));
    const auto down = constant(input(right, 1));
    const std::int64_t bits = width == spec::Width::W64 ? 64 : 32;
    if (!up || !down || *up <= 0 || *up >= bits || *up + *down != bits) return false;
    begin(id, Form::Rotate);
    if (!can_fold(left) || !can_fold(right)) return false;
    fold(left);
    fold(right);
    // Both shifts read the value; one reading is left.
    --use_count_[input(left, 0)];
    shape_.imm = *up;
    shape_.a = use(input(left, 0), Policy::Any);
    result();
    hint(shape_.a);
    finish();
    return true;
}

bool Selector::select_scaled_add(NodeId id) {
    begin(id, Form::AddScaled);
    NodeId a = input(id, 0);
    NodeId index = ir::kNone;
    if (!split_scaled(input(id, 1), index, shape_.scale)) {
        a = input(id, 1);
        if (constant(a) || !split_scaled(input(id, 0), index, shape_.scale)) return false;
    }
    shape_.a = use(a);
    shape_.b = use(index);
    result();
    finish();
    return true;
}

bool Selector::select_and_not(NodeId id) {
    if (!options_.features.has_bmi1) return false;
    for (const std::size_t side : {0U, 1U}) {
        const NodeId inverted = input(id, side);
        if (node(inverted).opcode != ir::Opcode::Xor || node(inverted).width != node(id).width) continue;
        const auto ones = constant(input(inverted, 1));
        begin(id, Form::AndNot);
        const bool is_not =
            ones &&
            (node(id).width == spec::Width::W64 ? *ones == -1 : static_cast<std::int32_t>(*ones) == -1);
        if (!is_not || !can_fold(inverted)) continue;
        fold(inverted);
        shape_.a = use(input(inverted, 0));
        shape_.b = use(input(id, 1 - side), Policy::Any);
        result();
        finish();
        return true;
    }
    return false;
}

// Masks of whole bytes are zero extensions; a mask without high bits needs no 64-bit operation.
bool Selector::select_mask(NodeId id) {
    NodeId a = input(id, 0);
    NodeId b = input(id, 1);
    if (constant(a)) std::swap(a, b);
    const auto mask = constant(b);
    if (!mask || constant(a)) return false;
    const bool is_wide = node(id).width == spec::Width::W64;
    const auto bits = is_wide ? static_cast<std::uint64_t>(*mask) : static_cast<std::uint32_t>(*mask);
    if (bits == 0xff || bits == 0xffff || bits == 0xffffffff) {
        begin(id, Form::Extend);
        shape_.width = spec::Width::W32;
        shape_.memory_bytes = bits == 0xff ? 1 : bits == 0xffff ? 2 : 4;
        shape_.a = use(a, Policy::Any);
        result();
        hint(shape_.a);
        finish();
        return true;
    }
    if (!is_wide || bits > 0xffffffff || !fits_imm(static_cast<std::int64_t>(bits), spec::Width::W32))
        return false;
    begin(id, Form::Alu);
    shape_.width = spec::Width::W32;
    shape_.a = use(a, Policy::Anything);
    shape_.has_imm = true;
    shape_.imm = static_cast<std::int32_t>(bits);
    result();
    hint(shape_.a);
    finish();
    return true;
}

void Selector::select_shift(NodeId id) {
    begin(id, Form::Shift);
    const auto count = constant(input(id, 1));
    if (count) {
        shape_.has_imm = true;
        shape_.imm = *count & (shape_.width == spec::Width::W64 ? 63 : 31);
        shape_.a = use(input(id, 0), Policy::Anything);
        hint(shape_.a);
    } else if (options_.features.has_bmi2) {
        const NodeId a = input(id, 0);
        if (a != input(id, 1) && can_fold_load(a, bytes_of(shape_.width))) {
            fold_load(a, Role::Use);
        } else {
            shape_.a = use(a, Policy::Any);
        }
        shape_.b = use(input(id, 1));
    } else {
        shape_.a = use(input(id, 0), Policy::Anything);
        shape_.b = add(input(id, 1), Role::Use, Policy::Fixed, kRcx);
        hint(shape_.a);
    }
    result();
    finish();
}

void Selector::select_extend(NodeId id) {
    begin(id, Form::Extend);
    shape_.memory_bytes = node(id).size;
    const NodeId a = input(id, 0);
    if (can_fold_load(a, node(id).size)) {
        fold_load(a, Role::Use);
    } else {
        shape_.a = use(a, Policy::Any);
        hint(shape_.a);
    }
    result();
    finish();
}

void Selector::select_swap(NodeId id) {
    const std::uint8_t size = node(id).size;
    begin(id, Form::Swap);
    const NodeId a = input(id, 0);
    if (size > 2 && options_.features.has_movbe && can_fold_load(a, size)) {
        shape_.form = Form::SwapLoad;
        fold_load(a, Role::Use);
    } else {
        shape_.is_narrow = node(a).opcode == ir::Opcode::Load && node(a).size <= size && !node(a).is_signed;
        shape_.a = use(a, Policy::Any);
        hint(shape_.a);
    }
    result();
    finish();
}

void Selector::select_division(NodeId id) {
    const ir::Opcode opcode = node(id).opcode;
    const bool is_modulo = opcode == ir::Opcode::UMod || opcode == ir::Opcode::SMod;
    const bool is_unsigned = opcode == ir::Opcode::UDiv || opcode == ir::Opcode::UMod;
    const auto value = constant(input(id, 1));
    const bool is_wide = node(id).width == spec::Width::W64;
    const auto divisor =
        value ? (is_wide ? static_cast<std::uint64_t>(*value) : static_cast<std::uint32_t>(*value))
              : std::uint64_t{0};
    if (is_unsigned && divisor > 2 && !std::has_single_bit(divisor) && !options_.blind_constants) {
        begin(id, Form::DivideConstant);
        shape_.imm = static_cast<std::int64_t>(divisor);
        shape_.a = use(input(id, 0), Policy::Any, Role::LateUse);
        clobber(registers(kRdx));
        if (!options_.features.has_bmi2) clobber(registers(kRax));
        if (is_wide || is_modulo) temporary();
        result();
        return finish();
    }
    begin(id, Form::Divide);
    shape_.a = add(input(id, 0), Role::Use, Policy::Fixed, kRax);
    shape_.b = use(input(id, 1), Policy::Any, Role::LateUse);
    result(Policy::Fixed, is_modulo ? kRdx : kRax);
    clobber(registers(kRax, kRdx));
    finish();
}

// Adds the operands of a comparison (Branch, Compare, Select: inputs 0 and 1), with what it can take in.
void Selector::select_condition(NodeId id, Role role) {
    const ir::Node& it = node(id);
    NodeId a = input(id, 0);
    NodeId b = input(id, 1);
    shape_.condition = it.condition;
    shape_.width = it.width;
    if (constant(a) && !constant(b)) {
        std::swap(a, b);
        shape_.condition = isa::exchanged(shape_.condition);
    }
    if (shape_.condition == spec::JumpOp::Set) {
        shape_.condition = spec::JumpOp::Ne;
        shape_.is_test = true;
    } else {
        shape_.is_test = fold_test(a, b, shape_.width);
    }
    auto value = constant(b);
    if (value && !shape_.is_test) compare_next(a, *value);
    select_compared(a, value, b, role);
}

// A loop's counter i that is compared with a constant after i + k was computed: compares i + k, so that i
// ends there and i + k can take its register.
void Selector::compare_next(NodeId& a, std::int64_t& value) {
    if (shape_.condition != spec::JumpOp::Eq && shape_.condition != spec::JumpOp::Ne) return;
    if (node(a).opcode != ir::Opcode::Phi) return;
    constexpr std::size_t kNearby = 32;
    const auto& nodes = function_.blocks[node(current_).block].nodes;
    std::size_t seen = 0;
    for (auto it = nodes.rbegin(); it != nodes.rend() && seen < kNearby; ++it, ++seen) {
        const ir::Node& sum = node(*it);
        if (sum.opcode != ir::Opcode::Add || input(*it, 0) != a || sum.width != shape_.width) continue;
        const auto step = constant(input(*it, 1));
        if (!step || use_count_[*it] == 0 || use_count_[*it] == kTakenIn) continue;
        const auto next =
            static_cast<std::int64_t>(static_cast<std::uint64_t>(value) + static_cast<std::uint64_t>(*step));
        if (!fits_imm(next, shape_.width)) continue;
        --use_count_[a];
        ++use_count_[*it];
        a = *it;
        value = next;
        return;
    }
}

// (x & y) == 0, and !=.
bool Selector::fold_test(NodeId& a, NodeId& b, spec::Width& width) {
    if (shape_.condition != spec::JumpOp::Eq && shape_.condition != spec::JumpOp::Ne) return false;
    const ir::Node& masked = node(a);
    if (constant(b) != 0 || masked.opcode != ir::Opcode::And || !can_fold(a)) return false;
    if (masked.width == spec::Width::W32) width = spec::Width::W32;
    fold(a);
    const NodeId whole = a;
    a = input(whole, 0);
    b = input(whole, 1);
    if (constant(a) && !constant(b)) std::swap(a, b);
    return true;
}

// `value`: of b, if it is a constant; it counts instead of b then.
void Selector::select_compared(NodeId a, std::optional<std::int64_t> value, NodeId b, Role role) {
    // A test of low bits at 64 bits may look at the low half only.
    if (value && shape_.is_test && *value >= 0 && *value <= 0x7fffffff) shape_.width = spec::Width::W32;
    const std::uint8_t whole = bytes_of(shape_.width);
    if (value && fits_imm(*value, shape_.width)) {
        const std::int64_t imm =
            shape_.width == spec::Width::W32 ? static_cast<std::int32_t>(*value) : *value;
        // A zero-extended part of a register compares like the part, unsigned, if the other side fits in it.
        std::uint8_t bytes = whole;
        const ir::Node& load = node(a);
        if (load.opcode == ir::Opcode::Load && load.size < whole && imm >= 0 &&
            !is_signed(shape_.condition)) {
            const std::int64_t most = load.size == 1 ? 0xff : load.size == 2 ? 0x7f : 0x7fffffff;
            if (imm <= most && !(load.size == 1 && options_.blind_constants && imm > 127)) bytes = load.size;
        }
        if (can_fold_load(a, bytes)) {
            fold_load(a, role);
            shape_.memory_is_a = true;
            shape_.memory_bytes = bytes;
        } else {
            shape_.a = use(a, Policy::Any, role);
        }
        shape_.has_imm = true;
        shape_.imm = imm;
        return;
    }
    if (a != b && can_fold_load(b, whole)) {
        shape_.a = use(a, Policy::InRegister, role);
        return fold_load(b, role);
    }
    if (a != b && can_fold_load(a, whole)) {
        shape_.b = use(b, Policy::InRegister, role);
        shape_.memory_is_a = true;
        return fold_load(a, role);
    }
    shape_.a = use(a, Policy::InRegister, role);
    shape_.b = use(b, Policy::Any, role);
}

}  // namespace ebpf::jit::x64
