// SPDX-License-Identifier: MIT
#include "spec/maps.hpp"

#include <array>

namespace ebpf::spec {
namespace {

constexpr auto kMapTypes = std::to_array<MapTypeSpec>({
#define EBPF_MAP_TYPE(name, number, text_name, key_rule, value_rule, flags, holds) \
    {MapType::name, text_name, KeyRule::key_rule, ValueRule::value_rule, flags, MapHolds::holds},
#include "spec/map_types.def"
#undef EBPF_MAP_TYPE
});

}  // namespace

std::span<const MapTypeSpec> map_types() noexcept {
    return kMapTypes;
}

const MapTypeSpec* find_map_type(std::uint32_t type) noexcept {
    for (const auto& row : kMapTypes) {
        if (static_cast<std::uint32_t>(row.type) == type) return &row;
    }
    return nullptr;
}

}  // namespace ebpf::spec
