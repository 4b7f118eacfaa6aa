// SPDX-License-Identifier: MIT
// Rules about masks, shifts, extensions and byte order.
#include <algorithm>
#include <bit>

#include "ir/simplify.hpp"

namespace ebpf::ir {

using spec::Width;

namespace {

Node plain(Opcode opcode, Width width) {
    return {.opcode = opcode, .width = width};
}

std::uint64_t mask_of(unsigned size) {
    return size >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (size * 8U)) - 1U;
}

/// Returns the number of low bytes that a mask keeps, if it keeps just those; else 0.
std::uint8_t bytes_of(std::uint64_t mask) {
    for (const std::uint8_t size : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}}) {
        if (mask == mask_of(size)) return size;
    }
    return 0;
}

/// All bits that a value up to `limit` may have.
std::uint64_t bits_below(std::uint64_t limit) {
    return limit == 0 ? 0 : ~std::uint64_t{0} >> static_cast<unsigned>(std::countl_zero(limit));
}

}  // namespace

NodeId Simplifier::bit_and(Draft& draft, bool& is_changed) {
    const NodeId a = draft.a();
    const Width width = draft.node.width;
    if (a == draft.b()) return truncated(a, width);
    if (!is_constant(draft.b())) return kNone;
    const std::uint64_t mask = value(draft.b()) & draft.mask();
    if (mask == 0) return constant(0);
    if ((bits_below(limits_[a]) & ~mask) == 0) return a;
    if (mask == ~std::uint64_t{0}) return a;
    if (const std::uint8_t size = bytes_of(mask); size != 0)
        return make({{.opcode = Opcode::ZeroExtend, .size = size}, {a}});
    // One of the widths is enough: the result has no high half.
    if (width == Width::W64 && mask <= draft.mask() >> 32U) {
        draft.node.width = Width::W32;
        is_changed = true;
        return kNone;
    }
    const bool is_mask = is(a, Opcode::And) && is_constant(input(a, 1));
    if (is_mask && (node(a).width == width || width == Width::W32)) {
        draft.inputs = {input(a, 0), constant(value(input(a, 1)) & mask)};
        is_changed = true;
    } else if (is(a, Opcode::ZeroExtend)) {
        // What the extension cuts off need not be cut off before the mask does.
        const std::uint64_t kept = mask & mask_of(node(a).size);
        draft.inputs = {input(a, 0), constant(kept)};
        is_changed = true;
    }
    return kNone;
}

NodeId Simplifier::bit_or(Draft& draft, bool& is_changed) {
    const NodeId a = draft.a();
    const Width width = draft.node.width;
    if (a == draft.b()) return truncated(a, width);
    if (!is_constant(draft.b())) return kNone;
    const std::uint64_t bits = value(draft.b()) & draft.mask();
    if (bits == 0) return truncated(a, width);
    if (bits == draft.mask()) return constant(bits);
    if (is_with_constant(a, Opcode::Or, width)) {
        draft.inputs = {input(a, 0), constant(value(input(a, 1)) | bits)};
        is_changed = true;
    }
    return kNone;
}

NodeId Simplifier::bit_xor(Draft& draft, bool& is_changed) {
    const NodeId a = draft.a();
    const Width width = draft.node.width;
    if (a == draft.b()) return constant(0);
    if (!is_constant(draft.b())) return kNone;
    const std::uint64_t bits = value(draft.b()) & draft.mask();
    if (bits == 0) return truncated(a, width);
    if (is_with_constant(a, Opcode::Xor, width)) {
        draft.inputs = {input(a, 0), constant((value(input(a, 1)) ^ bits) & draft.mask())};
        is_changed = true;
    }
    return kNone;
}

NodeId Simplifier::shift(Draft& draft, bool& is_changed) {
    const NodeId a = draft.a();
    const Width width = draft.node.width;
    const Opcode opcode = draft.node.opcode;
    if (is_constant(a) && value(a) == 0) return constant(0);
    if (!is_constant(draft.b())) {
        // Counts are taken modulo the width; a mask that says so again is superfluous.
        const NodeId b = draft.b();
        const bool is_mask = is(b, Opcode::And) && is_constant(input(b, 1));
        if (!is_mask || (value(input(b, 1)) & (draft.bits() - 1)) != draft.bits() - 1) return kNone;
        draft.inputs[1] = input(b, 0);
        is_changed = true;
        return kNone;
    }
    const auto count = static_cast<unsigned>(value(draft.b()) & (draft.bits() - 1));
    if (count != value(draft.b())) {
        draft.inputs[1] = constant(count);
        is_changed = true;
    }
    if (count == 0) return truncated(a, width);
    const std::uint64_t limit = width == Width::W64 ? limits_[a] : std::min(limits_[a], draft.mask());
    if (opcode == Opcode::Shr && limit >> count == 0 && (width == Width::W64 || limits_[a] <= draft.mask()))
        return constant(0);
    if (opcode == Opcode::Sar && limits_[a] <= draft.mask() >> 1U)
        return make({plain(Opcode::Shr, width), {a, draft.b()}});
    if (opcode == Opcode::Shr && width == Width::W64 && is(a, Opcode::ZeroExtend) && node(a).size == 4 &&
        count < 32)
        return make({plain(Opcode::Shr, Width::W32), {input(a, 0), draft.b()}});
    return shift_of_shift(draft, count);
}

