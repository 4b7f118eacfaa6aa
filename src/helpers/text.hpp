// SPDX-License-Identifier: MIT
// BoundedText: text built in a buffer of fixed size, for code that has neither memory nor a C library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ebpf::helpers {

/// How a number is padded, after printf's flags and width.
struct NumberFormat {
    unsigned base = 10;     ///< 10 or 16
    std::size_t width = 0;  ///< at least so many characters
    bool is_upper = false;  ///< hexadecimal digits A..F
    bool is_left = false;   ///< pad behind, with spaces
    bool is_zero_padded = false;
    char positive_sign = '\0';  ///< '+' or ' ' before numbers that are not negative; NUL: none
};

/// Appends to a buffer; what does not fit is dropped.
/// Threads: one at a time. Lifetime: does not own the buffer.
class BoundedText {
  public:
    explicit BoundedText(std::span<char> buffer) noexcept : buffer_(buffer) {}

    void append(char character) noexcept {
        if (size_ < buffer_.size()) buffer_[size_++] = character;
    }
    void append(const char* text) noexcept {
        while (*text != '\0') append(*text++);
    }
    /// Appends `magnitude`, preceded by '-' if `is_negative`.
    void append_number(std::uint64_t magnitude, bool is_negative, const NumberFormat& format) noexcept;
    void append_number(std::uint64_t value) noexcept { append_number(value, false, {}); }
    void append_repeated(char character, std::size_t count) noexcept {
        while (count-- > 0) append(character);
    }
    /// Puts a NUL behind the text, over its last character if the buffer is full. Requires: a buffer of 1
    /// byte or more.
    void terminate() noexcept { buffer_[size_ < buffer_.size() ? size_ : buffer_.size() - 1] = '\0'; }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    std::span<char> buffer_;
    std::size_t size_ = 0;
};

}  // namespace ebpf::helpers
