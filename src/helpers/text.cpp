// SPDX-License-Identifier: MIT
#include "helpers/text.hpp"

namespace ebpf::helpers {

void BoundedText::append_number(std::uint64_t magnitude, bool is_negative,
                                const NumberFormat& format) noexcept {
    constexpr std::size_t kMaxDigits = 20;  // 2^64 - 1 in decimal
    const char* alphabet = format.is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char reversed[kMaxDigits];
    std::size_t digits = 0;
    do {
        reversed[digits++] = alphabet[magnitude % format.base];
        magnitude /= format.base;
    } while (magnitude != 0);

    const char sign = is_negative ? '-' : format.positive_sign;
    const std::size_t length = digits + (sign != '\0' ? 1 : 0);
    const std::size_t padding = format.width > length ? format.width - length : 0;
    const bool has_zeros = format.is_zero_padded && !format.is_left;

    if (!format.is_left && !has_zeros) append_repeated(' ', padding);
    if (sign != '\0') append(sign);
    if (has_zeros) append_repeated('0', padding);
    while (digits > 0) append(reversed[--digits]);
    if (format.is_left) append_repeated(' ', padding);
}

}  // namespace ebpf::helpers
