// SPDX-License-Identifier: MIT
// Helpers that reach maps, and the tail call.
#include "helpers/implementation.hpp"
#include "helpers/tail_target.hpp"
#include "maps/map.hpp"
#include "spec/instructions.hpp"

namespace ebpf::helpers {

std::uint64_t map_lookup_elem(std::uint64_t r1, std::uint64_t r2, std::uint64_t, std::uint64_t, std::uint64_t,
                              engine::Invocation&) noexcept {
    return reinterpret_cast<std::uintptr_t>(as_pointer<maps::Map>(r1)->lookup(as_pointer<const void>(r2)));
}

std::uint64_t map_update_elem(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                              std::uint64_t, engine::Invocation&) noexcept {
    return to_result(
        as_pointer<maps::Map>(r1)->update(as_pointer<const void>(r2), as_pointer<const void>(r3), r4));
}

std::uint64_t map_delete_elem(std::uint64_t r1, std::uint64_t r2, std::uint64_t, std::uint64_t, std::uint64_t,
                              engine::Invocation&) noexcept {
    return to_result(as_pointer<maps::Map>(r1)->erase(as_pointer<const void>(r2)));
}

// The index is 32 bits wide, as Linux truncates it (kernel/bpf/core.c, JMP_TAIL_CALL).
std::uint64_t tail_call(std::uint64_t, std::uint64_t r2, std::uint64_t r3, std::uint64_t, std::uint64_t,
                        engine::Invocation& invocation) noexcept {
    invocation.tail_target = nullptr;
    if (invocation.tail_calls >= spec::kMaxTailCalls) return kErrorLoop;
    const void* element = maps::program_at(*as_pointer<maps::Map>(r2), static_cast<std::uint32_t>(r3));
    if (element == nullptr) return kErrorInvalid;
    ++invocation.tail_calls;
    invocation.tail_target = static_cast<const TailTarget*>(element)->image.load(std::memory_order_acquire);
    return 0;
}

}  // namespace ebpf::helpers
