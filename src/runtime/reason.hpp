// SPDX-License-Identifier: MIT
// Reason: the text of what made create_link() fail. Private to src/runtime.
#pragma once

#include <cstdint>
#include <span>

#include "helpers/text.hpp"

namespace ebpf::runtime {

/// Writes what made create_link() fail, before or in the provider.
class Reason {
  public:
    explicit Reason(std::span<char> buffer) noexcept
        : buffer_(buffer.empty() ? std::span<char>(spare_) : buffer) {
        buffer_[0] = '\0';
    }

    template <typename... Parts>
    void write(Parts... parts) noexcept {
        helpers::BoundedText text(buffer_);
        (append(text, parts), ...);
        text.terminate();
    }
    /// Makes sure that a provider has left text.
    void complete(const char* provider, int code) noexcept {
        buffer_.back() = '\0';
        if (buffer_[0] == '\0') write("hook '", provider, "' refused with errno ", code < 0 ? -code : code);
    }
    [[nodiscard]] std::span<char> buffer() const noexcept { return buffer_; }

  private:
    static void append(helpers::BoundedText& text, const char* part) noexcept { text.append(part); }
    static void append(helpers::BoundedText& text, std::uint32_t number) noexcept {
        text.append_number(number);
    }
    static void append(helpers::BoundedText& text, int number) noexcept {
        text.append_number(static_cast<std::uint64_t>(number));
    }

    char spare_[1] = {};
    std::span<char> buffer_;
};

}  // namespace ebpf::runtime
