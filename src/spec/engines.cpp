// SPDX-License-Identifier: MIT
#include "spec/engines.hpp"

#include <array>
#include <cstddef>

namespace ebpf::spec {
namespace {

constexpr auto kEngines = std::to_array<EngineSpec>({
#define EBPF_ENGINE(name, number, text_name, text) {Engine::name, text_name, text},
#include "spec/engines.def"
#undef EBPF_ENGINE
});

consteval bool are_numbered_from_zero() {
    for (std::size_t i = 0; i < kEngines.size(); ++i) {
        if (static_cast<std::size_t>(kEngines[i].engine) != i) return false;
    }
    return true;
}
static_assert(are_numbered_from_zero());

}  // namespace

std::span<const EngineSpec> engines() noexcept {
    return kEngines;
}

const EngineSpec* find_engine(std::uint32_t number) noexcept {
    return number < kEngines.size() ? &kEngines[number] : nullptr;
}

const EngineSpec* find_engine(std::string_view name) noexcept {
    for (const EngineSpec& row : kEngines) {
        if (name == row.name) return &row;
    }
    return nullptr;
}

}  // namespace ebpf::spec
