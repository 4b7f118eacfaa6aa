// SPDX-License-Identifier: MIT
// Registry: the objects of one kind by id.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/fallible_vector.hpp"
#include "runtime/objects.hpp"

namespace ebpf::runtime {

/// Objects of one kind, in ascending order of id. Holds no references: an object leaves when its last one is
/// gone. Threads: one at a time (the state's lock).
class Registry {
  public:
    explicit Registry(std::uint32_t max_id) noexcept : max_id_(max_id) {}

    /// Gives `object` the next id that is not in use and adds it. False, with nothing changed, when memory is
    /// short or every id is in use.
    [[nodiscard]] bool add(Object& object) noexcept;
    /// Takes an added object out.
    void remove(const Object& object) noexcept;

    /// Returns the object with `id`, or nullptr. It may be at 0 references.
    [[nodiscard]] Object* find(std::uint32_t id) const noexcept;
    /// Returns the first object with an id above `after`, or nullptr. It may be at 0 references.
    [[nodiscard]] Object* next(std::uint32_t after) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  private:
    /// Index of the first object with an id not below `id`.
    [[nodiscard]] std::size_t lower_bound(std::uint32_t id) const noexcept;

    struct Entry {
        Object* object = nullptr;
    };
    FallibleVector<Entry> entries_;
    std::uint32_t max_id_;
    std::uint32_t last_id_ = 0;
};

}  // namespace ebpf::runtime
