// SPDX-License-Identifier: MIT
// Transfer functions that negate a number or change how many of its bytes count.
#include "domains/scalar.hpp"
#include "isa/semantics.hpp"

namespace ebpf::domains {
namespace {

// Number of bits above the low `size` bytes, as a shift count.
Scalar unused_bits(std::uint8_t size) noexcept {
    return Scalar::constant(64U - size * 8U);
}

Scalar without_upper_bytes(spec::AluOp shift_back, std::uint8_t size, const Scalar& a) noexcept {
    if (size >= sizeof(std::uint64_t)) return a;
    const Scalar count = unused_bits(size);
    return alu(shift_back, spec::Width::W64, alu(spec::AluOp::Lsh, spec::Width::W64, a, count), count);
}

}  // namespace

// -a is 0 - a, by definition of eval_negate.
Scalar negate(spec::Width width, const Scalar& a) noexcept {
    return alu(spec::AluOp::Sub, width, Scalar::constant(0), a);
}

// Shifting the upper bytes out and back in with zeros is what truncation does; both shifts are sound.
Scalar truncate(std::uint8_t size, const Scalar& a) noexcept {
    return without_upper_bytes(spec::AluOp::Rsh, size, a);
}

// The same with copies of the sign.
Scalar sign_extend(std::uint8_t size, const Scalar& a) noexcept {
    return without_upper_bytes(spec::AluOp::Arsh, size, a);
}

// By definition of eval_move_sx.
Scalar move_sx(spec::Width width, std::uint8_t size, const Scalar& a) noexcept {
    const Scalar extended = sign_extend(size, a);
    return width == spec::Width::W64 ? extended : truncate(4, extended);
}

// A swap moves whole bytes, so it moves what is known of each bit; ranges follow from the bits.
Scalar byte_order(spec::ByteOrderOp op, std::uint8_t size, const Scalar& a) noexcept {
    const Scalar low = truncate(size, a);
    if (op == spec::ByteOrderOp::ToLittle || low.is_bottom()) return low;
    return Scalar::known_bits(
        {isa::eval_byte_order(op, size, low.bits().value), isa::eval_byte_order(op, size, low.bits().mask)});
}

}  // namespace ebpf::domains
