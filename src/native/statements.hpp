// SPDX-License-Identifier: MIT
// Operators as C: what isa/semantics.hpp says of each, written down as an expression or a statement.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "isa/instruction.hpp"

namespace ebpf::native {

/// An operand of an operator: a C expression for a register's value, or an immediate.
struct Operand {
    std::string expression;  ///< of type uint64_t, or uint32_t if is_narrow; empty: the immediate
    std::int64_t immediate = 0;
    bool is_same = false;                      ///< the same register as the first operand
    bool is_narrow = false;                    ///< the upper half is 0
    [[nodiscard]] std::string wide() const;    ///< as uint64_t. Requires: no immediate
    [[nodiscard]] std::string narrow() const;  ///< the lower half, as uint32_t. Requires: no immediate
};

/// Returns the statement for `dst = left op right`; empty if that changes nothing. `dst` is a variable of
/// type uint64_t, or of uint32_t, if the result fits into that.
std::string alu_statement(const spec::FormSpec& form, std::string_view dst, const Operand& left,
                          const Operand& right);

/// Returns the statement for Negate, ByteOrder and MoveSx of `operand`; empty if that changes nothing. `dst`:
/// as above.
std::string unary_statement(const spec::FormSpec& form, std::string_view dst, const Operand& operand);

/// Whether a branch is taken: for certain, never, or if `text` holds.
struct Condition {
    enum class Kind : std::uint8_t { Always, Never, Depends };
    Kind kind = Kind::Depends;
    std::string text;
};
Condition condition_of(const spec::FormSpec& form, const Operand& left, const Operand& right);

/// Returns an immediate as C text of a value that converts to the right uint64_t.
std::string unsigned_text(std::int64_t immediate);

}  // namespace ebpf::native
