// SPDX-License-Identifier: MIT
// The observation oracle: does a concrete state of a run lie inside what the verifier knew at that
// instruction?
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "spec/instructions.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::verifier {

/// One active function of a run, outermost first.
struct ConcreteFrame {
    std::uint64_t top = 0;  ///< value of r10 in this frame: address just above its stack
    std::span<const std::byte>
        stack;  ///< the kStackBytes bytes below `top`, lowest address first; empty: not checked
};

/// Memory that holds values of a map while the program runs.
struct ConcreteMap {
    std::uint32_t map = 0;      ///< index in Request::maps
    std::uint64_t handle = 0;   ///< what the program's register holds for the map itself; 0: not checked
    std::uint64_t address = 0;  ///< of the first value
    std::uint64_t stride = 0;   ///< bytes from one value to the next
    std::uint64_t count = 0;    ///< values; 0: addresses into the map are not checked
};

/// What a run holds just before the instruction at a slot of the verified (not lowered) code.
struct ConcreteState {
    std::array<std::uint64_t, spec::kRegisterCount> registers{};
    std::span<const ConcreteFrame> frames;  ///< at least one; the last one is active
    std::uint64_t context = 0;              ///< address that the program got as its context
    std::uint64_t packet_meta = 0;
    std::uint64_t packet_start = 0;
    std::uint64_t packet_end = 0;
    std::uint64_t memory = 0;           ///< ProgramType::Memory: address of the region
    std::span<const ConcreteMap> maps;  ///< several rows may name one map
};

/// Returns true if some state that the verifier recorded at `slot` covers `state`: every register and every
/// stack byte that the verifier relied on. A slot that the verifier never reached covers nothing. Otherwise
/// `why` (may be null) says what differs from the nearest recorded state. Requires: report.invariants was
/// asked for (Request::wants_invariants) and the program was accepted. Threads: any.
bool admits(const Invariants& invariants, std::uint32_t slot, const ConcreteState& state, std::string* why);

/// Describes what the verifier knew before the instruction at `slot`, one line a recorded state.
std::vector<std::string> describe(const Invariants& invariants, std::uint32_t slot);

}  // namespace ebpf::verifier
