// SPDX-License-Identifier: MIT
#include "isa/text/match.hpp"

#include <cstdint>
#include <limits>

#include "spec/helpers.hpp"

namespace ebpf::isa::text {
namespace {

constexpr std::string_view kEndOfLine = "the end of the line";
constexpr std::string_view kRegister = "a register r0 to r10";
constexpr std::string_view kLowRegister = "a register w0 to w10";
constexpr std::string_view kSameRegister = "the same register again";
constexpr std::string_view kNumber32 = "a number of 32 bits";
constexpr std::string_view kNumber64 = "a number of 64 bits";
constexpr std::string_view kUnsigned32 = "a number from 0 to 4294967295";
constexpr std::string_view kOffset = "an offset from -32768 to 32767";
constexpr std::string_view kTarget = "a label or a signed distance";
constexpr std::string_view kShortDistance = "a distance from -32768 to 32767";
constexpr std::string_view kHelper = "the name or number of a helper";
constexpr std::string_view kHelperNumber = "the number of that helper";

constexpr std::uint64_t kSignBit32 = std::uint64_t{1} << 31U;
constexpr std::uint64_t kSignBit64 = std::uint64_t{1} << 63U;

std::optional<std::uint8_t> register_number(std::string_view word, char prefix) {
    if (word.starts_with('%')) word.remove_prefix(1);
    if (!word.starts_with(prefix)) return std::nullopt;
    word.remove_prefix(1);
    if (word == "10") return std::uint8_t{10};
    if (word.size() != 1 || word[0] < '0' || word[0] > '9') return std::nullopt;
    return static_cast<std::uint8_t>(word[0] - '0');
}

const spec::HelperSpec* find_helper_by_name(std::string_view name) {
    if (name.starts_with("bpf_")) name.remove_prefix(4);
    for (const spec::HelperSpec& helper : spec::helpers()) {
        if (name == helper.name) return &helper;
    }
    return nullptr;
}

struct Signed {
    bool is_negative = false;
    bool is_hex = false;
    std::uint64_t magnitude = 0;

    [[nodiscard]] std::int64_t value() const {
        return static_cast<std::int64_t>(is_negative ? std::uint64_t{0} - magnitude : magnitude);
    }
};

class Matcher {
  public:
    Matcher(const Template& pattern, std::span<const Token> tokens) : pattern_(pattern), tokens_(tokens) {
        match_.instruction.form = pattern.form;
    }

    std::expected<Match, Mismatch> run() {
        for (const Atom& atom : pattern_.atoms) {
            const std::string_view wanted =
                atom.hole == Hole::Literal ? literal(atom.token) : fill(atom.hole);
            if (!wanted.empty()) return std::unexpected(Mismatch{next_, wanted, atom.hole == Hole::Literal});
        }
        if (token().kind != TokenKind::End) return std::unexpected(Mismatch{next_, kEndOfLine, false});
        fill_selector();
        return match_;
    }

  private:
    // Each step returns what it wanted and did not get, or nothing; `next_` is then the offending token.
    [[nodiscard]] const Token& token(std::size_t ahead = 0) const {
        const std::size_t index = next_ + ahead;
        return index < tokens_.size() ? tokens_[index] : tokens_.back();
    }
    [[nodiscard]] bool is_operator(std::string_view text, std::size_t ahead = 0) const {
        return token(ahead).kind == TokenKind::Operator && token(ahead).text == text;
    }
    [[nodiscard]] bool is_sign(std::size_t ahead = 0) const {
        return is_operator("+", ahead) || is_operator("-", ahead);
    }

    std::string_view literal(std::string_view text) {
        if (token().kind == TokenKind::End || token().text != text) return text;
        ++next_;
        return {};
    }

    std::string_view fill(Hole hole) {
        Instruction& instruction = match_.instruction;
        switch (hole) {
            case Hole::Literal:
                break;
            case Hole::Dst:
                return register_field('r', instruction.dst, has_dst_);
            case Hole::DstLow:
                return register_field('w', instruction.dst, has_dst_);
            case Hole::Src:
                return register_field('r', instruction.src, has_src_);
            case Hole::SrcLow:
                return register_field('w', instruction.src, has_src_);
            case Hole::Imm:
            case Hole::ImmHex:
                return immediate();
            case Hole::Imm64:
                return wide_immediate();
            case Hole::LowHalf:
                return half(0);
            case Hole::HighHalf:
                return half(32);
            case Hole::LowSigned:
                return low_signed();
            case Hole::BtfObject:
                return btf_object();
            case Hole::Offset:
                return is_sign() ? offset(kOffset) : std::string_view{};
            case Hole::JumpOffset:
                return target(false);
            case Hole::JumpImm:
                return target(true);
            case Hole::Helper:
                return helper();
            case Hole::KfuncObject:
                return kfunc_object();
        }
        return {};
    }

    std::string_view register_field(char prefix, std::uint8_t& field, bool& is_set) {
        const auto number =
            token().kind == TokenKind::Word ? register_number(token().text, prefix) : std::nullopt;
        if (!number) return prefix == 'r' ? kRegister : kLowRegister;
        if (is_set && field != *number) return kSameRegister;
        field = *number;
        is_set = true;
        ++next_;
        return {};
    }

    // Reads an optional sign and a number; leaves `next_` at the number if it fails.
    std::optional<Signed> number() {
        Signed result;
        if (is_sign() && token(1).kind == TokenKind::Number) {
            result.is_negative = is_operator("-");
            ++next_;
        }
        if (token().kind != TokenKind::Number) return std::nullopt;
        result.is_hex = token().is_hex;
        result.magnitude = token().value;
        return result;
    }

