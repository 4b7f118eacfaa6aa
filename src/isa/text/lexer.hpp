// SPDX-License-Identifier: MIT
// Splits a line of assembly into tokens; the same for both dialects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ebpf::isa::text {

enum class TokenKind : std::uint8_t {
    Word,       ///< mnemonic, register (also "%r1"), label
    Number,     ///< unsigned, decimal or 0x; `value` holds it
    Malformed,  ///< starts like a number but is none, or exceeds 64 bits
    Operator,   ///< punctuation, longest first ("s>>=" is the word "s" and the operator ">>=")
    End,        ///< end of line or start of a comment
};

struct Token {
    TokenKind kind = TokenKind::End;
    std::string_view text;
    std::size_t column = 1;  ///< counted from 1
    std::uint64_t value = 0;
    bool is_hex = false;
};

/// Splits `line` into tokens; the last one is End. Comments run from '#' (except in "name#1"), ';' or "//" to
/// the end of the line. Lifetime: the tokens refer to `line`.
std::vector<Token> tokenize(std::string_view line);

}  // namespace ebpf::isa::text
