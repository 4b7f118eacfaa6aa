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
    return operand.expression.empty() ? immediate_text(width, operand.immediate) : operand.expression;
}

std::string low_text(Width width, std::string_view expression) {
    return width == Width::W64 ? std::string(expression) : fmt::format("(uint32_t){}", expression);
}

std::string shift_text(Width width, const Operand& operand) {
    const unsigned mask = bits_of(width) - 1;
    if (operand.expression.empty())
        return fmt::format("{}", static_cast<std::uint64_t>(operand.immediate) & mask);
    return fmt::format("({} & {})", operand.expression, mask);
}

/// `dst symbol= operand`, computed in the width: C compilers combine and vectorise narrow operators better
/// than wide ones whose result is cut.
std::string assignment(Width width, std::string_view dst, std::string_view symbol, std::string_view operand) {
    if (width == Width::W64) return fmt::format("{} {}= {};", dst, symbol, operand);
    return fmt::format("{0} = (uint32_t){0} {1} {2};", dst, symbol, operand);
}

/// The operand of an operator of this width.
std::string operand_text(Width width, const Operand& operand) {
    return operand.expression.empty() ? immediate_text(width, operand.immediate)
                                      : low_text(width, operand.expression);
}

/// Drops what `dst` holds above the width.
std::string truncation(Width width, std::string_view dst) {
    return width == Width::W64 ? std::string() : fmt::format("{0} = (uint32_t){0};", dst);
}

std::string sum_statement(Width width, AluOp op, std::string_view dst, const Operand& operand) {
    const bool is_add = op == AluOp::Add;
    if (!operand.expression.empty())
        return assignment(width, dst, is_add ? "+" : "-", low_text(width, operand.expression));
    const bool is_plus = is_add == (operand.immediate >= 0);
    const std::int64_t magnitude = operand.immediate < 0 ? -operand.immediate : operand.immediate;
    // 2^31 alone would be a number of 64 bits.
    const char* const suffix = magnitude > std::numeric_limits<std::int32_t>::max() ? "U" : "";
    return assignment(width, dst, is_plus ? "+" : "-", fmt::format("{}{}", magnitude, suffix));
}

std::string divide_statement(Width width, AluOp op, std::string_view dst, const Operand& operand) {
    const bool is_modulo = op == AluOp::Mod || op == AluOp::SMod;
    const bool is_signed = op == AluOp::SDiv || op == AluOp::SMod;
    const std::string divisor = text_of(width, operand);
    if (operand.expression.empty() && operand.immediate == 0)
        return is_modulo ? truncation(width, dst) : fmt::format("{} = 0;", dst);
    if (operand.expression.empty() && !is_signed) {
        if (width == Width::W64) return fmt::format("{} {}= {};", dst, is_modulo ? "%" : "/", divisor);
        return fmt::format("{0} = (uint32_t){0} {1} {2};", dst, is_modulo ? "%" : "/", divisor);
    }
    const bool is_cut = width == Width::W32 && !operand.expression.empty();
    return fmt::format("{0} = ebpf_{1}{2}{3}({4}, {5});", dst, is_signed ? "s" : "",
                       is_modulo ? "mod" : "div", bits_of(width), low_text(width, dst),
                       is_cut ? low_text(width, divisor) : divisor);
}

std::string move_statement(Width width, std::string_view dst, const Operand& operand) {
    if (operand.is_same) return truncation(width, dst);
    if (operand.expression.empty())
        return fmt::format("{} = {};", dst, immediate_text(width, operand.immediate));
    return fmt::format("{} = {};", dst, low_text(width, operand.expression));
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

/// Whether `a op immediate` comes to the same for every a. Compilers warn of comparisons that do.
Condition::Kind kind_of(const spec::FormSpec& form, std::int64_t immediate) {
    const auto b = static_cast<std::uint64_t>(immediate);
    const auto holds = [&](std::uint64_t a) { return isa::eval_jump(form.jump, form.width, a, b); };
    if (form.jump == JumpOp::Set) return immediate == 0 ? Condition::Kind::Never : Condition::Kind::Depends;
    if (form.jump == JumpOp::Eq || form.jump == JumpOp::Ne) return Condition::Kind::Depends;
    // An order holds for all values if it holds for the least and for the greatest.
    const unsigned bits = bits_of(form.width);
    const std::uint64_t all = ~std::uint64_t{0} >> (64U - bits);
    const std::uint64_t sign = std::uint64_t{1} << (bits - 1U);
    const std::uint64_t least = is_signed(form.jump) ? sign : 0;
    const std::uint64_t greatest = is_signed(form.jump) ? all ^ sign : all;
    if (holds(least) != holds(greatest)) return Condition::Kind::Depends;
    return holds(least) ? Condition::Kind::Always : Condition::Kind::Never;
}

}  // namespace