NodeId Simplifier::shift_of_shift(const Draft& draft, unsigned count) {
    const NodeId a = draft.a();
    const Width width = draft.node.width;
    const Opcode outer = draft.node.opcode;
    const Opcode inner = node(a).opcode;
    const bool is_shift = inner == Opcode::Shl || inner == Opcode::Shr || inner == Opcode::Sar;
    if (!is_shift || !is_with_constant(a, inner, width)) return kNone;
    const auto first = static_cast<unsigned>(value(input(a, 1)) & (draft.bits() - 1));
    const NodeId from = input(a, 0);
    if (inner == outer) {
        const unsigned both = first + count;
        if (both < draft.bits()) return make({plain(outer, width), {from, constant(both)}});
        if (outer != Opcode::Sar) return constant(0);
        return make({plain(Opcode::Sar, width), {from, constant(draft.bits() - 1)}});
    }
    if (first != count || outer == Opcode::Shl || inner != Opcode::Shl) {
        if (outer == Opcode::Shl && inner == Opcode::Shr && first == count && count < 32) {
            const std::uint64_t mask = (draft.mask() << count) & draft.mask();
            return make({plain(Opcode::And, width), {from, constant(mask)}});
        }
        return kNone;
    }
    const unsigned kept = draft.bits() - count;
    const std::uint64_t mask = draft.mask() >> count;
    if (outer == Opcode::Sar) {
        if (kept != 8 && kept != 16 && kept != 32) return kNone;
        return make(
            {{.opcode = Opcode::SignExtend, .width = width, .size = static_cast<std::uint8_t>(kept / 8)},
             {from}});
    }
    // A mask that no instruction takes as an immediate is no gain over two shifts.
    if (mask > 0xffffffff) return kNone;
    return make({plain(Opcode::And, width), {from, constant(mask)}});
}

NodeId Simplifier::zero_extend(Draft& draft, bool& is_changed) {
    const NodeId a = draft.a();
    const std::uint8_t size = draft.node.size;
    if (limits_[a] <= mask_of(size)) return a;
    const Node& at = node(a);
    const bool is_extension = at.opcode == Opcode::ZeroExtend || at.opcode == Opcode::SignExtend;
    if (is_extension && at.size >= size &&
        (at.opcode == Opcode::ZeroExtend || at.width == Width::W64 || size <= 4)) {
        draft.inputs[0] = input(a, 0);
        is_changed = true;
        return kNone;
    }
    if (is_extension && at.opcode == Opcode::SignExtend && at.width == Width::W64 && size == 4)
        return make({{.opcode = Opcode::SignExtend, .width = Width::W32, .size = at.size}, {input(a, 0)}});
    if (at.opcode == Opcode::And && is_constant(input(a, 1)) &&
        (value(input(a, 1)) & mask_of(size)) == mask_of(size)) {
        draft.inputs[0] = input(a, 0);
        is_changed = true;
        return kNone;
    }
    // Operators whose low half depends on low halves only. Repeating one costs no more than the extension.
    const bool is_low = at.opcode == Opcode::Add || at.opcode == Opcode::Sub || at.opcode == Opcode::Mul ||
                        at.opcode == Opcode::And || at.opcode == Opcode::Or || at.opcode == Opcode::Xor;
    if (size == 4 && at.width == Width::W64 && is_low)
        return make({plain(at.opcode, Width::W32), {input(a, 0), input(a, 1)}});
    if (size == 4 && at.width == Width::W64 && at.opcode == Opcode::Negate)
        return make({plain(Opcode::Negate, Width::W32), {input(a, 0)}});
    if (size == 4 && is_with_constant(a, Opcode::Shl, Width::W64) && value(input(a, 1)) < 32)
        return make({plain(Opcode::Shl, Width::W32), {input(a, 0), input(a, 1)}});
    return kNone;
}

NodeId Simplifier::sign_extend(Draft& draft, bool& is_changed) {
    const NodeId a = draft.a();
    const std::uint8_t size = draft.node.size;
    if (limits_[a] <= mask_of(size) >> 1U) return a;
    if (size == 4 && draft.is_narrow()) return make({{.opcode = Opcode::ZeroExtend, .size = 4}, {a}});
    const Node& at = node(a);
    if ((at.opcode == Opcode::ZeroExtend || at.opcode == Opcode::SignExtend) && at.size >= size) {
        draft.inputs[0] = input(a, 0);
        is_changed = true;
    }
    return kNone;
}

NodeId Simplifier::byte_swap(Draft& draft, bool& is_changed) {
    const NodeId a = draft.a();
    const std::uint8_t size = draft.node.size;
    const Node& at = node(a);
    if (at.opcode == Opcode::ByteSwap && at.size == size)
        return size == 8 ? input(a, 0) : make({{.opcode = Opcode::ZeroExtend, .size = size}, {input(a, 0)}});
    if (at.opcode == Opcode::ZeroExtend && at.size >= size) {
        draft.inputs[0] = input(a, 0);
        is_changed = true;
    }
    return kNone;
}

}  // namespace ebpf::ir
