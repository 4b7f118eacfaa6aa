// SPDX-License-Identifier: MIT
// Helpers that call functions of the program. What these may do and return was proven by the verifier.
#include "helpers/implementation.hpp"
#include "maps/map.hpp"
#include "spec/helpers.hpp"

namespace ebpf::helpers {
namespace {

/// What a visit of a map's elements needs to call the program.
struct Visit {
    engine::Invocation& invocation;
    std::uint64_t map;
    std::uint64_t function;
    std::uint64_t context;

    static bool element(void* state, const void* key, void* value) noexcept {
        const auto& visit = *static_cast<const Visit*>(state);
        return visit.invocation.call_back(visit.invocation, visit.function, visit.map,
                                          reinterpret_cast<std::uintptr_t>(key),
                                          reinterpret_cast<std::uintptr_t>(value), visit.context) == 0;
    }
};

}  // namespace

// Source: Linux kernel/bpf/bpf_iter.c (bpf_loop).
std::uint64_t loop(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4, std::uint64_t,
                   engine::Invocation& invocation) noexcept {
    const auto count = static_cast<std::uint32_t>(r1);
    if (r4 != 0) return kErrorInvalid;
    if (count > spec::kMaxLoops) return kErrorTooBig;
    for (std::uint32_t index = 0; index < count; ++index) {
        if (invocation.call_back(invocation, r2, index, r3, 0, 0) != 0) return index + 1U;
    }
    return count;
}

// Source: Linux kernel/bpf/bpf_iter.c (bpf_for_each_map_elem), kernel/bpf/arraymap.c, kernel/bpf/hashtab.c.
// Deviates: at most max_entries elements are visited, also while the map is changed.
std::uint64_t for_each_map_elem(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                                std::uint64_t, engine::Invocation& invocation) noexcept {
    if (r4 != 0) return kErrorInvalid;
    Visit visit{invocation, r1, r2, r3};
    const auto visited = as_pointer<maps::Map>(r1)->visit(Visit::element, &visit);
    return visited ? *visited : to_result(visited.error());
}

}  // namespace ebpf::helpers
