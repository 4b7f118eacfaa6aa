// SPDX-License-Identifier: MIT
// Loops as bytecode makes them, so that C can say them as such. Computed from the code alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "native/values.hpp"

namespace ebpf::native {

/// Slots [header, last]; `last` jumps to the header, and nothing outside jumps to what follows the header.
struct Loop {
    std::uint32_t header = 0;
    std::uint32_t last = 0;
    /// The branch that decides whether it goes on: `last`; or, if that always jumps, the branch before it
    /// which leaves the loop to what follows; or `last` after all: then it goes on for ever.
    std::uint32_t test = 0;
    bool is_straight = false;  ///< it has no other jump and no call
};

/// Returns the loops of a function by their headers. They are nested in each other or apart. Requires: jumps
/// stay inside `range`. Cost: jumps times loops.
std::map<std::uint32_t, Loop> find_loops(const isa::Code& code, Range range);

/// Returns how many rounds `loop` does, at most if something else can end it, where its test compares a
/// register with an immediate, that register starts from a known number, and each round adds a constant to
/// it: at the test it then lies in [0, 2^32). `before`: values when it is entered from above. Cost: linear in
/// the loop.
std::optional<std::uint64_t> count_rounds(const isa::Code& code, const Loop& loop, const Values& before);

}  // namespace ebpf::native
