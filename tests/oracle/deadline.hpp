// SPDX-License-Identifier: MIT
// How long the oracles go on with further seeds.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>

namespace ebpf::oracle {

/// Programs that are tried whatever their number of seconds: the same on every machine.
inline constexpr std::uint64_t kFirstPrograms = 40;

/// True for the first programs, and then until EBPF_ORACLE_SECONDS (0 if it is not set) have passed.
class Deadline {
  public:
    [[nodiscard]] bool allows(std::uint64_t seed) const {
        return seed <= kFirstPrograms || std::chrono::steady_clock::now() < end_;
    }

  private:
    static std::chrono::seconds length() {
        const char* text = std::getenv("EBPF_ORACLE_SECONDS");
        return std::chrono::seconds(text != nullptr ? std::atoi(text) : 0);
    }
    std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + length();
};

}  // namespace ebpf::oracle
