// SPDX-License-Identifier: MIT
// trace_printk: Linux's format language without the conversions that read memory (%s) or show addresses (%p).
#include <array>
#include <optional>

#include "helpers/helpers.hpp"
#include "helpers/implementation.hpp"
#include "helpers/text.hpp"

namespace ebpf::helpers {
namespace {

constexpr std::size_t kMaxArguments = 3;

/// One conversion: %[flags][width][l|ll]letter.
struct Conversion {
    NumberFormat number;
    bool is_64_bit = false;
    char letter = '\0';
};

/// Reads a conversion behind its '%'. The format's end looks like a NUL.
class FormatReader {
  public:
    FormatReader(const char* text, std::size_t bytes) noexcept : text_(text), bytes_(bytes) {}

    [[nodiscard]] char peek() const noexcept { return position_ < bytes_ ? text_[position_] : '\0'; }
    char next() noexcept { return position_ < bytes_ ? text_[position_++] : '\0'; }

    /// Nothing if the conversion is not supported.
    std::optional<Conversion> conversion() noexcept {
        Conversion result;
        read_flags(result.number);
        if (!read_width(result.number)) return std::nullopt;
        result.letter = next();
        if (result.letter == 'c') return result;
        if (result.letter == 'l') {
            result.is_64_bit = true;
            result.letter = next();
            if (result.letter == 'l') result.letter = next();
        }
        switch (result.letter) {
            case 'd':
            case 'i':
                return result;
            case 'u':
                result.number.positive_sign = '\0';
                return result;
            case 'x':
            case 'X':
                result.number.positive_sign = '\0';
                result.number.base = 16;
                result.number.is_upper = result.letter == 'X';
                return result;
            default:
                return std::nullopt;
        }
    }

  private:
    void read_flags(NumberFormat& format) noexcept {
        for (;; ++position_) {
            switch (peek()) {
                case '0':
                    format.is_zero_padded = true;
                    break;
                case '-':
                    format.is_left = true;
                    break;
                case '+':
                    format.positive_sign = '+';
                    break;
                case ' ':
                    if (format.positive_sign == '\0') format.positive_sign = ' ';
                    break;
                default:
                    return;
            }
        }
    }

    bool read_width(NumberFormat& format) noexcept {
        while (peek() >= '0' && peek() <= '9') {
            format.width = format.width * 10 + static_cast<std::size_t>(next() - '0');
            if (format.width > kTraceBytes) return false;
        }
        return true;
    }

    const char* text_;
    std::size_t bytes_;
    std::size_t position_ = 0;
};

void append_converted(BoundedText& out, const Conversion& conversion, std::uint64_t value) noexcept {
    const NumberFormat& format = conversion.number;
    if (conversion.letter == 'c') {
        const std::size_t padding = format.width > 1 ? format.width - 1 : 0;
        if (!format.is_left) out.append_repeated(' ', padding);
        out.append(static_cast<char>(static_cast<unsigned char>(value)));
        if (format.is_left) out.append_repeated(' ', padding);
        return;
    }
    const bool is_signed = conversion.letter == 'd' || conversion.letter == 'i';
    if (!conversion.is_64_bit) {
        const auto low = static_cast<std::uint32_t>(value);
        value = is_signed ? static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(low)}) : low;
    }
    const bool is_negative = is_signed && static_cast<std::int64_t>(value) < 0;
    out.append_number(is_negative ? ~value + 1 : value, is_negative, format);
}

/// True for ASCII that prints or is white space: what Linux lets a format consist of.
bool is_format_character(char character) noexcept {
    return (character >= ' ' && character <= '~') || (character >= '\t' && character <= '\r');
}

/// Formats to `out`. False if the format is not one that is supported.
bool format_line(BoundedText& out, const char* format, std::size_t bytes,
                 const std::array<std::uint64_t, kMaxArguments>& arguments) noexcept {
    FormatReader reader(format, bytes);
    std::size_t used = 0;
    while (reader.peek() != '\0') {
        const char character = reader.next();
        if (!is_format_character(character)) return false;
        if (character != '%') {
            out.append(character);
            continue;
        }
        if (reader.peek() == '%') {
            out.append(reader.next());
            continue;
        }
        const auto conversion = reader.conversion();
        if (!conversion || used == arguments.size()) return false;
        append_converted(out, *conversion, arguments[used++]);
    }
    return true;
}

/// Number of characters before the NUL, or nothing if there is none.
std::optional<std::size_t> terminated_length(const char* text, std::uint64_t bytes) noexcept {
    for (std::size_t i = 0; i < bytes; ++i) {
        if (text[i] == '\0') return i;
    }
    return std::nullopt;
}

}  // namespace

// Source: the format language is that of Linux kernel/trace/bpf_trace.c and kernel/bpf/helpers.c
// (bpf_bprintf_prepare). Deviates: %s and %p are refused (-EINVAL), a width above kTraceBytes too.
std::uint64_t trace_printk(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                           std::uint64_t r5, engine::Invocation& invocation) noexcept {
    const auto* format = as_pointer<const char>(r1);
    const auto length = terminated_length(format, r2);
    if (!length) return kErrorInvalid;
    char buffer[kTraceBytes];
    BoundedText line(buffer);
    if (!format_line(line, format, *length, {r3, r4, r5})) return kErrorInvalid;
    const engine::Services& services = *invocation.services;
    if (services.trace != nullptr) services.trace(services.owner, buffer, line.size());
    return line.size();
}

}  // namespace ebpf::helpers
