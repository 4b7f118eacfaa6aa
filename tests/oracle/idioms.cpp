// SPDX-License-Identifier: MIT
// Sequences as compilers write them, which optimisers look for: wide values made of bytes, rotations, minima,
// loops over memory. Some are broken on purpose: what looks like an idiom and is none must stay what it is.
#include "generator_parts.hpp"

namespace ebpf::oracle {

void Generator::idiom() {
    using Kind = void (Generator::*)();
    static constexpr Kind kKinds[] = {&Generator::wide_from_bytes,
                                      &Generator::wide_from_bytes,
                                      &Generator::bytes_from_wide,
                                      &Generator::swap_by_hand,
                                      &Generator::rotate,
                                      &Generator::choose_by_branch,
                                      &Generator::choose_by_branch,
                                      &Generator::sum_loop,
                                      &Generator::copy,
                                      &Generator::extend_by_shifts,
                                      &Generator::constant_arithmetic,
                                      &Generator::constant_arithmetic,
                                      &Generator::overlapping_accesses};
    constexpr auto kCount = static_cast<std::uint32_t>(std::size(kKinds));
    (this->*kKinds[random_.below(kCount)])();
}

// a = p[0] | p[1] << 8 | ..., in either byte order; sometimes with a store in between, a byte twice or one
// missing.
void Generator::wide_from_bytes() {
    const Region source = region();
    const auto size = static_cast<std::uint8_t>(2U << random_.below(3));
    const unsigned sum = number();
    const unsigned byte = other_number(sum);
    const std::int32_t at = place(source, size);
    const bool is_big = random_.one_in(2);
    const bool is_broken = random_.one_in(4);
    const std::uint32_t broken = is_broken ? random_.below(size) : size;
    const AluOp combine = random_.one_in(3) ? AluOp::Add : AluOp::Or;
    for (std::uint32_t i = 0; i < size; ++i) {
        const unsigned to = i == 0 ? sum : byte;
        const std::uint32_t from = is_broken && i == broken ? random_.below(size) : i;
        builder_.load(1, to, source.base, at + static_cast<std::int32_t>(from));
        const std::uint32_t shift = 8 * (is_big ? size - 1 - i : i);
        if (shift != 0) builder_.alu_imm(AluOp::Lsh, to, static_cast<std::int32_t>(shift));
        if (i != 0) builder_.alu(combine, sum, byte);
        if (is_broken && random_.one_in(size)) access();
    }
}

// p[i] = a >> 8 * i
void Generator::bytes_from_wide() {
    const Region target = region();
    const auto size = static_cast<std::uint8_t>(2U << random_.below(3));
    const unsigned value = number();
    const unsigned byte = other_number(value);
    const std::int32_t at = place(target, size);
    const bool is_big = random_.one_in(2);
    for (std::uint32_t i = 0; i < size; ++i) {
        builder_.move(byte, value);
        const std::uint32_t shift = 8 * (is_big ? size - 1 - i : i);
        if (shift != 0) builder_.alu_imm(AluOp::Rsh, byte, static_cast<std::int32_t>(shift));
        builder_.store(1, target.base, at + static_cast<std::int32_t>(i), byte);
    }
}

// Byte swap of 32 or 16 bits by shifts and masks.
void Generator::swap_by_hand() {
    const unsigned value = number();
    const unsigned part = other_number(value);
    const bool is_16 = random_.one_in(2);
    builder_.move(part, value);
    if (is_16) {
        builder_.alu_imm(AluOp::And, part, 0xff);
        builder_.alu_imm(AluOp::Lsh, part, 8);
        builder_.alu_imm(AluOp::Rsh, value, 8);
        if (!random_.one_in(3)) builder_.alu_imm(AluOp::And, value, 0xff);
    } else {
        alu32_imm(AluOp::Lsh, part, 16);
        alu32_imm(AluOp::Rsh, value, 16);
        if (random_.one_in(2)) alu32_imm(AluOp::And, value, 0xff00);
    }
    builder_.alu(AluOp::Or, value, part);
}

// a = a << n | a >> (width - n), or almost
void Generator::rotate() {
    const unsigned value = number();
    const unsigned part = other_number(value);
    const bool is_wide = random_.one_in(2);
    const std::uint32_t bits = is_wide ? 64 : 32;
    const std::uint32_t count = 1 + random_.below(bits - 1);
    const std::uint32_t back = random_.one_in(5) ? random_.below(bits) : bits - count;
    builder_.move(part, value);
    const auto shift = [&](AluOp op, unsigned number, std::uint32_t by) {
        if (is_wide) {
            builder_.alu_imm(op, number, static_cast<std::int32_t>(by));
        } else {
            alu32_imm(op, number, static_cast<std::int32_t>(by));
        }
    };
    shift(AluOp::Lsh, part, count);
    shift(AluOp::Rsh, value, back);
    builder_.alu(random_.one_in(3) ? AluOp::Xor : AluOp::Or, value, part);
}

// Minimum, maximum, absolute value, clamp, condition as a number.
void Generator::choose_by_branch() {
    static const auto kForms =
        forms_where([](const FormSpec& form) { return form.family == Family::Branch; });
    const FormSpec& spec = spec::form_spec(random_.of(kForms));
    const unsigned value = number();
    const unsigned other = other_number(value);
    const Builder::Label end = builder_.make_label();
    const bool is_register = spec.source == Source::Reg;
    const auto imm = static_cast<std::int32_t>(random_.edge());
    if (random_.one_in(4)) builder_.alu_imm(AluOp::Mov, other, static_cast<std::int32_t>(random_.below(2)));
    builder_.jump(spec, end, value, is_register ? other : 0, is_register ? 0 : imm);
    switch (random_.below(5)) {
        case 0:
            builder_.move(value, other);
            break;
        case 1:
            builder_.alu_imm(AluOp::Mov, value, imm);
            break;
        case 2:
            builder_.add({.family = Family::Negate, .width = random_.one_in(2) ? Width::W32 : Width::W64},
                         value);
            break;
        case 3:
            alu32_imm(AluOp::Mov, other, imm);
            break;
        default:
            builder_.move(other, value);
            builder_.alu(AluOp::Add, value, other);
            break;
    }
    builder_.bind(end);
}

// Adds up the elements of a region, as a checksum does.
void Generator::sum_loop() {
    const Region source = region();
    if (std::ranges::find(numbers_, kCounter) == numbers_.end() || depth_ >= 2) return arithmetic();
    const auto size = static_cast<std::uint8_t>(1U << random_.below(4));
    const unsigned sum = random_.one_in(2) ? 0 : 8;
    const unsigned element = sum == 8 ? 4 : 5;
    const auto rounds = static_cast<std::int32_t>(1 + random_.below(source.bytes / size));
    const std::int32_t stride = random_.one_in(4) ? 1 : size;
    const bool is_aligned_walk = stride == size;
    if (must_align(source) && !is_aligned_walk) return arithmetic();
    if (stride * (rounds - 1) + size > static_cast<std::int32_t>(source.bytes)) return arithmetic();
    const Builder::Label again = builder_.make_label();
    builder_.move(kScratch, source.base);
    builder_.alu_imm(AluOp::Mov, kCounter, 0);
    if (random_.one_in(2)) builder_.alu_imm(AluOp::Mov, sum, 0);
    builder_.bind(again);
    builder_.load(size, element, kScratch, source.offset);
    if (random_.one_in(3))
        builder_.add({.family = Family::ByteOrder, .byte_order = spec::ByteOrderOp::ToBig, .size = 2},
                     element);
    builder_.alu(random_.one_in(4) ? AluOp::Xor : AluOp::Add, sum, element);
    builder_.alu_imm(AluOp::Add, kScratch, stride);
    builder_.alu_imm(AluOp::Add, kCounter, 1);
    builder_.branch_imm(random_.one_in(2) ? JumpOp::Ne : JumpOp::Lt, kCounter, rounds, again);
    if (random_.one_in(2)) {
        builder_.move(element, sum);
        builder_.alu_imm(AluOp::Rsh, element, 16);
        builder_.alu_imm(AluOp::And, sum, 0xffff);
        builder_.alu(AluOp::Add, sum, element);
    }
}

// Copies a few bytes, perhaps to where they overlap, in one size or several.
void Generator::copy() {
    const Region from = region();
    const Region to = random_.one_in(2) ? from : region();
    const unsigned through = number();
    const std::int32_t at = place(from, 8, true);
    std::int32_t target = place(to, 8, true);
    const auto size = static_cast<std::uint8_t>(1U << random_.below(4));
    const bool is_aligned = options_.is_for_kernel && (from.is_stack || to.is_stack);
    if (!is_aligned && random_.one_in(2))
        target = to.offset + static_cast<std::int32_t>(random_.below(to.bytes - 7));
    for (std::int32_t i = 0; i < 8; i += size) {
        builder_.load(size, through, from.base, at + i);
        builder_.store(size, to.base, target + i, through);
    }
}

// (a << n) >> n of either sign, and 32-bit moves onto themselves
void Generator::extend_by_shifts() {
    const unsigned value = number();
    static const std::vector<std::int32_t> kShifts{8, 16, 24, 32, 40, 48, 56};
    const std::int32_t left = random_.of(kShifts);
    const std::int32_t right = random_.one_in(4) ? random_.of(kShifts) : left;
    builder_.alu_imm(AluOp::Lsh, value, left);
    builder_.alu_imm(random_.one_in(2) ? AluOp::Arsh : AluOp::Rsh, value, right);
    if (random_.one_in(3)) {
        builder_.add({.family = Family::Alu, .alu = AluOp::Mov, .width = Width::W32, .source = Source::Reg},
                     value, value);
    }
}

// Operators with the constants for which compilers have special sequences.
void Generator::constant_arithmetic() {
    static const std::vector<AluOp> kOps{AluOp::Mul, AluOp::Div, AluOp::Mod, AluOp::SDiv, AluOp::SMod,
                                         AluOp::And, AluOp::Or,  AluOp::Add, AluOp::Sub};
    static const std::vector<std::int32_t> kConstants{
        1,          -1,    2,     -2,     3,       5,          7,          9,    10,   12,  16, 25,  60,
        100,        127,   128,   255,    256,     641,        1000,       1024, 4096, -3,  -7, -16, -128,
        0x7fffffff, 65535, 65536, -65536, 1 << 30, 1000000007, 0x12345678, -10,  15,   -25, 24};
    const unsigned value = number();
    const std::uint32_t count = 1 + random_.below(2);
    for (std::uint32_t i = 0; i < count; ++i) {
        const AluOp op = random_.of(kOps);
        const std::int32_t constant = random_.one_in(12) ? -0x7fffffff - 1 : random_.of(kConstants);
        if (random_.one_in(2)) {
            builder_.alu_imm(op, value, constant);
        } else {
            alu32_imm(op, value, constant);
        }
    }
}

// Stores and loads of several sizes in the same few bytes.
void Generator::overlapping_accesses() {
    const Region target = region();
    constexpr std::uint32_t kWindow = 12;
    const Region window{
        target.base,
        target.offset + static_cast<std::int32_t>(random_.below(target.bytes - kWindow + 1) / 8 * 8),
        kWindow,
        target.allows_atomics,
        target.is_stack,
        target.is_packet};
    const std::uint32_t count = 2 + random_.below(5);
    for (std::uint32_t i = 0; i < count; ++i) {
        const spec::Form form = plain_form();
        access_at(window.base, place(window, spec::form_spec(form).size), form);
    }
}

}  // namespace ebpf::oracle
