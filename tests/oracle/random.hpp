// SPDX-License-Identifier: MIT
// Random numbers that are the same on every host and standard library.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace ebpf::oracle {

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t bits() { return engine_(); }
    /// Returns a number below `limit`.
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(engine_() % limit); }
    bool one_in(std::uint32_t count) { return below(count) == 0; }
    /// Returns a number of a kind that finds faults: small, a power of two, its neighbours, or anything.
    std::uint64_t edge();
    template <typename T>
    const T& of(const std::vector<T>& choices) {
        return choices[below(static_cast<std::uint32_t>(choices.size()))];
    }

  private:
    std::mt19937_64 engine_;
};

}  // namespace ebpf::oracle
