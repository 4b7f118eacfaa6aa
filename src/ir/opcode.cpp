// SPDX-License-Identifier: MIT
#include "ir/opcode.hpp"

namespace ebpf::ir {
namespace {

consteval bool is_right() {
    for (std::size_t i = 0; i < kOpcodes.size(); ++i) {
        if (static_cast<std::size_t>(kOpcodes[i].opcode) != i) return false;
        if (kOpcodes[i].has_effect != ((kOpcodesWithEffect >> i & 1U) != 0)) return false;
    }
    return kOpcodes.back().opcode == Opcode::Return;
}
static_assert(is_right());

}  // namespace
}  // namespace ebpf::ir
