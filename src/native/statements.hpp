// SPDX-License-Identifier: MIT
// Operators as C: what isa/semantics.hpp says of each, written down as an expression or a statement.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "isa/instruction.hpp"

namespace ebpf::native {

/// The second operand of an operator: a C expression of type uint64_t, or an immediate.
struct Operand {
    std::string expression;  ///< empty: the immediate
    std::int64_t immediate = 0;
    bool is_same = false;  ///< the same register as the first operand
};

/// Returns the statement for `dst op= operand`; empty if that changes nothing.
std::string alu_statement(const spec::FormSpec& form, std::string_view dst, const Operand& operand);

/// Returns the statement for Negate, ByteOrder and MoveSx; empty if that changes nothing. `src`: MoveSx.
std::string unary_statement(const spec::FormSpec& form, std::string_view dst, std::string_view src);

/// Whether a branch is taken: for certain, never, or if `text` holds.
struct Condition {
    enum class Kind : std::uint8_t { Always, Never, Depends };
    Kind kind = Kind::Depends;
    std::string text;
};
Condition condition_of(const spec::FormSpec& form, std::string_view dst, const Operand& operand);

/// Returns an immediate as C text of a value that converts to the right uint64_t.
std::string unsigned_text(std::int64_t immediate);

}  // namespace ebpf::native
