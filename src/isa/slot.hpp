// SPDX-License-Identifier: MIT
// The 8-byte encoding unit, shared by decode and encode.
#pragma once

#include <bit>
#include <cstdint>

#include "spec/instructions.hpp"

namespace ebpf::isa {

/// One slot as it lies in memory on a little-endian host. Source: RFC 9669 section 3.
struct Slot {
    std::uint8_t opcode = 0;
    std::uint8_t registers = 0;  ///< dst in the low half, src in the high half
    std::int16_t offset = 0;
    std::int32_t imm = 0;

    [[nodiscard]] constexpr std::uint8_t dst() const noexcept { return registers & 0xfU; }
    [[nodiscard]] constexpr std::uint8_t src() const noexcept {
        return static_cast<std::uint8_t>(registers >> 4U);
    }
};
static_assert(sizeof(Slot) == spec::kSlotBytes);
static_assert(std::endian::native == std::endian::little, "slots are copied from and to little-endian bytes");

}  // namespace ebpf::isa
