// SPDX-License-Identifier: MIT
#include "ir/facts.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "ir/simplify.hpp"
#include "isa/opposite.hpp"
#include "isa/semantics.hpp"

namespace ebpf::ir {
namespace {

using spec::JumpOp;

/// A comparison's outcomes as a set: less, equal, greater.
struct Outcomes {
    unsigned set = 0;
    enum class Order : std::uint8_t { Any, Unsigned, Signed } order = Order::Any;
};

std::optional<Outcomes> outcomes_of(JumpOp condition) {
    constexpr unsigned kLess = 1;
    constexpr unsigned kEqual = 2;
    constexpr unsigned kGreater = 4;
    using Order = Outcomes::Order;
    switch (condition) {
        case JumpOp::Eq:
            return Outcomes{kEqual, Order::Any};
        case JumpOp::Ne:
            return Outcomes{kLess | kGreater, Order::Any};
        case JumpOp::Gt:
            return Outcomes{kGreater, Order::Unsigned};
        case JumpOp::Ge:
            return Outcomes{kGreater | kEqual, Order::Unsigned};
        case JumpOp::Lt:
            return Outcomes{kLess, Order::Unsigned};
        case JumpOp::Le:
            return Outcomes{kLess | kEqual, Order::Unsigned};
        case JumpOp::SGt:
            return Outcomes{kGreater, Order::Signed};
        case JumpOp::SGe:
            return Outcomes{kGreater | kEqual, Order::Signed};
        case JumpOp::SLt:
            return Outcomes{kLess, Order::Signed};
        case JumpOp::SLe:
            return Outcomes{kLess | kEqual, Order::Signed};
        case JumpOp::Set:
            break;
    }
    return {};
}

/// Both conditions compare the same two values.
Answer same_values(JumpOp known, bool is_true, JumpOp asked) {
    if (known == JumpOp::Set || asked == JumpOp::Set) {
        if (known != asked) return Answer::Unknown;
        return is_true ? Answer::Holds : Answer::Fails;
    }
    const auto given = outcomes_of(known);
    const auto wanted = outcomes_of(asked);
    if (!given || !wanted) return Answer::Unknown;
    using Order = Outcomes::Order;
    if (given->order != Order::Any && wanted->order != Order::Any && given->order != wanted->order) {
        // Only whether they are equal is common to both orders.
        return Answer::Unknown;
    }
    const unsigned possible = is_true ? given->set : 7U & ~given->set;
    if ((possible & ~wanted->set) == 0) return Answer::Holds;
    return (possible & wanted->set) == 0 ? Answer::Fails : Answer::Unknown;
}

/// Values from `least` to `most`, or all others.
struct Interval {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    bool is_outside = false;
};

std::optional<Interval> interval_of(JumpOp condition, bool is_true, std::uint64_t bound, std::uint64_t mask) {
    if (!is_true) {
        if (condition == JumpOp::Set) return {};
        condition = isa::opposite(condition);
    }
    if (condition == JumpOp::Eq) return Interval{bound, bound, false};
    if (condition == JumpOp::Ne) return Interval{bound, bound, true};
    if (condition == JumpOp::Gt && bound != mask) return Interval{bound + 1, mask, false};
    if (condition == JumpOp::Ge) return Interval{bound, mask, false};
    if (condition == JumpOp::Lt && bound != 0) return Interval{0, bound - 1, false};
    if (condition == JumpOp::Le) return Interval{0, bound, false};
    return {};
}

/// Both conditions compare one value with constants.
Answer with_constants(const Interval& known, const Interval& asked) {
    const bool is_apart = known.most < asked.least || asked.most < known.least;
    const bool is_within = asked.least <= known.least && known.most <= asked.most;
    if (known.is_outside) {
        const bool is_same = known.least == asked.least && known.most == asked.most;
        if (!is_same) return Answer::Unknown;
        return asked.is_outside ? Answer::Holds : Answer::Fails;
    }
    if (is_within) return asked.is_outside ? Answer::Fails : Answer::Holds;
    if (is_apart) return asked.is_outside ? Answer::Holds : Answer::Fails;
    return Answer::Unknown;
}

}  // namespace

Condition condition_of(const Function& function, const Node& node) {
    return {node.condition, node.width, function.input(node, 0), function.input(node, 1)};
}

Answer implied(const Function& function, const Condition& known, bool is_true, const Condition& asked) {
    if (known.width != asked.width) return Answer::Unknown;
    if (known.a == asked.a && known.b == asked.b)
        return same_values(known.condition, is_true, asked.condition);
    if (known.a == asked.b && known.b == asked.a)
        return same_values(isa::exchanged(known.condition), is_true, asked.condition);
    if (known.a != asked.a || !function.is_constant(known.b) || !function.is_constant(asked.b))
        return Answer::Unknown;
    const std::uint64_t mask = known.width == spec::Width::W32 ? 0xffffffffU : ~std::uint64_t{0};
    const auto given = interval_of(known.condition, is_true, function.constant(known.b) & mask, mask);
    const auto wanted = interval_of(asked.condition, true, function.constant(asked.b) & mask, mask);
    if (!given || !wanted) return Answer::Unknown;
    return with_constants(*given, *wanted);
}

namespace {

constexpr unsigned kMostSteps = 16;

/// Calls visit(condition, is_true) for each branch that decides whether control comes to `block`, the nearest
/// first, until that returns true.
template <typename Visit>
void visit_branches(const Function& function, const Graph& graph, BlockId block, Visit visit) {
    for (unsigned step = 0; step < kMostSteps && block != 0; ++step) {
        const BlockId above = graph.immediate_dominator(block);
        const auto& before = function.blocks[block].predecessors;
        const Block& from = function.blocks[above];
        if (before.size() == 1 && before[0] == above && from.successors[1] != kNone) {
            const Node& branch = function.nodes[from.nodes.back()];
            const bool is_true = from.successors[0] == block;
            if (branch.opcode == Opcode::Branch && visit(condition_of(function, branch), is_true)) return;
        }
        block = above;
    }
}

}  // namespace

Answer answer_at(const Function& function, const Graph& graph, BlockId block, const Condition& asked) {
    Answer answer = Answer::Unknown;
    visit_branches(function, graph, block, [&](const Condition& known, bool is_true) {
        answer = implied(function, known, is_true, asked);
        return answer != Answer::Unknown;
    });
    return answer;
}

std::uint64_t limit_at(const Function& function, const Graph& graph, BlockId block, NodeId value,
                       std::uint64_t limit) {
    visit_branches(function, graph, block, [&](const Condition& known, bool is_true) {
        if (known.a != value || !function.is_constant(known.b)) return false;
        const std::uint64_t mask = known.width == spec::Width::W32 ? 0xffffffffU : ~std::uint64_t{0};
        if (limit > mask) return false;
        const auto interval = interval_of(known.condition, is_true, function.constant(known.b) & mask, mask);
        if (interval && !interval->is_outside) limit = std::min(limit, interval->most);
        return false;
    });
    return limit;
}

}  // namespace ebpf::ir
