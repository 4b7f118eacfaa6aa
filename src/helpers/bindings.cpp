// SPDX-License-Identifier: MIT
#include <array>

#include "helpers/helpers.hpp"
#include "helpers/implementation.hpp"
#include "maps/map.hpp"
#include "spec/helpers.hpp"

namespace ebpf::helpers {
namespace {

using spec::kCallsForElements;
using spec::kCallsForIndices;
using spec::kMovesPacket;
using spec::kNoEffects;
using spec::kTailCall;

constexpr auto kBindings = std::to_array<engine::HelperBinding>({
#define EBPF_HELPER(id, name, returns, a1, a2, a3, a4, a5, effects, map_mask, program_mask, licence, text) \
    {id, &name, (effects).tail_call},
#include "spec/helpers.def"
#undef EBPF_HELPER
});

consteval bool is_every_row_bound() {
    std::size_t tail_calls = 0;
    for (const auto& binding : kBindings) {
        if (binding.function == nullptr) return false;
        tail_calls += binding.is_tail_call ? 1 : 0;
    }
    return tail_calls == 1;
}
static_assert(is_every_row_bound());

}  // namespace

std::span<const engine::HelperBinding> bindings() noexcept {
    return kBindings;
}

engine::MapBinding bind_map(const maps::Map& map) noexcept {
    return {
        .handle = map.handle(),
        .value_address = reinterpret_cast<std::uintptr_t>(map.direct_value()),
        .shape = map.shape(),
        .element_stride = map.value_stride(),
        .lookup = map.lookup_function(),
        .hash_table = reinterpret_cast<std::uintptr_t>(map.hash_table()),
    };
}

}  // namespace ebpf::helpers
