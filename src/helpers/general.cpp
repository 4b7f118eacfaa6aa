// SPDX-License-Identifier: MIT
// Helpers that ask the host: clock, random numbers, processor.
#include "helpers/implementation.hpp"

namespace ebpf::helpers {

std::uint64_t ktime_get_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                           engine::Invocation& invocation) noexcept {
    return invocation.services->monotonic_ns(invocation.services->owner);
}

std::uint64_t get_prandom_u32(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                              engine::Invocation& invocation) noexcept {
    return invocation.services->random_u32(invocation.services->owner, invocation);
}

std::uint64_t get_smp_processor_id(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                   engine::Invocation& invocation) noexcept {
    return invocation.slot;
}

}  // namespace ebpf::helpers