std::string unsigned_text(std::int64_t immediate) {
    return immediate_text(Width::W64, immediate);
}

std::string alu_statement(const spec::FormSpec& form, std::string_view dst, const Operand& operand) {
    const Width width = form.width;
    switch (form.alu) {
        case AluOp::Add:
        case AluOp::Sub:
            return sum_statement(width, form.alu, dst, operand);
        case AluOp::Mul:
            return assignment(width, dst, "*", operand_text(width, operand));
        case AluOp::Div:
        case AluOp::SDiv:
        case AluOp::Mod:
        case AluOp::SMod:
            return divide_statement(width, form.alu, dst, operand);
        case AluOp::Or:
        case AluOp::And:
            if (operand.is_same) return truncation(width, dst);
            [[fallthrough]];
        case AluOp::Xor:
            return assignment(width, dst, bitwise_symbol(form.alu), operand_text(width, operand));
        case AluOp::Lsh:
            return assignment(width, dst, "<<", shift_text(width, operand));
        case AluOp::Rsh:
            return assignment(width, dst, ">>", shift_text(width, operand));
        case AluOp::Mov:
            return move_statement(width, dst, operand);
        case AluOp::Arsh:
            return fmt::format("{0} = (uint{1}_t)((int{1}_t){0} >> {2});", dst, bits_of(width),
                               shift_text(width, operand));
    }
    return {};
}

std::string unary_statement(const spec::FormSpec& form, std::string_view dst, std::string_view src) {
    if (form.family == spec::Family::Negate)
        return fmt::format("{} = {};", dst, low_text(form.width, fmt::format("-{}", dst)));
    const unsigned bits = form.size * 8U;
    if (form.family == spec::Family::MoveSx)
        return fmt::format("{} = (uint{}_t)(int{}_t){};", dst, bits_of(form.width), bits, src);
    if (form.byte_order == spec::ByteOrderOp::ToLittle)
        return bits == 64 ? std::string() : fmt::format("{0} = (uint{1}_t){0};", dst, bits);
    return bits == 64 ? fmt::format("{0} = __builtin_bswap64({0});", dst)
                      : fmt::format("{0} = __builtin_bswap{1}((uint{1}_t){0});", dst, bits);
}

Condition condition_of(const spec::FormSpec& form, std::string_view dst, const Operand& operand) {
    using Kind = Condition::Kind;
    const std::string_view symbol = jump_symbol(form.jump);
    if (operand.is_same && form.jump != JumpOp::Set)
        return {isa::eval_jump(form.jump, form.width, 0, 0) ? Kind::Always : Kind::Never, {}};
    if (operand.expression.empty()) {
        if (const Kind kind = kind_of(form, operand.immediate); kind != Kind::Depends) return {kind, {}};
    }
    if (form.jump == JumpOp::Set) {
        if (operand.is_same) return {Kind::Depends, fmt::format("{} != 0", low_text(form.width, dst))};
        return {Kind::Depends,
                fmt::format("({} & {}) != 0", low_text(form.width, dst), text_of(form.width, operand))};
    }
    if (!is_signed(form.jump)) {
        const std::string right = operand.expression.empty() ? immediate_text(form.width, operand.immediate)
                                                             : low_text(form.width, operand.expression);
        return {Kind::Depends, fmt::format("{} {} {}", low_text(form.width, dst), symbol, right)};
    }
    const std::string right = operand.expression.empty()
                                  ? fmt::format("{}", operand.immediate)
                                  : fmt::format("(int{}_t){}", bits_of(form.width), operand.expression);
    return {Kind::Depends, fmt::format("(int{}_t){} {} {}", bits_of(form.width), dst, symbol, right)};
}

}  // namespace ebpf::native
