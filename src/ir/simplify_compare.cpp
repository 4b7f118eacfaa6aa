// SPDX-License-Identifier: MIT
// Rules about conditions: of Compare, Select and Branch alike.
#include <algorithm>
#include <bit>
#include <utility>

#include "ir/simplify.hpp"
#include "isa/opposite.hpp"
#include "isa/semantics.hpp"

namespace ebpf::ir {

using spec::JumpOp;
using spec::Width;

namespace {

bool is_equality(JumpOp condition) {
    return condition == JumpOp::Eq || condition == JumpOp::Ne;
}

std::uint64_t bits_below(std::uint64_t limit) {
    return limit == 0 ? 0 : ~std::uint64_t{0} >> static_cast<unsigned>(std::countl_zero(limit));
}

}  // namespace

NodeId Simplifier::compare(Draft& draft, bool& is_changed) {
    bool holds = false;
    if (is_decided(draft, holds)) {
        if (draft.node.opcode == Opcode::Compare) return constant(holds ? 1 : 0);
        if (draft.node.opcode == Opcode::Select) return draft.inputs[holds ? 2 : 3];
        // A branch becomes one that says so plainly; the pass that has it removes the edge.
        draft.node.condition = holds ? JumpOp::Eq : JumpOp::Ne;
        draft.node.width = Width::W64;
        draft.inputs[0] = draft.inputs[1] = constant(0);
        return kNone;
    }
    const bool is_improved =
        look_into_condition(draft) || improve_equality(draft) || improve_condition(draft);
    is_changed = is_changed || is_improved;
    return kNone;
}

bool Simplifier::is_never_zero(NodeId id) const {
    const Node& at = node(id);
    if (at.opcode == Opcode::MapValue || at.opcode == Opcode::MapHandle ||
        at.opcode == Opcode::FrameAddress || at.opcode == Opcode::CodeAddress)
        return true;
    if (at.opcode == Opcode::Constant) return at.imm != 0;
    if (at.opcode == Opcode::Or) return is_never_zero(input(id, 0)) || is_never_zero(input(id, 1));
    // An offset into a map cannot lead around the address space.
    constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40U;
    return at.opcode == Opcode::Add && at.width == Width::W64 && is(input(id, 0), Opcode::MapValue) &&
           limits_[input(id, 1)] < kMostBytes;
}

bool Simplifier::is_decided(const Draft& draft, bool& holds) const {
    const NodeId a = draft.a();
    const NodeId b = draft.b();
    const JumpOp condition = draft.node.condition;
    if (is_constant(a) && is_constant(b)) {
        holds = isa::eval_jump(condition, draft.node.width, value(a), value(b));
        return true;
    }
    if (a == b && condition != JumpOp::Set) {
        holds = isa::eval_jump(condition, draft.node.width, 0, 0);
        return true;
    }
    if (is_equality(condition) && !draft.is_narrow() && is_constant(b) && value(b) == 0 && is_never_zero(a)) {
        holds = condition == JumpOp::Ne;
        return true;
    }
    return is_decided_by_limits(draft, holds);
}

/// Compares the bounds of a with a constant b; values beyond the width have no bounds.
bool Simplifier::is_decided_by_limits(const Draft& draft, bool& holds) const {
    const std::uint64_t limit = limits_[draft.a()];
    if (limit > draft.mask()) return false;
    const JumpOp condition = draft.node.condition;
    if (!is_constant(draft.b())) return false;
    const std::uint64_t b = value(draft.b()) & draft.mask();
    // The values in question are 0 to limit.
    const bool is_b_negative = b > draft.mask() >> 1U;
    const bool may_be_negative = limit > draft.mask() >> 1U;
    const auto decide = [&](bool is_known, bool result) {
        holds = result;
        return is_known;
    };
    switch (condition) {
        case JumpOp::Eq:
            return decide(limit < b, false);
        case JumpOp::Ne:
            return decide(limit < b, true);
        case JumpOp::Gt:
            return decide(limit <= b, false);
        case JumpOp::Ge:
            return b == 0 ? decide(true, true) : decide(limit < b, false);
        case JumpOp::Lt:
            return b == 0 ? decide(true, false) : decide(limit < b, true);
        case JumpOp::Le:
            return decide(limit <= b, true);
        case JumpOp::Set:
            return decide((bits_below(limit) & b) == 0, false);
        case JumpOp::SGt:
        case JumpOp::SGe:
            if (may_be_negative) return false;
            if (is_b_negative) return decide(true, true);
            return decide(condition == JumpOp::SGt ? limit <= b : limit < b, false);
        case JumpOp::SLt:
        case JumpOp::SLe:
            if (may_be_negative) return false;
            if (is_b_negative) return decide(true, false);
            return decide(condition == JumpOp::SLe ? limit <= b : limit < b, true);
    }
    return false;
}

/// Fewer kinds of conditions, so that equal ones look equal: none that include the border, equality at 0.
bool Simplifier::improve_condition(Draft& draft) {
    JumpOp& condition = draft.node.condition;
    const bool is_signed = condition == JumpOp::SGt || condition == JumpOp::SGe || condition == JumpOp::SLt ||
                           condition == JumpOp::SLe;
    const std::uint64_t most = is_signed ? 0x7fffffff : 0xffffffff;
    if (!draft.is_narrow() && limits_[draft.a()] <= most && limits_[draft.b()] <= most) {
        // Comparing low halves is as good, and needs no wide constant.
        draft.node.width = Width::W32;
        return true;
    }
    if (!is_constant(draft.b())) return false;
    const std::uint64_t mask = draft.mask();
    const std::uint64_t b = value(draft.b()) & mask;
    const std::uint64_t limit = limits_[draft.a()];
    const bool is_positive = limit <= mask >> 1U && b <= mask >> 1U;
    const auto become = [&](JumpOp other, std::uint64_t bound) {
        condition = other;
        if (bound != value(draft.b())) draft.inputs[1] = constant(bound);
        return true;
    };
    if (condition == JumpOp::Ge && b != 0) return become(JumpOp::Gt, b - 1);
    if (condition == JumpOp::Le && b != mask) return become(JumpOp::Lt, b + 1);
    if (condition == JumpOp::Gt && b == 0) return become(JumpOp::Ne, 0);
    if (condition == JumpOp::Lt && b == 1) return become(JumpOp::Eq, 0);
    if (!is_positive) return false;
    // Without sign bits the orders agree.
    if (condition == JumpOp::SGt) return become(JumpOp::Gt, b);
    if (condition == JumpOp::SGe) return become(JumpOp::Ge, b);
    if (condition == JumpOp::SLt) return become(JumpOp::Lt, b);
    if (condition == JumpOp::SLe) return become(JumpOp::Le, b);
    return false;
}

/// Undoes on both sides what does not change whether they are equal.
bool Simplifier::improve_equality(Draft& draft) {
    if (!is_equality(draft.node.condition)) return false;
    const NodeId a = draft.a();
    const NodeId b = draft.b();
    const Node& of_a = node(a);
    const Width width = draft.node.width;
    if (of_a.opcode == Opcode::ByteSwap && is(b, Opcode::ByteSwap) && of_a.size == node(b).size &&
        (!draft.is_narrow() || of_a.size <= 4) && (of_a.size == 4 || of_a.size == 8)) {
        draft.inputs[0] = input(a, 0);
        draft.inputs[1] = input(b, 0);
        draft.node.width = of_a.size == 8 ? Width::W64 : Width::W32;
        return true;
    }
    if (!is_constant(b)) return false;
    const std::uint64_t number = value(b) & draft.mask();
    if (of_a.opcode == Opcode::ByteSwap && (!draft.is_narrow() || of_a.size <= 4)) {
        const std::uint64_t swapped = isa::eval_byte_order(spec::ByteOrderOp::Swap, of_a.size, number);
        const NodeId from = input(a, 0);
        draft.inputs[0] =
            of_a.size == 8 ? from : make({{.opcode = Opcode::ZeroExtend, .size = of_a.size}, {from}});
        draft.inputs[1] = constant(swapped);
        return true;
    }
    const bool is_same_width = of_a.width == width || draft.is_narrow();
    // A loop's counter is better compared after its step: then it need not be kept beside the sum.
    const bool is_counter = of_a.opcode == Opcode::Add && is(input(a, 0), Opcode::Phi);
    if (of_a.opcode == Opcode::Add && is_same_width && is_constant(input(a, 1)) && !is_counter) {
        draft.inputs[1] = constant((number - value(input(a, 1))) & draft.mask());
        draft.inputs[0] = input(a, 0);
        return true;
    }
    if (number != 0) return false;
    if ((of_a.opcode == Opcode::Sub || of_a.opcode == Opcode::Xor) && is_same_width) {
        draft.inputs = {input(a, 0), input(a, 1), draft.inputs[2], draft.inputs[3]};
        return true;
    }
    if (of_a.opcode == Opcode::And && is_same_width && draft.node.condition == JumpOp::Ne) {
        draft.inputs = {input(a, 0), input(a, 1), draft.inputs[2], draft.inputs[3]};
        draft.node.condition = JumpOp::Set;
        return true;
    }
    return false;
}

/// A comparison of a truth value, or of a choice between constants, is the condition behind it.
bool Simplifier::look_into_condition(Draft& draft) {
    const NodeId a = draft.a();
    const Node inner = node(a);
    const bool is_flag = inner.opcode == Opcode::Compare;
    if (!is_constant(draft.b()) || (!is_flag && inner.opcode != Opcode::Select)) return false;
    const auto when = [&](NodeId id, bool& holds) {
        Draft question = draft;
        question.inputs[0] = id;
        return is_decided(question, holds);
    };
    bool if_true = false;
    bool if_false = false;
    if (is_flag) {
        if_true = isa::eval_jump(draft.node.condition, draft.node.width, 1, value(draft.b()));
        if_false = isa::eval_jump(draft.node.condition, draft.node.width, 0, value(draft.b()));
    } else if (!when(input(a, 2), if_true) || !when(input(a, 3), if_false)) {
        return false;
    }
    if (if_true == if_false) {
        draft.inputs[0] = draft.inputs[1] = constant(0);
        draft.node.condition = if_true ? JumpOp::Eq : JumpOp::Ne;
        return true;
    }
    if (!if_true && inner.condition == JumpOp::Set) return false;  // which has no opposite
    draft.node.condition = if_true ? inner.condition : isa::opposite(inner.condition);
    draft.node.width = inner.width;
    draft.inputs[0] = function_.input(inner, 0);
    draft.inputs[1] = function_.input(inner, 1);
    return true;
}

}  // namespace ebpf::ir
