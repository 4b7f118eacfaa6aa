// SPDX-License-Identifier: MIT
// Rules about sums, products and quotients.
#include <bit>

#include "ir/simplify.hpp"

namespace ebpf::ir {

using spec::Width;

namespace {

Node plain(Opcode opcode, Width width) {
    return {.opcode = opcode, .width = width};
}

}  // namespace

NodeId Simplifier::add(Draft& draft, bool& is_changed) {
    const NodeId a = draft.a();
    const NodeId b = draft.b();
    const Width width = draft.node.width;
    if (!is_constant(b)) {
        // (x - y) + y
        if (is(a, Opcode::Sub) && node(a).width == Width::W64 && input(a, 1) == b)
            return truncated(input(a, 0), width);
        if (is(b, Opcode::Sub) && node(b).width == Width::W64 && input(b, 1) == a)
            return truncated(input(b, 0), width);
        if (is(b, Opcode::Negate) && node(b).width == width)
            return make({plain(Opcode::Sub, width), {a, input(b, 0)}});
        return kNone;
    }
    const std::uint64_t more = value(b);
    if (more == 0) return truncated(a, width);
    if (width == Width::W64 && is(a, Opcode::FrameAddress)) {
        const std::int64_t sum = node(a).imm + static_cast<std::int64_t>(more);
        const bool is_inside = sum <= 0 && sum >= -std::int64_t{function_.frame_bytes};
        if (is_inside) return make({{.opcode = Opcode::FrameAddress, .imm = sum}, {}});
    }
    if (width == Width::W64 && is(a, Opcode::MapValue)) {
        constexpr std::int64_t kMost = 1 << 30;
        const std::int64_t sum = (node(a).imm >> 32U) + static_cast<std::int64_t>(more);
        if (sum >= 0 && sum < kMost && static_cast<std::int64_t>(more) < kMost)
            return make({{.opcode = Opcode::MapValue, .imm = (node(a).imm & 0xffffffff) | sum << 32U}, {}});
    }
    // (x + c) + d: the inner sum may be wider, not narrower.
    const bool is_sum = is(a, Opcode::Add) && is_constant(input(a, 1));
    if (is_sum && (node(a).width == width || width == Width::W32)) {
        const std::uint64_t sum = (value(input(a, 1)) + more) & draft.mask();
        draft.inputs = {input(a, 0), constant(sum)};
        is_changed = true;
    }
    return kNone;
}

NodeId Simplifier::subtract(Draft& draft) {
    const NodeId a = draft.a();
    const NodeId b = draft.b();
    const Width width = draft.node.width;
    if (a == b) return constant(0);
    if (is_constant(b))
        return make({plain(Opcode::Add, width), {a, constant((0 - value(b)) & draft.mask())}});
    if (is_constant(a) && value(a) == 0) return make({plain(Opcode::Negate, width), {b}});
    if (is(b, Opcode::Negate) && node(b).width == width)
        return make({plain(Opcode::Add, width), {a, input(b, 0)}});
    // (x + c) - x, and (x + c) - (x + d)
    const auto base_of = [&](NodeId id) {
        return is_with_constant(id, Opcode::Add, width) ? input(id, 0) : id;
    };
    if (base_of(a) != base_of(b)) return kNone;
    const std::uint64_t of_a = base_of(a) == a ? 0 : value(input(a, 1));
    const std::uint64_t of_b = base_of(b) == b ? 0 : value(input(b, 1));
    return constant((of_a - of_b) & draft.mask());
}

NodeId Simplifier::multiply(Draft& draft) {
    if (!is_constant(draft.b())) return kNone;
    const NodeId a = draft.a();
    const Width width = draft.node.width;
    const std::uint64_t factor = value(draft.b()) & draft.mask();
    if (factor == 0) return constant(0);
    if (factor == 1) return truncated(a, width);
    if (factor == draft.mask()) return make({plain(Opcode::Negate, width), {a}});
    if (std::has_single_bit(factor)) {
        const auto count = static_cast<std::uint64_t>(std::countr_zero(factor));
        return make({plain(Opcode::Shl, width), {a, constant(count)}});
    }
    if (is_with_constant(a, Opcode::Mul, width)) {
        const std::uint64_t both = value(input(a, 1)) * factor & draft.mask();
        return make({plain(Opcode::Mul, width), {input(a, 0), constant(both)}});
    }
    return kNone;
}

NodeId Simplifier::negate(const Draft& draft) {
    const NodeId a = draft.a();
    const Width width = draft.node.width;
    if (is(a, Opcode::Negate) && node(a).width == width) return truncated(input(a, 0), width);
    if (is(a, Opcode::Sub) && node(a).width == width)
        return make({plain(Opcode::Sub, width), {input(a, 1), input(a, 0)}});
    return kNone;
}

NodeId Simplifier::divide(Draft& draft) {
    const NodeId b = draft.b();
    const bool is_signed = draft.node.opcode == Opcode::SDiv || draft.node.opcode == Opcode::SMod;
    if (!is_constant(b)) {
        // Something with a bit that is always set is not zero.
        const bool has_bit =
            is(b, Opcode::Or) && is_constant(input(b, 1)) && (value(input(b, 1)) & draft.mask()) != 0;
        if (has_bit && !is_signed) draft.node.divisor_is_safe = true;
        return kNone;
    }
    const std::uint64_t divisor = value(b) & draft.mask();
    const bool is_modulo = draft.node.opcode == Opcode::UMod || draft.node.opcode == Opcode::SMod;
    if (divisor == 0) return is_modulo ? truncated(draft.a(), draft.node.width) : constant(0);
    if (divisor == 1) return is_modulo ? constant(0) : truncated(draft.a(), draft.node.width);
    draft.node.divisor_is_safe = !is_signed || divisor != draft.mask();
    if (!is_signed) return divide_by_constant(draft, divisor);
    // Of values without a sign bit both divisions agree.
    const std::uint64_t positive = draft.mask() >> 1U;
    if (divisor > positive || limits_[draft.a()] > positive) return kNone;
    Node plain_division = draft.node;
    plain_division.opcode = is_modulo ? Opcode::UMod : Opcode::UDiv;
    return make({plain_division, {draft.a(), b}});
}

/// x / d for x below 2^32 is the high part of x * ceil(2^n / d), if that factor has 32 bits for an n that is
/// large enough for every x. Source: Granlund and Montgomery, "Division by Invariant Integers using
/// Multiplication", theorem 4.2.
NodeId Simplifier::divide_by_constant(const Draft& draft, std::uint64_t divisor) {
    const NodeId a = draft.a();
    const Width width = draft.node.width;
    const bool is_modulo = draft.node.opcode == Opcode::UMod;
    if (std::has_single_bit(divisor)) {
        const auto count = static_cast<std::uint64_t>(std::countr_zero(divisor));
        if (is_modulo) return make({plain(Opcode::And, width), {a, constant(divisor - 1)}});
        return make({plain(Opcode::Shr, width), {a, constant(count)}});
    }
    const NodeId dividend = truncated(a, width);
    const std::uint64_t limit = limits_[dividend];
    if (limit < divisor) return is_modulo ? dividend : constant(0);
    if (limit > 0xffffffff || divisor > 0xffffffff) return kNone;
    // 2^n <= factor * divisor <= 2^n + 2^(n - bits of the dividend)
    const auto bits = static_cast<unsigned>(std::bit_width(limit));
    const unsigned extra = static_cast<unsigned>(std::bit_width(divisor - 1));
    for (unsigned n = bits; n <= bits + extra && n < 64; ++n) {
        const std::uint64_t power = std::uint64_t{1} << n;
        const std::uint64_t factor = power / divisor + 1;
        const bool is_exact_enough = factor * divisor - power <= std::uint64_t{1} << (n - bits);
        if (!is_exact_enough || static_cast<unsigned>(std::bit_width(factor)) + bits > 64) continue;
        const NodeId product = make({plain(Opcode::Mul, Width::W64), {dividend, constant(factor)}});
        const NodeId quotient = make({plain(Opcode::Shr, Width::W64), {product, constant(n)}});
        if (!is_modulo) return quotient;
        const NodeId rest = make({plain(Opcode::Mul, Width::W32), {quotient, constant(divisor)}});
        return make({plain(Opcode::Sub, Width::W32), {dividend, rest}});
    }
    return kNone;
}

}  // namespace ebpf::ir
