// SPDX-License-Identifier: MIT
// What is true of every node of an opcode.
#pragma once

#include <array>
#include <cstddef>

#include "ir/ir.hpp"

namespace ebpf::ir {

struct OpcodeSpec {
    Opcode opcode;
    const char* name;
    bool has_result;
    bool has_effect;      ///< does something besides defining its value
    bool is_pure;         ///< the value follows from inputs and fields alone
    bool is_commutative;  ///< inputs a and b may be exchanged
};

// name, has_result, has_effect, is_pure, is_commutative
inline constexpr auto kOpcodes = std::to_array<OpcodeSpec>({
    // clang-format off
    {Opcode::Constant, "Constant", true, false, true, false},
    {Opcode::MapHandle, "MapHandle", true, false, true, false},
    {Opcode::MapValue, "MapValue", true, false, true, false},
    {Opcode::Parameter, "Parameter", true, false, true, false},
    {Opcode::FrameAddress, "FrameAddress", true, false, true, false},
    {Opcode::CodeAddress, "CodeAddress", true, false, true, false},
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

inline const OpcodeSpec& opcode_spec(Opcode opcode) {
    return kOpcodes[static_cast<std::size_t>(opcode)];
}

}  // namespace ebpf::ir
