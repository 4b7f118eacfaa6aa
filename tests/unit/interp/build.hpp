// SPDX-License-Identifier: MIT
// Short programs for the interpreter's tests, written as slots.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.hpp"
#include "interp/interp.hpp"
#include "isa/decode.hpp"
#include "isa/slot.hpp"

namespace ebpf::interp {

// Opcodes of RFC 9669 that the tests use.
inline constexpr std::uint8_t kMovImm = 0xb7;
inline constexpr std::uint8_t kMovReg = 0xbf;
inline constexpr std::uint8_t kAddImm = 0x07;
inline constexpr std::uint8_t kAddReg = 0x0f;
inline constexpr std::uint8_t kLoadImm64 = 0x18;
inline constexpr std::uint8_t kLoad8 = 0x79;
inline constexpr std::uint8_t kStore8 = 0x7b;
inline constexpr std::uint8_t kGoto = 0x05;
inline constexpr std::uint8_t kJumpNotEqual = 0x55;
inline constexpr std::uint8_t kCall = 0x85;
inline constexpr std::uint8_t kCallRegister = 0x8d;
inline constexpr std::uint8_t kPacketAbs4 = 0x20;
inline constexpr std::uint8_t kPacketInd2 = 0x48;
inline constexpr std::uint8_t kExit = 0x95;

inline isa::Slot slot(std::uint8_t opcode, unsigned dst, unsigned src, std::int16_t offset,
                      std::int32_t imm) {
    return {opcode, static_cast<std::uint8_t>(dst | src << 4U), offset, imm};
}
inline isa::Slot exit_slot() {
    return slot(kExit, 0, 0, 0, 0);
}
inline isa::Slot move(unsigned dst, std::int32_t imm) {
    return slot(kMovImm, dst, 0, 0, imm);
}
inline isa::Slot move_register(unsigned dst, unsigned src) {
    return slot(kMovReg, dst, src, 0, 0);
}
inline isa::Slot add(unsigned dst, std::int32_t imm) {
    return slot(kAddImm, dst, 0, 0, imm);
}
inline isa::Slot call_local(std::int32_t distance) {
    return slot(kCall, 0, 1, 0, distance);
}
inline isa::Slot call_helper(std::int32_t id) {
    return slot(kCall, 0, 0, 0, id);
}

inline isa::Code decode_slots(std::span<const isa::Slot> slots) {
    auto code = isa::decode(std::as_bytes(slots), spec::kAllGroups);
    if (!code) {
        ADD_FAILURE() << "slot " << code.error().slot << ": " << status_name(code.error().status);
        return {};
    }
    return std::move(*code);
}

struct DestroyImage {
    void operator()(engine::Image* image) const { image->destroy(image); }
};
using OwnedImage = std::unique_ptr<engine::Image, DestroyImage>;

inline OwnedImage compile_slots(const std::vector<isa::Slot>& slots, const engine::Bindings& bindings = {},
                                Dispatch dispatch = Dispatch::Best) {
    Refusal refusal;
    auto image = compile(decode_slots(slots), bindings, {dispatch, &refusal});
    if (!image) {
        ADD_FAILURE() << status_name(image.error()) << " at " << refusal.slot << ": " << refusal.what << " "
                      << refusal.value;
        return nullptr;
    }
    return OwnedImage(*image);
}

inline std::uint64_t run(const OwnedImage& image, engine::Invocation& invocation) {
    return engine::run(*image, invocation);
}

inline std::uint64_t run_slots(const std::vector<isa::Slot>& slots, const engine::Bindings& bindings = {}) {
    const OwnedImage image = compile_slots(slots, bindings);
    engine::Invocation invocation;
    return run(image, invocation);
}

}  // namespace ebpf::interp
