// SPDX-License-Identifier: MIT
// The order in which rules are tried, and those about selection and addresses.
#include "ir/simplify.hpp"

#include <utility>

#include "ir/evaluate.hpp"
#include "ir/opcode.hpp"
#include "isa/opposite.hpp"
#include "isa/semantics.hpp"

namespace ebpf::ir {

using spec::JumpOp;
using spec::Width;

NodeId Simplifier::simplify(Draft& draft) {
    constexpr unsigned kMostSteps = 16;
    for (unsigned i = 0; i < kMostSteps; ++i) {
        bool is_changed = false;
        if (const NodeId known = step(draft, is_changed); known != kNone) return known;
        if (!is_changed) break;
    }
    return kNone;
}

NodeId Simplifier::fold(const Draft& draft) {
    if (!opcode_spec(draft.node.opcode).is_pure || draft.node.input_count == 0) return kNone;
    std::uint64_t values[4] = {};
    for (unsigned i = 0; i < draft.node.input_count; ++i) {
        if (!is_constant(draft.inputs[i])) return kNone;
        values[i] = value(draft.inputs[i]);
    }
    return constant(evaluate_pure(draft.node, values[0], values[1], values[2], values[3]));
}

/// Constants come second; otherwise the older value comes first, so that equal nodes look equal.
void Simplifier::order_inputs(Draft& draft) const {
    const bool has_condition = draft.node.opcode == Opcode::Compare || draft.node.opcode == Opcode::Branch ||
                               draft.node.opcode == Opcode::Select;
    if (!has_condition && !opcode_spec(draft.node.opcode).is_commutative) return;
    const bool is_a_constant = is_constant(draft.a());
    const bool is_b_constant = is_constant(draft.b());
    const bool is_out_of_order = is_a_constant != is_b_constant ? is_a_constant : draft.a() > draft.b();
    if (!is_out_of_order) return;
    std::swap(draft.inputs[0], draft.inputs[1]);
    if (has_condition) draft.node.condition = isa::exchanged(draft.node.condition);
}

/// Returns a node with the same low half as `id`, without what only makes the high half.
NodeId Simplifier::low_half(NodeId id) const {
    for (;;) {
        const Node& at = node(id);
        const bool is_extension =
            (at.opcode == Opcode::ZeroExtend || at.opcode == Opcode::SignExtend) && at.size == 4;
        if (!is_extension) return id;
        id = input(id, 0);
    }
}

bool Simplifier::narrow_inputs(Draft& draft) {
    const Opcode opcode = draft.node.opcode;
    if (!draft.is_narrow() || opcode == Opcode::SignExtend) return false;
    const unsigned count = opcode == Opcode::Negate ? 1 : 2;
    bool is_changed = false;
    for (unsigned i = 0; i < count; ++i) {
        NodeId low = low_half(draft.inputs[i]);
        if (is_constant(low) && value(low) > draft.mask()) low = constant(value(low) & draft.mask());
        is_changed = is_changed || low != draft.inputs[i];
        draft.inputs[i] = low;
    }
    return is_changed;
}

NodeId Simplifier::step(Draft& draft, bool& is_changed) {
    if (draft.node.input_count == 0) return kNone;
    is_changed = narrow_inputs(draft);
    if (const NodeId known = fold(draft); known != kNone) return known;
    order_inputs(draft);
    switch (draft.node.opcode) {
        case Opcode::Add:
            return add(draft, is_changed);
        case Opcode::Sub:
            return subtract(draft);
        case Opcode::Mul:
            return multiply(draft);
        case Opcode::UDiv:
        case Opcode::SDiv:
        case Opcode::UMod:
        case Opcode::SMod:
            return divide(draft);
        case Opcode::And:
            return bit_and(draft, is_changed);
        case Opcode::Or:
            return bit_or(draft, is_changed);
        case Opcode::Xor:
            return bit_xor(draft, is_changed);
        case Opcode::Shl:
        case Opcode::Shr:
        case Opcode::Sar:
            return shift(draft, is_changed);
        case Opcode::Negate:
            return negate(draft);
        case Opcode::ZeroExtend:
            return zero_extend(draft, is_changed);
        case Opcode::SignExtend:
            return sign_extend(draft, is_changed);
        case Opcode::ByteSwap:
            return byte_swap(draft, is_changed);
        case Opcode::Compare:
        case Opcode::Branch:
            return compare(draft, is_changed);
        case Opcode::Select:
            if (const NodeId known = select(draft); known != kNone) return known;
            return compare(draft, is_changed);
        case Opcode::Store:
        case Opcode::StoreRelease:
            strip_stored_value(draft, is_changed);
            displace(draft, is_changed);
            return kNone;
        case Opcode::Load:
        case Opcode::Atomic:
        case Opcode::LoadAcquire:
            displace(draft, is_changed);
            return kNone;
        case Opcode::Constant:
        case Opcode::MapHandle:
        case Opcode::MapValue:
        case Opcode::Parameter:
        case Opcode::FrameAddress:
        case Opcode::CodeAddress:
        case Opcode::CallHelper:
        case Opcode::TailCall:
        case Opcode::CallLocal:
        case Opcode::MapLookup:
        case Opcode::PacketLoad:
        case Opcode::Phi:
        case Opcode::Jump:
        case Opcode::Return:
            break;
    }
    return kNone;
}

NodeId Simplifier::select(const Draft& draft) {
    const NodeId c = draft.inputs[2];
    const NodeId d = draft.inputs[3];
    if (c == d) return c;
    if (!is_constant(c) || !is_constant(d)) return kNone;
    Node flag = draft.node;
    flag.opcode = Opcode::Compare;
    if (value(c) == 1 && value(d) == 0) return make({flag, {draft.a(), draft.b()}});
    if (value(c) == 0 && value(d) == 1 && flag.condition != JumpOp::Set) {
        flag.condition = isa::opposite(flag.condition);
        return make({flag, {draft.a(), draft.b()}});
    }
    return kNone;
}

/// A store takes no more of its value than it has room for.
void Simplifier::strip_stored_value(Draft& draft, bool& is_changed) const {
    const Node& stored = node(draft.b());
    const std::uint8_t size = draft.node.size;
    const bool is_extension = stored.opcode == Opcode::ZeroExtend || stored.opcode == Opcode::SignExtend;
    if (!is_extension || stored.size < size) return;
    draft.inputs[1] = function_.input(stored, 0);
    is_changed = true;
}

bool Simplifier::displace_index(Draft& draft) {
    constexpr std::int64_t kMost = 1 << 30;
    const NodeId base = draft.a();
    for (unsigned side = 0; side < 2; ++side) {
        const NodeId part = input(base, side);
        if (!is_with_constant(part, Opcode::Add, Width::W64)) continue;
        const auto more = static_cast<std::int64_t>(value(input(part, 1)));
        const std::int64_t sum = draft.node.imm + more;
        if (more <= -kMost || more >= kMost || sum <= -kMost || sum >= kMost) continue;
        draft.node.imm = sum;
        draft.inputs[0] = make({{.opcode = Opcode::Add}, {input(base, 1 - side), input(part, 0)}});
        return true;
    }
    return false;
}

/// Takes constants out of addresses: into the displacement, which costs nothing. Equal addresses then have
/// equal bases: the end of the frame, element 0 of a map.
void Simplifier::displace(Draft& draft, bool& is_changed) {
    constexpr std::int64_t kMost = 1 << 30;
    const NodeId base = draft.a();
    const Node& at = node(base);
    const auto fits = [&](std::int64_t more) {
        return more > -kMost && more < kMost && draft.node.imm + more > -kMost &&
               draft.node.imm + more < kMost;
    };
    if (at.opcode == Opcode::Add && at.width == Width::W64 && is_constant(input(base, 1))) {
        const auto more = static_cast<std::int64_t>(value(input(base, 1)));
        if (!fits(more)) return;
        draft.node.imm += more;
        draft.inputs[0] = input(base, 0);
    } else if (at.opcode == Opcode::Add && at.width == Width::W64 && displace_index(draft)) {
        // x + (y + c): the sum without the constant is often there, from neighbouring accesses.
    } else if (at.opcode == Opcode::FrameAddress && at.imm != 0) {
        draft.node.imm += at.imm;
        draft.inputs[0] = make({{.opcode = Opcode::FrameAddress}, {}});
    } else if (at.opcode == Opcode::MapValue && at.imm >> 32U != 0 && fits(at.imm >> 32U)) {
        draft.node.imm += at.imm >> 32U;
        draft.inputs[0] = make({{.opcode = Opcode::MapValue, .imm = at.imm & 0xffffffff}, {}});
    } else {
        return;
    }
    is_changed = true;
}

}  // namespace ebpf::ir
