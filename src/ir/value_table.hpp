// SPDX-License-Identifier: MIT
// A hash table from what a value is made of to the number of the value.
#pragma once

#include <cstdint>
#include <vector>

namespace ebpf::ir {

/// Open addressing; entries are replaced, never removed.
class ValueTable {
  public:
    explicit ValueTable(std::size_t expected) {
        std::size_t size = 64;
        while (size < expected * 2) size *= 2;
        slots_.resize(size);
    }

    /// Returns the entry with this hash for which `is_equal(value)` holds, or kFree.
    template <typename Predicate>
    [[nodiscard]] std::uint32_t find(std::uint64_t hash, Predicate is_equal) const {
        for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
            const Slot& slot = slots_[at];
            if (slot.value == kFree || (slot.hash == hash && is_equal(slot.value))) return slot.value;
        }
    }

    /// Puts `value` in, instead of the entry with this hash for which `is_equal(value)` holds, if there is
    /// one.
    template <typename Predicate>
    void put(std::uint64_t hash, std::uint32_t value, Predicate is_equal) {
        if (used_ * 2 > slots_.size()) grow();
        for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
            Slot& slot = slots_[at];
            if (slot.value != kFree && (slot.hash != hash || !is_equal(slot.value))) continue;
            used_ += slot.value == kFree ? 1 : 0;
            slot = {hash, value};
            return;
        }
    }

    static constexpr std::uint32_t kFree = 0xffffffff;

    /// Mixes `more` into `hash`.
    static constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t more) {
        hash = (hash ^ more) * 0x9e3779b97f4a7c15U;
        return hash ^ (hash >> 29U);
    }

  private:
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t value = kFree;
    };

    void grow() {
        std::vector<Slot> old(slots_.size() * 2);
        old.swap(slots_);
        used_ = 0;
        for (const Slot& slot : old) {
            if (slot.value == kFree) continue;
            put(slot.hash, slot.value, [](std::uint32_t) { return false; });
        }
    }

    std::vector<Slot> slots_;
    std::size_t used_ = 0;
};

}  // namespace ebpf::ir
