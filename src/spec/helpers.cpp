// SPDX-License-Identifier: MIT
#include "spec/helpers.hpp"

namespace ebpf::spec {
namespace {

constexpr auto kHelpers = std::to_array<HelperSpec>({
#define EBPF_HELPER(id, name, returns, a1, a2, a3, a4, a5, effects, map_mask, program_mask, licence, text) \
    {id,                                                                                                   \
     #name,                                                                                                \
     ReturnKind::returns,                                                                                  \
     {ArgKind::a1, ArgKind::a2, ArgKind::a3, ArgKind::a4, ArgKind::a5},                                    \
     effects,                                                                                              \
     map_mask,                                                                                             \
     program_mask,                                                                                         \
     LicenceGate::licence,                                                                                 \
     text},
#include "spec/helpers.def"
#undef EBPF_HELPER
});

consteval bool ids_ascend() {
    for (std::size_t i = 1; i < kHelpers.size(); ++i) {
        if (kHelpers[i - 1].id >= kHelpers[i].id) return false;
    }
    return true;
}
static_assert(ids_ascend());

}  // namespace

std::span<const HelperSpec> helpers() noexcept {
    return kHelpers;
}

const HelperSpec* find_helper(std::uint32_t id) noexcept {
    for (const auto& row : kHelpers) {
        if (row.id == id) return &row;
    }
    return nullptr;
}

}  // namespace ebpf::spec
