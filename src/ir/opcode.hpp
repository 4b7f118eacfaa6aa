// SPDX-License-Identifier: MIT
// What is true of every node of an opcode.
#pragma once

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

const OpcodeSpec& opcode_spec(Opcode opcode);

}  // namespace ebpf::ir
