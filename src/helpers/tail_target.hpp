// SPDX-License-Identifier: MIT
// TailTarget: what a prog array's elements point to, as the tail_call helper sees it.
#pragma once

#include "engine/engine.hpp"

namespace ebpf::helpers {

/// Part of a program object; maps::exchange_program() is given its address.
/// Invariant: image is set before the address is published and lives until no epoch can see it.
struct TailTarget {
    engine::Image* image = nullptr;
    void* owner = nullptr;  ///< the runtime's program object
};

}  // namespace ebpf::helpers
