// SPDX-License-Identifier: MIT
#include "ir/opcode.hpp"

#include <array>
#include <cstddef>

namespace ebpf::ir {
namespace {

// name, has_result, has_effect, is_pure, is_commutative
constexpr auto kOpcodes = std::to_array<OpcodeSpec>({
    // clang-format off
    {Opcode::Constant, "Constant", true, false, true, false},
    {Opcode::MapHandle, "MapHandle", true, false, true, false},
    {Opcode::MapValue, "MapValue", true, false, true, false},
    {Opcode::Parameter, "Parameter", true, false, true, false},
    {Opcode::FrameAddress, "FrameAddress", true, false, true, false},
    {Opcode::Add, "Add", true, false, true, true},
    {Opcode::Sub, "Sub", true, false, true, false},
    {Opcode::Mul, "Mul", true, false, true, true},
    {Opcode::UDiv, "UDiv", true, false, true, false},
    {Opcode::SDiv, "SDiv", true, false, true, false},
    {Opcode::UMod, "UMod", true, false, true, false},
    {Opcode::SMod, "SMod", true, false, true, false},
    {Opcode::And, "And", true, false, true, true},
    {Opcode::Or, "Or", true, false, true, true},
    {Opcode::Xor, "Xor", true, false, true, true},
    {Opcode::Shl, "Shl", true, false, true, false},
    {Opcode::Shr, "Shr", true, false, true, false},
    {Opcode::Sar, "Sar", true, false, true, false},
    {Opcode::Negate, "Negate", true, false, true, false},
    {Opcode::SignExtend, "SignExtend", true, false, true, false},
    {Opcode::ZeroExtend, "ZeroExtend", true, false, true, false},
    {Opcode::ByteSwap, "ByteSwap", true, false, true, false},
    {Opcode::Compare, "Compare", true, false, true, false},
    {Opcode::Select, "Select", true, false, true, false},
    {Opcode::Load, "Load", true, false, false, false},
    {Opcode::Store, "Store", false, true, false, false},
    {Opcode::Atomic, "Atomic", true, true, false, false},
    {Opcode::LoadAcquire, "LoadAcquire", true, true, false, false},
    {Opcode::StoreRelease, "StoreRelease", false, true, false, false},
    {Opcode::CallHelper, "CallHelper", true, true, false, false},
    {Opcode::TailCall, "TailCall", true, true, false, false},
    {Opcode::CallLocal, "CallLocal", true, true, false, false},
    {Opcode::MapLookup, "MapLookup", true, false, false, false},
    {Opcode::PacketLoad, "PacketLoad", true, true, false, false},
    {Opcode::Phi, "Phi", true, false, false, false},
    {Opcode::Jump, "Jump", false, true, false, false},
    {Opcode::Branch, "Branch", false, true, false, false},
    {Opcode::Return, "Return", false, true, false, false},
    // clang-format on
});

consteval bool is_in_order() {
    for (std::size_t i = 0; i < kOpcodes.size(); ++i) {
        if (static_cast<std::size_t>(kOpcodes[i].opcode) != i) return false;
    }
    return kOpcodes.back().opcode == Opcode::Return;
}
static_assert(is_in_order());

}  // namespace

const OpcodeSpec& opcode_spec(Opcode opcode) {
    return kOpcodes[static_cast<std::size_t>(opcode)];
}

}  // namespace ebpf::ir
