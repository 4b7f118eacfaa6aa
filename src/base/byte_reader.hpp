// SPDX-License-Identifier: MIT
// ByteReader: the only way untrusted bytes are read. Every access is bounds-checked without overflow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/status.hpp"

namespace ebpf {

/// A view of untrusted bytes. Values are little-endian unless the caller swaps.
/// Threads: any. Lifetime: does not own the bytes.
class ByteReader {
  public:
    explicit ByteReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

    /// Returns `count` bytes from `offset`. Errors: Truncated.
    [[nodiscard]] StatusOr<std::span<const std::byte>> slice(std::uint64_t offset,
                                                             std::uint64_t count) const noexcept {
        if (offset > bytes_.size() || count > bytes_.size() - offset)
            return std::unexpected(Status::Truncated);
        return bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(count));
    }

    /// Returns the trivially copyable T at `offset`, which need not be aligned. Errors: Truncated.
    template <typename T>
    [[nodiscard]] StatusOr<T> read(std::uint64_t offset) const noexcept {
        static_assert(std::is_trivially_copyable_v<T>);
        auto part = slice(offset, sizeof(T));
        if (!part) return std::unexpected(part.error());
        T value;
        std::memcpy(&value, part->data(), sizeof(T));
        return value;
    }

    /// Returns the NUL-terminated text at `offset`, without the NUL. Errors: Truncated (also: no NUL before
    /// the end).
    [[nodiscard]] StatusOr<std::string_view> text(std::uint64_t offset) const noexcept {
        if (offset >= bytes_.size()) return std::unexpected(Status::Truncated);
        const auto rest = bytes_.subspan(static_cast<std::size_t>(offset));
        const void* end = std::memchr(rest.data(), 0, rest.size());
        if (end == nullptr) return std::unexpected(Status::Truncated);
        const auto* begin = reinterpret_cast<const char*>(rest.data());
        return std::string_view(begin, static_cast<std::size_t>(static_cast<const char*>(end) - begin));
    }

  private:
    std::span<const std::byte> bytes_;
};

}  // namespace ebpf
