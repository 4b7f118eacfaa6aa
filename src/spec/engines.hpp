// SPDX-License-Identifier: MIT
// Engines as requests name them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ebpf::spec {

enum class Engine : std::uint32_t {
#define EBPF_ENGINE(name, number, text_name, text) name = number,
#include "spec/engines.def"
#undef EBPF_ENGINE
};

// Processors of machine code, as ELF's e_machine numbers them.
inline constexpr std::uint32_t kMachineX64 = 62;
inline constexpr std::uint32_t kMachineArm64 = 183;

struct EngineSpec {
    Engine engine;
    const char* name;
    const char* text;
};

/// Returns all rows of engines.def by ascending number, from 0 on. Threads: any.
std::span<const EngineSpec> engines() noexcept;

/// Returns the row with `number` or `name`, or nullptr.
const EngineSpec* find_engine(std::uint32_t number) noexcept;
const EngineSpec* find_engine(std::string_view name) noexcept;

}  // namespace ebpf::spec
