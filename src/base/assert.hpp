// SPDX-License-Identifier: MIT
// EBPF_ASSERT: a false condition is a bug of ours, never something that input can reach.
#pragma once

namespace ebpf {

/// Ends the process (or the driver's host) after a broken internal invariant.
[[noreturn]] inline void assertion_failed() noexcept {
    __builtin_trap();
}

}  // namespace ebpf

#define EBPF_ASSERT(condition)                        \
    do {                                              \
        if (!(condition)) ::ebpf::assertion_failed(); \
    } while (false)