    std::optional<std::int64_t> number_in(std::int64_t least, std::int64_t most) {
        const auto read = number();
        if (!read || read->magnitude > kSignBit32) return std::nullopt;
        if (read->value() < least || read->value() > most) return std::nullopt;
        ++next_;
        return read->value();
    }

    std::string_view immediate() {
        const auto read = number();
        if (!read) return kNumber32;
        // Hexadecimal may name all 32 bits; decimal is a value.
        const std::uint64_t most = read->is_negative ? kSignBit32
                                   : read->is_hex    ? std::numeric_limits<std::uint32_t>::max()
                                                     : kSignBit32 - 1;
        if (read->magnitude > most) return kNumber32;
        match_.instruction.imm = static_cast<std::int32_t>(static_cast<std::uint32_t>(read->value()));
        ++next_;
        return {};
    }

    std::string_view wide_immediate() {
        const auto read = number();
        if (!read || (read->is_negative && read->magnitude > kSignBit64)) return kNumber64;
        match_.instruction.imm = read->value();
        ++next_;
        return {};
    }

    void set_half(std::uint32_t value, unsigned shift) {
        const std::uint64_t bits = std::uint64_t{value} << shift;
        match_.instruction.imm =
            static_cast<std::int64_t>(static_cast<std::uint64_t>(match_.instruction.imm) | bits);
    }

    std::string_view half(unsigned shift) {
        if (token().kind != TokenKind::Number || token().value > std::numeric_limits<std::uint32_t>::max()) {
            return kUnsigned32;
        }
        set_half(static_cast<std::uint32_t>(token().value), shift);
        ++next_;
        return {};
    }

    std::string_view low_signed() {
        if (token().kind == TokenKind::Word && !is_register_name(token().text)) {
            match_.label = next_++;
            return {};
        }
        const auto value =
            number_in(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max());
        if (!value) return kNumber32;
        set_half(static_cast<std::uint32_t>(*value), 0);
        return {};
    }

    std::string_view offset(std::string_view wanted) {
        const auto value =
            number_in(std::numeric_limits<std::int16_t>::min(), std::numeric_limits<std::int16_t>::max());
        if (!value) return wanted;
        match_.instruction.offset = static_cast<std::int16_t>(*value);
        return {};
    }

    std::string_view target(bool in_imm) {
        if (token().kind == TokenKind::Word && token().text == "pc" && is_sign(1)) ++next_;
        if (is_sign()) return in_imm ? immediate() : offset(kShortDistance);
        if (token().kind != TokenKind::Word || is_register_name(token().text)) return kTarget;
        match_.label = next_++;
        return {};
    }

    std::string_view helper() {
        if (is_sign()) return kHelper;  // a distance, that is: a local call
        if (token().kind != TokenKind::Word) return immediate().empty() ? std::string_view{} : kHelper;
        if (is_register_name(token().text)) return kHelper;
        const std::string_view name = token().text;
        const spec::HelperSpec* named = find_helper_by_name(name);
        if (!is_operator("#", 1)) {
            if (named == nullptr) return kHelper;
            match_.instruction.imm = named->id;
            ++next_;
            return {};
        }
        next_ += 2;
        const std::size_t at_number = next_;
        const std::string_view wanted = immediate();
        if (!wanted.empty()) return wanted;
        const std::int64_t id = match_.instruction.imm;
        const bool contradicts =
            named != nullptr ? named->id != id
                             : id >= 0 && spec::find_helper(static_cast<std::uint32_t>(id)) != nullptr;
        if (contradicts) {
            next_ = at_number;
            return kHelperNumber;
        }
        return {};
    }

    std::string_view btf_object() {
        if (!is_operator("[")) return {};
        for (const std::string_view text : {"[", "btf", ":"}) {
            if (const auto wanted = literal(text); !wanted.empty()) return wanted;
        }
        if (const auto wanted = half(32); !wanted.empty()) return wanted;
        return literal("]");
    }

    std::string_view kfunc_object() {
        if (token().kind != TokenKind::Word || token().text != "btf") return {};
        ++next_;
        if (const auto wanted = literal("["); !wanted.empty()) return wanted;
        if (const auto wanted = offset(kOffset); !wanted.empty()) return wanted;
        return literal("]");
    }

    // The field that selects the form is not written in the text; decode would fill it in.
    void fill_selector() {
        const spec::FormSpec& form = match_.instruction.spec();
        Instruction& instruction = match_.instruction;
        if (form.src == spec::FieldRule::Fixed) instruction.src = static_cast<std::uint8_t>(form.selector);
        if (form.offset == spec::FieldRule::Fixed)
            instruction.offset = static_cast<std::int16_t>(form.selector);
        if (form.imm == spec::FieldRule::Fixed) instruction.imm = form.selector;
    }

    const Template& pattern_;
    std::span<const Token> tokens_;
    std::size_t next_ = 0;
    bool has_dst_ = false;
    bool has_src_ = false;
    Match match_;
};

}  // namespace

bool is_register_name(std::string_view word) {
    return register_number(word, 'r').has_value() || register_number(word, 'w').has_value();
}

std::expected<Match, Mismatch> match(const Template& pattern, std::span<const Token> tokens) {
    return Matcher(pattern, tokens).run();
}

}  // namespace ebpf::isa::text
