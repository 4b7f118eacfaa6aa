// SPDX-License-Identifier: MIT
// Encoder and Decoder: two visitors over the fields of a message. One description of the fields serves both;
// every limit is checked in both directions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/byte_reader.hpp"

namespace ebpf::protocol {

/// The field at which a codec gave up.
struct FieldFault {
    const char* field = nullptr;  ///< nullptr: no fault
    const char* what = "";        ///< "too long", "ends too early", "not one of its values"
    std::uint64_t value = 0;      ///< size, count or number that was wrong
    std::uint64_t limit = 0;
};

/// Keeps the first fault; a visitor with a fault ignores further fields.
class Visitor {
  public:
    [[nodiscard]] const FieldFault& fault() const { return fault_; }
    [[nodiscard]] bool is_good() const { return fault_.field == nullptr; }

  protected:
    bool refuse(const char* field, const char* what, std::uint64_t value, std::uint64_t limit) {
        if (is_good()) fault_ = {field, what, value, limit};
        return false;
    }

  private:
    FieldFault fault_;
};

/// The integer that carries a field of type T: enums as their number, bool as one byte.
template <typename T, bool is_enum = std::is_enum_v<T>>
struct Carrier {
    using Type = T;
};
template <typename T>
struct Carrier<T, true> {
    using Type = std::underlying_type_t<T>;
};
template <>
struct Carrier<bool, false> {
    using Type = std::uint8_t;
};

/// Appends fields to a growing array, little-endian. Threads: one at a time.
class Encoder : public Visitor {
  public:
    template <typename T>
    using Field = const T;

    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

    template <typename T>
    void number(const char* name, const T& value) {
        limited(name, value, ~std::uint64_t{0});
    }
    /// A number that must not be greater than `max`.
    template <typename T>
    void limited(const char* name, const T& value, std::uint64_t max) {
        const auto carried = static_cast<typename Carrier<T>::Type>(value);
        if (static_cast<std::uint64_t>(carried) > max) {
            refuse(name, "not one of its values", static_cast<std::uint64_t>(carried), max);
            return;
        }
        append(&carried, sizeof(carried));
    }
    void text(const char* name, const std::string& value, std::size_t max) {
        if (count(name, value.size(), max)) append(value.data(), value.size());
    }
    void bytes(const char* name, const std::vector<std::byte>& value, std::size_t max) {
        if (count(name, value.size(), max)) append(value.data(), value.size());
    }
    template <typename T>
    void numbers(const char* name, const std::vector<T>& values, std::size_t max_count, std::uint64_t max) {
        if (!count(name, values.size(), max_count)) return;
        for (const T value : values) limited<T>(name, value, max);
    }
    void texts(const char* name, const std::vector<std::string>& values, std::size_t max_count,
               std::size_t max) {
        if (!count(name, values.size(), max_count)) return;
        for (const auto& value : values) text(name, value, max);
    }
    template <typename T>
    void object(const char*, const T& value) {
        fields(*this, value);
    }
    template <typename T>
    void list(const char* name, const std::vector<T>& values, std::size_t max) {
        if (!count(name, values.size(), max)) return;
        for (const T& value : values) fields(*this, value);
    }

  private:
    bool count(const char* name, std::size_t size, std::size_t max) {
        if (size > max) return refuse(name, "too long", size, max);
        number(name, static_cast<std::uint32_t>(size));
        return is_good();
    }
    void append(const void* data, std::size_t size) {
        if (!is_good() || size == 0) return;
        const auto* first = static_cast<const std::byte*>(data);
        bytes_.insert(bytes_.end(), first, first + size);
    }

    std::vector<std::byte> bytes_;
};

/// Reads fields from untrusted bytes. After a fault all further fields keep their defaults.
/// Cost: memory is taken only for what the bytes hold: a count is never believed before its elements were
/// read.
class Decoder : public Visitor {
  public:
    template <typename T>
    using Field = T;

    explicit Decoder(std::span<const std::byte> bytes) : reader_(bytes) {}

    /// True if every byte was consumed without a fault.
    bool finish() {
        if (is_good() && position_ != reader_.size())
            refuse("end", "followed by further bytes", reader_.size() - position_, 0);
        return is_good();
    }

    template <typename T>
    void number(const char* name, T& value) {
        limited(name, value, std::is_same_v<T, bool> ? 1 : ~std::uint64_t{0});
    }
    template <typename T>
    void limited(const char* name, T& value, std::uint64_t max) {
        typename Carrier<T>::Type carried{};
        if (!take(name, &carried, sizeof(carried))) return;
        if (static_cast<std::uint64_t>(carried) > max) {
            refuse(name, "not one of its values", static_cast<std::uint64_t>(carried), max);
            return;
        }
        value = static_cast<T>(carried);
    }
    void text(const char* name, std::string& value, std::size_t max) {
        const auto part = counted(name, max);
        for (const std::byte byte : part) {
            if (byte == std::byte{0}) {
                refuse(name, "not text: it holds a zero byte", 0, 0);
                return;
            }
        }
        value.assign(reinterpret_cast<const char*>(part.data()), part.size());
    }
    void bytes(const char* name, std::vector<std::byte>& value, std::size_t max) {
        const auto part = counted(name, max);
        value.assign(part.begin(), part.end());
    }
    template <typename T>
    void numbers(const char* name, std::vector<T>& values, std::size_t max_count, std::uint64_t max) {
        const std::uint32_t size = count(name, max_count);
        values.clear();
        for (std::uint32_t i = 0; i < size && is_good(); ++i) {
            T value{};
            limited(name, value, max);
            if (is_good()) values.push_back(value);
        }
    }
    void texts(const char* name, std::vector<std::string>& values, std::size_t max_count, std::size_t max) {
        const std::uint32_t size = count(name, max_count);
        values.clear();
        for (std::uint32_t i = 0; i < size && is_good(); ++i) text(name, values.emplace_back(), max);
    }
    template <typename T>
    void object(const char*, T& value) {
        fields(*this, value);
    }
    template <typename T>
    void list(const char* name, std::vector<T>& values, std::size_t max) {
        const std::uint32_t size = count(name, max);
        values.clear();
        for (std::uint32_t i = 0; i < size && is_good(); ++i) {
            fields(*this, values.emplace_back());
        }
    }

  private:
    std::uint32_t count(const char* name, std::size_t max) {
        std::uint32_t size = 0;
        number(name, size);
        if (is_good() && size > max) refuse(name, "too long", size, max);
        return is_good() ? size : 0;
    }
    std::span<const std::byte> counted(const char* name, std::size_t max) {
        const std::uint32_t size = count(name, max);
        const auto part = reader_.slice(position_, size);
        if (!part) {
            refuse(name, "cut off: the message ends too early", size, reader_.size() - position_);
            return {};
        }
        position_ += size;
        return *part;
    }
    bool take(const char* name, void* target, std::size_t size) {
        if (!is_good()) return false;
        const auto part = reader_.slice(position_, size);
        if (!part)
            return refuse(name, "cut off: the message ends too early", size, reader_.size() - position_);
        std::memcpy(target, part->data(), size);
        position_ += size;
        return true;
    }

    ByteReader reader_;
    std::size_t position_ = 0;
};

}  // namespace ebpf::protocol
