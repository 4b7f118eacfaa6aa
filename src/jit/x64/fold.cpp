// SPDX-License-Identifier: MIT
// Which nodes an instruction can take in: immediates, addresses, loads.
#include <limits>

#include "jit/x64/selector.hpp"

namespace ebpf::jit::x64 {

std::optional<std::int64_t> Selector::constant(NodeId id) const {
    if (node(id).opcode != ir::Opcode::Constant) return std::nullopt;
    return node(id).imm;
}

// Immediates are 32 bits, sign-extended at 64. With blinding only bytes get into the code.
bool Selector::fits_imm(std::int64_t value, spec::Width width) const {
    if (width == spec::Width::W32) value = static_cast<std::int32_t>(value);
    if (options_.blind_constants) return value >= -128 && value <= 127;
    return value == static_cast<std::int32_t>(value);
}

bool Selector::fits_disp(std::int64_t disp) const {
    if (options_.blind_constants) return disp == static_cast<std::int16_t>(disp);
    // Half of what the processor can add: the frame's place relative to the stack pointer, which only the
    // emitter knows, is added to it.
    constexpr std::int64_t kMost = std::int64_t{1} << 30U;
    return disp >= -kMost && disp <= kMost;
}

// Whether the node can be computed as part of the current one without being computed twice, and without
// being moved into a loop.
bool Selector::can_fold(NodeId id) const {
    const ir::BlockId block = node(id).block;
    const ir::BlockId here = node(current_).block;
    return use_count_[id] == 1 && node(id).opcode != ir::Opcode::Phi &&
           (block == here || function_.blocks[block].loop_depth == function_.blocks[here].loop_depth);
}

// Whether a load of exactly `bytes`, not sign-extended, can be done where the current node is.
bool Selector::can_fold_load(NodeId id, std::uint8_t bytes) const {
    const ir::Node& load = node(id);
    return load.opcode == ir::Opcode::Load && load.size == bytes && (!load.is_signed || bytes == 8) &&
           use_count_[id] == 1 && load.block == node(current_).block && epoch_[id] == epoch_[current_] &&
           !shape_.has_memory;
}

// The node's inputs become the current one's, and so keep their counts.
void Selector::fold(NodeId id) {
    use_count_[id] = kTakenIn;
}

bool Selector::imm_operand(NodeId id, spec::Width width) {
    const auto value = constant(id);
    if (!value || !fits_imm(*value, width)) return false;
    shape_.has_imm = true;
    shape_.imm = width == spec::Width::W32 ? static_cast<std::int32_t>(*value) : *value;
    return true;
}

// Whether `id` is a shift by 1 to 3 that can be an index with a scale; if so it is taken in.
bool Selector::split_scaled(NodeId id, NodeId& index, std::uint8_t& scale) {
    const ir::Node& shift = node(id);
    if (shift.opcode != ir::Opcode::Shl || shift.width != spec::Width::W64 || !can_fold(id)) return false;
    const auto count = constant(input(id, 1));
    if (!count || *count < 1 || *count > 3) return false;
    scale = static_cast<std::uint8_t>(*count);
    index = input(id, 0);
    fold(id);
    return true;
}

// Makes base + disp the memory operand, taking in what the processor can add.
void Selector::address(NodeId base, std::int64_t disp, Role role) {
    shape_.has_memory = true;
    NodeId index = ir::kNone;
    while (index == ir::kNone && !shape_.has_frame_base) {
        const ir::Node& it = node(base);
        if (it.opcode == ir::Opcode::FrameAddress) {
            shape_.has_frame_base = true;
            disp += it.imm;
            break;
        }
        if (it.opcode != ir::Opcode::Add || it.width != spec::Width::W64 || !can_fold(base)) break;
        NodeId left = input(base, 0);
        NodeId right = input(base, 1);
        if (const auto value = constant(right); value && fits_disp(disp + *value)) {
            fold(base);
            disp += *value;
            base = left;
            continue;
        }
        if (constant(right) || constant(left)) break;
        fold(base);
        if (node(right).opcode == ir::Opcode::FrameAddress) std::swap(left, right);
        if (node(left).opcode == ir::Opcode::FrameAddress) {
            shape_.has_frame_base = true;
            disp += node(left).imm;
            index = right;
        } else if (!split_scaled(right, index, shape_.scale) && split_scaled(left, index, shape_.scale)) {
            left = right;
        } else if (index == ir::kNone) {
            index = right;
        }
        base = left;
    }
    if (shape_.has_frame_base && index != ir::kNone) split_scaled(index, index, shape_.scale);
    if (fits_disp(disp)) {
        shape_.disp = static_cast<std::int32_t>(disp);
    } else {
        shape_.wide_disp = disp;
        shape_.address_temporary = add(ir::kNone, Role::Temporary, Policy::InRegister);
    }
    if (!shape_.has_frame_base) shape_.base = use(base, Policy::InRegister, role);
    if (index != ir::kNone) shape_.index = use(index, Policy::InRegister, role);
}

void Selector::fold_load(NodeId id, Role role) {
    shape_.memory_bytes = node(id).size;
    fold(id);
    address(input(id, 0), node(id).imm, role);
}

}  // namespace ebpf::jit::x64
