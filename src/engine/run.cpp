// SPDX-License-Identifier: MIT
#include "engine/engine.hpp"

#include <utility>

namespace ebpf::engine {

EBPF_RUNS_MACHINE_CODE std::uint64_t run_tail_calls(Invocation& invocation) noexcept {
    std::uint64_t result = 0;
    while (invocation.tail_target != nullptr) {
        const Image& target = *std::exchange(invocation.tail_target, nullptr);
        result = target.run(target, invocation);
    }
    return result;
}

}  // namespace ebpf::engine
