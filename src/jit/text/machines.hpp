// SPDX-License-Identifier: MIT
// The disassemblers. Private to this folder.
#pragma once

#include <string_view>
#include <utility>

#include "jit/text/disassemble.hpp"

namespace ebpf::jit {

using MachineListing = std::vector<MachineInstruction>;

MachineListing disassemble_x64(std::span<const std::byte> code, std::uint64_t address);
MachineListing disassemble_arm64(std::span<const std::byte> code, std::uint64_t address);

/// Splits "mov rax, rbx" after its first word.
inline std::pair<std::string, std::string> split_text(std::string_view text) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return {std::string(text), {}};
    return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

}  // namespace ebpf::jit
