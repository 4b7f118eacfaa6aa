// SPDX-License-Identifier: MIT
// FallibleVector: a growing array for the kernel set; it reports out-of-memory instead of throwing.
#pragma once

#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "base/allocate.hpp"
#include "base/assert.hpp"

namespace ebpf {

/// A move-only contiguous array whose growth can fail without harm (the old contents stay).
/// Requires: T is nothrow-movable. Threads: one at a time.
template <typename T>
class FallibleVector {
    static_assert(std::is_nothrow_move_constructible_v<T>);

  public:
    FallibleVector() noexcept = default;
    FallibleVector(FallibleVector&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    FallibleVector& operator=(FallibleVector&& other) noexcept {
        if (this != &other) {
            destroy();
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
            capacity_ = std::exchange(other.capacity_, 0);
        }
        return *this;
    }
    FallibleVector(const FallibleVector&) = delete;
    FallibleVector& operator=(const FallibleVector&) = delete;
    ~FallibleVector() { destroy(); }

    /// Makes room for `count` elements in all. Returns false when memory is short.
    [[nodiscard]] bool reserve(std::size_t count) noexcept {
        if (count <= capacity_) return true;
        if (count > std::numeric_limits<std::size_t>::max() / sizeof(T) / 2) return false;
        auto* fresh = static_cast<T*>(allocate(count * sizeof(T), alignof(T)));
        if (fresh == nullptr) return false;
        for (std::size_t i = 0; i < size_; ++i) {
            ::new (static_cast<void*>(fresh + i)) T(std::move(data_[i]));
            data_[i].~T();
        }
        release(data_, capacity_ * sizeof(T), alignof(T));
        data_ = fresh;
        capacity_ = count;
        return true;
    }

    /// Appends `value`. Returns false, with the array unchanged, when memory is short.
    [[nodiscard]] bool push_back(T value) noexcept {
        if (size_ == capacity_ && !reserve(capacity_ == 0 ? 8 : capacity_ * 2)) return false;
        ::new (static_cast<void*>(data_ + size_)) T(std::move(value));
        ++size_;
        return true;
    }

    /// Grows to `count` value-initialised elements or shrinks to `count`. Returns false when memory is short.
    [[nodiscard]] bool resize(std::size_t count) noexcept {
        if (!reserve(count)) return false;
        while (size_ > count) data_[--size_].~T();
        while (size_ < count) ::new (static_cast<void*>(data_ + size_++)) T();
        return true;
    }

    void clear() noexcept {
        while (size_ > 0) data_[--size_].~T();
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] T* data() noexcept { return data_; }
    [[nodiscard]] const T* data() const noexcept { return data_; }
    T& operator[](std::size_t index) noexcept {
        EBPF_ASSERT(index < size_);
        return data_[index];
    }
    const T& operator[](std::size_t index) const noexcept {
        EBPF_ASSERT(index < size_);
        return data_[index];
    }
    T* begin() noexcept { return data_; }
    T* end() noexcept { return data_ + size_; }
    const T* begin() const noexcept { return data_; }
    const T* end() const noexcept { return data_ + size_; }
    operator std::span<const T>() const noexcept { return {data_, size_}; }

  private:
    void destroy() noexcept {
        clear();
        release(data_, capacity_ * sizeof(T), alignof(T));
        data_ = nullptr;
        capacity_ = 0;
    }

    T* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace ebpf
