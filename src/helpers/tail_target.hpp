// SPDX-License-Identifier: MIT
// TailTarget: what a prog array's elements point to, as the tail_call helper sees it.
#pragma once

#include <atomic>

#include "engine/engine.hpp"

namespace ebpf::helpers {

/// Part of a program object; maps::exchange_program() is given its address.
/// Invariant: image is set before the address is published, and may be exchanged; all that it ever was lives
/// until no epoch can see the program.
struct TailTarget {
    std::atomic<engine::Image*> image{nullptr};
    void* owner = nullptr;  ///< the runtime's program object
};

}  // namespace ebpf::helpers
