// SPDX-License-Identifier: MIT
// One pass over the lines, each matched against the patterns of all forms, then labels. An error reports what
// the patterns wanted that got furthest into the line.
#include "isa/text/assemble.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "isa/encode.hpp"
#include "isa/text/match.hpp"

namespace ebpf::isa {
namespace {

using text::Match;
using text::Mismatch;
using text::Token;
using text::TokenKind;

constexpr std::string_view kExitLabel = "exit";

struct Label {
    std::size_t slot;
    std::size_t line;
};

struct LabelUse {
    std::size_t instruction;
    std::size_t slot;
    std::size_t line;
    Token name;
};

std::string quoted(const Token& token) {
    if (token.kind == TokenKind::End) return "the end of the line";
    std::string result = "'";
    for (const char c : token.text) result.push_back(c >= ' ' && c <= '~' ? c : '?');
    return result + "'";
}

std::unexpected<Error> fail_at(Status status, std::size_t line, std::size_t column,
                               std::string_view message) {
    return fail(status, fmt::format("line {}, column {}: {}", line, column, message));
}

// A pattern starts with a word, an operator or a register; telling so first makes trying all of them cheap.
bool may_match(const text::Template& pattern, const Token& first, bool is_register) {
    const text::Atom& atom = pattern.atoms.front();
    return atom.hole == text::Hole::Literal ? atom.token == first.text : is_register;
}

std::unexpected<Error> mismatch(std::size_t line, std::span<const Token> tokens) {
    constexpr std::size_t kMostNamed = 8;
    std::size_t furthest = 0;
    std::vector<std::string> wanted;
    for (const text::Template& pattern : text::templates()) {
        const auto result = text::match(pattern, tokens);
        if (result || result.error().token < furthest) continue;
        const Mismatch& found = result.error();
        if (found.token > furthest) wanted.clear();
        furthest = found.token;
        std::string phrase =
            found.is_literal ? fmt::format("'{}'", found.expected) : std::string(found.expected);
        if (std::find(wanted.begin(), wanted.end(), phrase) == wanted.end())
            wanted.push_back(std::move(phrase));
    }
    std::string expected = "an instruction";
    if (furthest > 0) {
        const std::size_t named = std::min(wanted.size(), kMostNamed);
        expected = fmt::format(
            "{}", fmt::join(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(named), " or "));
        if (named < wanted.size()) expected += " or other operators";
    }
    const Token& found = tokens[furthest];
    return fail_at(Status::Malformed, line, found.column,
                   fmt::format("expected {}, found {}", expected, quoted(found)));
}

class Assembler {
  public:
    Result<std::vector<std::byte>> run(std::string_view source) {
        std::size_t line = 0;
        while (!source.empty()) {
            const std::size_t end = source.find('\n');
            EBPF_TRY_VOID(add_line(source.substr(0, end), ++line));
            source.remove_prefix(end == std::string_view::npos ? source.size() : end + 1);
        }
        for (const LabelUse& use : uses_) EBPF_TRY_VOID(resolve(use));
        return encoded();
    }

  private:
    Result<void> add_line(std::string_view line_text, std::size_t line) {
        const std::vector<Token> all = text::tokenize(line_text);
        std::span<const Token> tokens = all;
        while (tokens[0].kind == TokenKind::Word && tokens[1].kind == TokenKind::Operator &&
               tokens[1].text == ":") {
            EBPF_TRY_VOID(define(tokens[0], line));
            tokens = tokens.subspan(2);
        }
        if (tokens[0].kind == TokenKind::End) return {};
        const bool is_register = text::is_register_name(tokens[0].text);
        for (const text::Template& pattern : text::templates()) {
            if (!may_match(pattern, tokens[0], is_register)) continue;
            if (const auto found = text::match(pattern, tokens)) {
                add(*found, tokens, line);
                return {};
            }
        }
        return mismatch(line, tokens);
    }

    Result<void> define(const Token& name, std::size_t line) {
        if (text::is_register_name(name.text)) {
            return fail_at(Status::Malformed, line, name.column,
                           fmt::format("expected a label, found {}", quoted(name)));
        }
        const auto [at, is_new] = labels_.try_emplace(std::string(name.text), Label{slot_, line});
        if (is_new) return {};
        return fail_at(Status::AlreadyExists, line, name.column,
                       fmt::format("label {} is already defined in line {}", quoted(name), at->second.line));
    }

    void add(const Match& found, std::span<const Token> tokens, std::size_t line) {
        const spec::FormSpec& form = found.instruction.spec();
        if (form.family == spec::Family::Exit && !first_exit_) first_exit_ = slot_;
        if (found.label) uses_.push_back({code_.size(), slot_, line, tokens[*found.label]});
        code_.push_back(found.instruction);
        slot_ += form.slots;
    }

    [[nodiscard]] std::optional<std::size_t> find_label(std::string_view name) const {
        const auto found = labels_.find(name);
        if (found != labels_.end()) return found->second.slot;
        return name == kExitLabel ? first_exit_ : std::nullopt;
    }

    Result<void> resolve(const LabelUse& use) {
        const auto slot = find_label(use.name.text);
        if (!slot) {
            // "call name" may have been meant as either.
            const bool is_call = code_[use.instruction].spec().is_call;
            return fail_at(Status::UnresolvedSymbol, use.line, use.name.column,
                           fmt::format("no label {}{}", is_call ? "or helper " : "", quoted(use.name)));
        }
        Instruction& instruction = code_[use.instruction];
        const auto distance = static_cast<std::int64_t>(*slot) - static_cast<std::int64_t>(use.slot) - 1;
        const bool is_address = instruction.spec().family == spec::Family::LoadImm64;
        const bool in_imm = is_address || instruction.spec().imm == spec::FieldRule::JumpTarget;
        const bool fits =
            in_imm ? std::in_range<std::int32_t>(distance) : std::in_range<std::int16_t>(distance);
        if (!fits) {
            return fail_at(Status::FieldOutOfRange, use.line, use.name.column,
                           fmt::format("label {} is {} slots away, out of the jump's reach", quoted(use.name),
                                       distance));
        }
        if (is_address) {
            instruction.imm = static_cast<std::uint32_t>(distance);
        } else if (in_imm) {
            instruction.imm = distance;
        } else {
            instruction.offset = static_cast<std::int16_t>(distance);
        }
        return {};
    }

    [[nodiscard]] std::vector<std::byte> encoded() const {
        std::vector<std::byte> bytes(slot_ * spec::kSlotBytes);
        std::size_t next = 0;
        for (const Instruction& instruction : code_) {
            const Encoding encoding = encode(instruction);
            const std::size_t size = encoding.count * spec::kSlotBytes;
            std::memcpy(bytes.data() + next, encoding.slots.data(), size);
            next += size;
        }
        return bytes;
    }

    std::vector<Instruction> code_;
    std::size_t slot_ = 0;
    std::map<std::string, Label, std::less<>> labels_;
    std::vector<LabelUse> uses_;
    std::optional<std::size_t> first_exit_;
};

}  // namespace

Result<std::vector<std::byte>> assemble(std::string_view text) {
    return Assembler().run(text);
}

}  // namespace ebpf::isa
