// SPDX-License-Identifier: MIT
// Matches the tokens of a line against one pattern.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "isa/instruction.hpp"
#include "isa/text/lexer.hpp"
#include "isa/text/templates.hpp"

namespace ebpf::isa::text {

/// A line that fits a pattern.
struct Match {
    Instruction instruction;           ///< jump distance 0 where `label` is set
    std::optional<std::size_t> label;  ///< index of the token that names the target
};

/// Why a line does not fit a pattern.
struct Mismatch {
    std::size_t token = 0;      ///< index of the first token that does not fit
    std::string_view expected;  ///< what would fit: a literal of the pattern or a phrase
    bool is_literal = false;
};

/// Matches `tokens` (the last is End) against `pattern`. Lifetime: the result refers to `pattern`.
std::expected<Match, Mismatch> match(const Template& pattern, std::span<const Token> tokens);

/// Returns whether `word` is a register's name: r0 to r10 or w0 to w10, with or without '%'.
bool is_register_name(std::string_view word);

}  // namespace ebpf::isa::text
