// SPDX-License-Identifier: MIT
#include "native/statements.hpp"

#include <fmt/format.h>

#include <limits>

#include "isa/semantics.hpp"

namespace ebpf::native {
namespace {

using spec::AluOp;
using spec::JumpOp;
using spec::Source;
using spec::Width;

unsigned bits_of(Width width) {
    return width == Width::W64 ? 64 : 32;
}

/// An immediate as a value of `width` bits.
std::string immediate_text(Width width, std::int64_t immediate) {
    if (immediate >= 0) return fmt::format("{}", immediate);
    return fmt::format("(uint{}_t){}", bits_of(width), immediate);
}

std::string text_of(Width width, const Operand& operand) {
    if (operand.expression.empty()) return immediate_text(width, operand.immediate);
    return width == Width::W64 ? operand.wide() : operand.narrow();
}

std::string shift_text(Width width, const Operand& operand) {
    const unsigned mask = bits_of(width) - 1;
    if (operand.expression.empty())
        return fmt::format("{}", static_cast<std::uint64_t>(operand.immediate) & mask);
    return fmt::format("({} & {})", operand.expression, mask);
}

/// `dst = left symbol right`, computed in the width: C compilers combine and vectorise narrow operators
/// better than wide ones whose result is cut.
std::string assignment(Width width, std::string_view dst, const Operand& left, std::string_view symbol,
                       std::string_view right) {
    const std::string first = text_of(width, left);
    if (first == dst) return fmt::format("{} {}= {};", dst, symbol, right);
    return fmt::format("{} = {} {} {};", dst, first, symbol, right);
}

std::string copy(std::string_view dst, std::string_view expression) {
    return dst == expression ? std::string() : fmt::format("{} = {};", dst, expression);
}

/// What is left of a value in the width.
std::string truncation(Width width, std::string_view dst, const Operand& operand) {
    return copy(dst, width == Width::W64 ? operand.expression : operand.narrow());
}

std::string sum_statement(Width width, AluOp op, std::string_view dst, const Operand& left,
                          const Operand& right) {
    const bool is_add = op == AluOp::Add;
    if (!right.expression.empty())
        return assignment(width, dst, left, is_add ? "+" : "-", text_of(width, right));
    const bool is_plus = is_add == (right.immediate >= 0);
    const std::int64_t magnitude = right.immediate < 0 ? -right.immediate : right.immediate;
    // 2^31 alone would be a number of 64 bits.
    const char* const suffix = magnitude > std::numeric_limits<std::int32_t>::max() ? "U" : "";
    return assignment(width, dst, left, is_plus ? "+" : "-", fmt::format("{}{}", magnitude, suffix));
}

std::string divide_statement(Width width, AluOp op, std::string_view dst, const Operand& left,
                             const Operand& right) {
    const bool is_modulo = op == AluOp::Mod || op == AluOp::SMod;
    const bool is_signed = op == AluOp::SDiv || op == AluOp::SMod;
    const bool is_immediate = right.expression.empty();
    if (is_immediate && right.immediate == 0)
        return is_modulo ? truncation(width, dst, left) : fmt::format("{} = 0;", dst);
    const std::string divisor = text_of(width, right);
    if (is_immediate && !is_signed) return assignment(width, dst, left, is_modulo ? "%" : "/", divisor);
    return fmt::format("{} = ebpf_{}{}{}({}, {});", dst, is_signed ? "s" : "", is_modulo ? "mod" : "div",
                       bits_of(width), text_of(width, left), divisor);
}

std::string move_statement(Width width, std::string_view dst, const Operand& right) {
    if (!right.expression.empty()) return truncation(width, dst, right);
    return fmt::format("{} = {};", dst, immediate_text(width, right.immediate));
}

const char* bitwise_symbol(AluOp op) {
    if (op == AluOp::And) return "&";
    return op == AluOp::Or ? "|" : "^";
}

const char* jump_symbol(JumpOp op) {
    switch (op) {
        case JumpOp::Eq:
            return "==";
        case JumpOp::Ne:
            return "!=";
        case JumpOp::Gt:
        case JumpOp::SGt:
            return ">";
        case JumpOp::Ge:
        case JumpOp::SGe:
            return ">=";
        case JumpOp::Lt:
        case JumpOp::SLt:
            return "<";
        case JumpOp::Le:
        case JumpOp::SLe:
            return "<=";
        case JumpOp::Set:
            return "&";
    }
    return "";
}

bool is_signed(JumpOp op) {
    return op == JumpOp::SGt || op == JumpOp::SGe || op == JumpOp::SLt || op == JumpOp::SLe;
}

JumpOp unsigned_of(JumpOp op) {
    switch (op) {
        case JumpOp::SGt:
            return JumpOp::Gt;
        case JumpOp::SGe:
            return JumpOp::Ge;
        case JumpOp::SLt:
            return JumpOp::Lt;
        case JumpOp::SLe:
            return JumpOp::Le;
        case JumpOp::Eq:
        case JumpOp::Gt:
        case JumpOp::Ge:
        case JumpOp::Set:
        case JumpOp::Ne:
        case JumpOp::Lt:
        case JumpOp::Le:
            break;
    }
    return op;
}

/// Whether `left op immediate` comes to the same whatever `left` is. Compilers warn of comparisons that do.
Condition::Kind kind_of(const spec::FormSpec& form, const Operand& left, std::int64_t immediate) {
    const auto b = static_cast<std::uint64_t>(immediate);
    const auto holds = [&](std::uint64_t a) { return isa::eval_jump(form.jump, form.width, a, b); };
    // Of 64 bits, with an upper half that is 0.
    const bool is_short = left.is_narrow && form.width == Width::W64;
    if (form.jump == JumpOp::Set) return immediate == 0 ? Condition::Kind::Never : Condition::Kind::Depends;
    if (form.jump == JumpOp::Eq || form.jump == JumpOp::Ne) {
        if (!is_short || immediate >= 0) return Condition::Kind::Depends;
        return form.jump == JumpOp::Ne ? Condition::Kind::Always : Condition::Kind::Never;
    }
    // An order holds for all values if it holds for the least and for the greatest.
    const unsigned bits = is_short ? 32 : bits_of(form.width);
    const std::uint64_t all = ~std::uint64_t{0} >> (64U - bits);
    const std::uint64_t sign = std::uint64_t{1} << (bits - 1U);
    const bool has_sign = is_signed(form.jump) && !is_short;
    const std::uint64_t least = has_sign ? sign : 0;
    const std::uint64_t greatest = has_sign ? all ^ sign : all;
    if (holds(least) != holds(greatest)) return Condition::Kind::Depends;
    return holds(least) ? Condition::Kind::Always : Condition::Kind::Never;
}

/// `left op right` as C. Requires: it depends on what they are.
std::string comparison(const spec::FormSpec& form, const Operand& left, const Operand& right) {
    const Width width = form.width;
    if (form.jump == JumpOp::Set) {
        if (right.is_same) return fmt::format("{} != 0", text_of(width, left));
        return fmt::format("({} & {}) != 0", text_of(width, left), text_of(width, right));
    }
    const std::string_view symbol = jump_symbol(form.jump);
    if (!is_signed(form.jump))
        return fmt::format("{} {} {}", text_of(width, left), symbol, text_of(width, right));
    const std::string second = right.expression.empty()
                                   ? fmt::format("{}", right.immediate)
                                   : fmt::format("(int{}_t){}", bits_of(width), right.expression);
    return fmt::format("(int{}_t){} {} {}", bits_of(width), left.expression, symbol, second);
}

}  // namespace

std::string Operand::wide() const {
    return is_narrow ? fmt::format("(uint64_t){}", expression) : expression;
}

std::string Operand::narrow() const {
    return is_narrow ? expression : fmt::format("(uint32_t){}", expression);
}

std::string unsigned_text(std::int64_t immediate) {
    return immediate_text(Width::W64, immediate);
}

std::string alu_statement(const spec::FormSpec& form, std::string_view dst, const Operand& left,
                          const Operand& right) {
    const Width width = form.width;
    switch (form.alu) {
        case AluOp::Add:
        case AluOp::Sub:
            return sum_statement(width, form.alu, dst, left, right);
        case AluOp::Mul:
            return assignment(width, dst, left, "*", text_of(width, right));
        case AluOp::Div:
        case AluOp::SDiv:
        case AluOp::Mod:
        case AluOp::SMod:
            return divide_statement(width, form.alu, dst, left, right);
        case AluOp::Or:
        case AluOp::And:
            if (right.is_same) return truncation(width, dst, left);
            [[fallthrough]];
        case AluOp::Xor:
            return assignment(width, dst, left, bitwise_symbol(form.alu), text_of(width, right));
        case AluOp::Lsh:
            return assignment(width, dst, left, "<<", shift_text(width, right));
        case AluOp::Rsh:
            return assignment(width, dst, left, ">>", shift_text(width, right));
        case AluOp::Mov:
            return move_statement(width, dst, right);
        case AluOp::Arsh:
            return fmt::format("{0} = (uint{1}_t)((int{1}_t){2} >> {3});", dst, bits_of(width),
                               left.expression, shift_text(width, right));
    }
    return {};
}

std::string unary_statement(const spec::FormSpec& form, std::string_view dst, const Operand& operand) {
    if (form.family == spec::Family::Negate)
        return fmt::format("{} = -{};", dst, text_of(form.width, operand));
    const unsigned bits = form.size * 8U;
    if (form.family == spec::Family::MoveSx)
        return fmt::format("{} = (uint{}_t)(int{}_t){};", dst, bits_of(form.width), bits, operand.expression);
    if (form.byte_order == spec::ByteOrderOp::ToLittle)
        return bits == 64 ? copy(dst, operand.expression)
                          : fmt::format("{} = (uint{}_t){};", dst, bits, operand.expression);
    return bits == 64
               ? fmt::format("{} = __builtin_bswap64({});", dst, operand.expression)
               : fmt::format("{0} = __builtin_bswap{1}((uint{1}_t){2});", dst, bits, operand.expression);
}

Condition condition_of(const spec::FormSpec& form, const Operand& left, const Operand& right) {
    using Kind = Condition::Kind;
    if (right.is_same && form.jump != JumpOp::Set)
        return {isa::eval_jump(form.jump, form.width, 0, 0) ? Kind::Always : Kind::Never, {}};
    const bool is_immediate = right.expression.empty();
    if (is_immediate) {
        if (const Kind kind = kind_of(form, left, right.immediate); kind != Kind::Depends) return {kind, {}};
    }
    // Numbers of 32 bits compare as such: what is left of immediates is not below 0.
    const bool is_short = form.width == Width::W64 && left.is_narrow && form.jump != JumpOp::Set &&
                          (is_immediate || right.is_narrow);
    if (!is_short) return {Kind::Depends, comparison(form, left, right)};
    spec::FormSpec narrow = form;
    narrow.width = Width::W32;
    narrow.jump = unsigned_of(form.jump);
    return {Kind::Depends, comparison(narrow, left, right)};
}

}  // namespace ebpf::native
