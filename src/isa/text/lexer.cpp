// SPDX-License-Identifier: MIT
#include "isa/text/lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace ebpf::isa::text {
namespace {

constexpr std::array<std::string_view, 14> kLongOperators = {
    ">>=", "<<=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "==", "!=", ">=", "<="};

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr bool is_word_part(char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '$';
}

class Lexer {
  public:
    explicit Lexer(std::string_view line) : line_(line) {}

    std::vector<Token> run() {
        std::vector<Token> tokens;
        for (;;) {
            while (at(next_) == ' ' || at(next_) == '\t' || at(next_) == '\r') ++next_;
            if (next_ >= line_.size() || starts_comment(tokens)) {
                tokens.push_back({TokenKind::End, {}, next_ + 1, 0, false});
                return tokens;
            }
            tokens.push_back(take());
        }
    }

  private:
    [[nodiscard]] char at(std::size_t index) const { return index < line_.size() ? line_[index] : '\0'; }

    [[nodiscard]] bool starts_comment(const std::vector<Token>& before) const {
        if (at(next_) == ';') return true;
        if (at(next_) == '/' && at(next_ + 1) == '/') return true;
        if (at(next_) != '#') return false;
        // "bpf_map_lookup_elem#1": glued to a word and followed by a number.
        const bool glued = !before.empty() && before.back().kind == TokenKind::Word &&
                           before.back().column - 1 + before.back().text.size() == next_;
        const bool numbered = is_digit(at(next_ + 1)) || (at(next_ + 1) == '-' && is_digit(at(next_ + 2)));
        return !(glued && numbered);
    }

    Token take() {
        const char first = at(next_);
        const bool is_register = first == '%' && is_letter(at(next_ + 1)) && is_digit(at(next_ + 2));
        if (is_letter(first) || first == '.' || is_register) return take_run(TokenKind::Word);
        if (is_digit(first)) return number(take_run(TokenKind::Number));
        for (const std::string_view candidate : kLongOperators) {
            if (line_.substr(next_).starts_with(candidate))
                return take_size(TokenKind::Operator, candidate.size());
        }
        return take_size(TokenKind::Operator, 1);
    }

    Token take_run(TokenKind kind) {
        std::size_t size = 1;
        while (is_word_part(at(next_ + size))) ++size;
        return take_size(kind, size);
    }

    Token take_size(TokenKind kind, std::size_t size) {
        const Token token{kind, line_.substr(next_, size), next_ + 1, 0, false};
        next_ += size;
        return token;
    }

    static Token number(Token token) {
        std::string_view digits = token.text;
        token.is_hex = digits.starts_with("0x") || digits.starts_with("0X");
        if (token.is_hex) digits.remove_prefix(2);
        const char* const begin = digits.data();
        const char* const end = begin + digits.size();
        const auto result = std::from_chars(begin, end, token.value, token.is_hex ? 16 : 10);
        if (result.ec != std::errc{} || result.ptr != end) token.kind = TokenKind::Malformed;
        return token;
    }

    std::string_view line_;
    std::size_t next_ = 0;
};

}  // namespace

std::vector<Token> tokenize(std::string_view line) {
    return Lexer(line).run();
}

}  // namespace ebpf::isa::text
