// SPDX-License-Identifier: MIT
// PinTable: names that keep objects alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/fallible_vector.hpp"
#include "runtime/objects.hpp"

namespace ebpf::runtime {

/// Returns the text of an untrusted path, or an empty one if it is empty or not shorter than kMaxPinBytes.
std::string_view pin_text(const char* path) noexcept;

/// Pins in byte order of their paths. Each holds a user reference, which passes in and out with the calls.
/// Threads: one at a time (the state's lock); so nothing here drops a reference.
class PinTable {
  public:
    PinTable() noexcept = default;
    PinTable(const PinTable&) = delete;
    PinTable& operator=(const PinTable&) = delete;
    ~PinTable() = default;

    /// Adds a pin and counts a user reference to `object`. Requires: the caller holds one; path is not empty.
    /// Errors: AlreadyExists, OutOfMemory.
    Status add(std::string_view path, Object& object) noexcept;
    /// Takes the pin away and hands its reference over; an empty Ref if there is none.
    Ref<Object> remove(std::string_view path) noexcept;
    /// Takes the first pin away and hands its reference over; an empty Ref if there is none.
    Ref<Object> remove_first() noexcept;

    struct Pin {
        char* text = nullptr;
        std::size_t bytes = 0;
        Object* object = nullptr;
        [[nodiscard]] std::string_view path() const noexcept { return {text, bytes}; }
    };
    [[nodiscard]] const Pin* find(std::string_view path) const noexcept;
    /// The first pin behind `after`, or nullptr.
    [[nodiscard]] const Pin* next(std::string_view after) const noexcept;

  private:
    /// Index of the first pin whose path is not below `path`.
    [[nodiscard]] std::size_t lower_bound(std::string_view path) const noexcept;
    Ref<Object> remove_at(std::size_t place) noexcept;

    FallibleVector<Pin> pins_;
};

}  // namespace ebpf::runtime
