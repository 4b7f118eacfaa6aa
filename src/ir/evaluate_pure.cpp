// SPDX-License-Identifier: MIT
#include "ir/evaluate.hpp"
#include "isa/semantics.hpp"

namespace ebpf::ir {
namespace {

using spec::AluOp;

/// Opcodes that are operators of the instruction set.
bool alu_of(Opcode opcode, AluOp& op) {
    constexpr struct {
        Opcode opcode;
        AluOp op;
    } kOperators[] = {{Opcode::Add, AluOp::Add},   {Opcode::Sub, AluOp::Sub},   {Opcode::Mul, AluOp::Mul},
                      {Opcode::UDiv, AluOp::Div},  {Opcode::SDiv, AluOp::SDiv}, {Opcode::UMod, AluOp::Mod},
                      {Opcode::SMod, AluOp::SMod}, {Opcode::And, AluOp::And},   {Opcode::Or, AluOp::Or},
                      {Opcode::Xor, AluOp::Xor},   {Opcode::Shl, AluOp::Lsh},   {Opcode::Shr, AluOp::Rsh},
                      {Opcode::Sar, AluOp::Arsh}};
    for (const auto& entry : kOperators) {
        if (entry.opcode != opcode) continue;
        op = entry.op;
        return true;
    }
    return false;
}

}  // namespace

std::uint64_t evaluate_pure(const Node& node, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                            std::uint64_t d) {
    AluOp op{};
    if (alu_of(node.opcode, op)) return isa::eval_alu(op, node.width, a, b);
    if (node.opcode == Opcode::Negate) return isa::eval_negate(node.width, a);
    if (node.opcode == Opcode::SignExtend) return isa::eval_move_sx(node.width, node.size, a);
    if (node.opcode == Opcode::ZeroExtend) return isa::zero_extend(node.size, a);
    if (node.opcode == Opcode::ByteSwap) return isa::eval_byte_order(spec::ByteOrderOp::Swap, node.size, a);
    if (node.opcode == Opcode::Compare) return isa::eval_jump(node.condition, node.width, a, b) ? 1 : 0;
    if (node.opcode == Opcode::Select) return isa::eval_jump(node.condition, node.width, a, b) ? c : d;
    return static_cast<std::uint64_t>(node.imm);
}

}  // namespace ebpf::ir
