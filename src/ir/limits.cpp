// SPDX-License-Identifier: MIT
// Upper bounds of values, taken as unsigned.
#include <algorithm>
#include <bit>

#include "ir/simplify.hpp"

namespace ebpf::ir {
namespace {

constexpr std::uint64_t kAny = ~std::uint64_t{0};
constexpr std::uint64_t kHalf = 0xffffffff;

std::uint64_t all_ones(std::uint64_t limit) {
    return limit == 0 ? 0 : kAny >> static_cast<unsigned>(std::countl_zero(limit));
}

std::uint64_t of_bytes(unsigned size) {
    return size >= 8 ? kAny : (std::uint64_t{1} << (size * 8U)) - 1U;
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
    return a + b < a ? kAny : a + b;
}

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
    const int bits = static_cast<int>(std::bit_width(a)) + static_cast<int>(std::bit_width(b));
    return bits > 64 ? kAny : a * b;
}

std::uint64_t shifted_left(std::uint64_t a, std::uint64_t count) {
    return static_cast<int>(std::bit_width(a)) + static_cast<int>(count) > 64 ? kAny : a << count;
}

/// Of operators that have two inputs; bounds of W32 inputs are those of their low halves.
std::uint64_t of_operator(const Draft& draft, std::uint64_t a, std::uint64_t b, bool is_b_constant) {
    const unsigned mask = draft.bits() - 1;
    switch (draft.node.opcode) {
        case Opcode::Add:
            return sum(a, b);
        case Opcode::Mul:
            return product(a, b);
        case Opcode::UDiv:
            return is_b_constant && b != 0 ? a / b : a;
        case Opcode::UMod:
            return is_b_constant && b != 0 ? std::min(a, b - 1) : a;
        case Opcode::And:
            return std::min(a, b);
        case Opcode::Or:
        case Opcode::Xor:
            return all_ones(a | b);
        case Opcode::Shl:
            return is_b_constant ? shifted_left(a, b & mask) : kAny;
        case Opcode::Shr:
            return is_b_constant ? a >> (b & mask) : a;
        case Opcode::Sar:
            // Without the sign bit it is a plain shift.
            return a <= draft.mask() >> 1U ? (is_b_constant ? a >> (b & mask) : a) : kAny;
        case Opcode::Sub:
        case Opcode::SDiv:
        case Opcode::SMod:
        case Opcode::Constant:
        case Opcode::MapHandle:
        case Opcode::MapValue:
        case Opcode::Parameter:
        case Opcode::FrameAddress:
        case Opcode::CodeAddress:
        case Opcode::Negate:
        case Opcode::SignExtend:
        case Opcode::ZeroExtend:
        case Opcode::ByteSwap:
        case Opcode::Compare:
        case Opcode::Select:
        case Opcode::Load:
        case Opcode::Store:
        case Opcode::Atomic:
        case Opcode::LoadAcquire:
        case Opcode::StoreRelease:
        case Opcode::CallHelper:
        case Opcode::TailCall:
        case Opcode::CallLocal:
        case Opcode::MapLookup:
        case Opcode::PacketLoad:
        case Opcode::Phi:
        case Opcode::Jump:
        case Opcode::Branch:
        case Opcode::Return:
            break;
    }
    return kAny;
}

/// A bound that grows from round to round is raised to one that it cannot outgrow often.
std::uint64_t widened(std::uint64_t limit) {
    for (const unsigned size : {1U, 2U, 4U}) {
        if (limit <= of_bytes(size)) return of_bytes(size);
    }
    return kAny;
}

}  // namespace

std::uint64_t limit_of(const Function& function, const Draft& draft,
                       const std::vector<std::uint64_t>& limits) {
    const Node& node = draft.node;
    const bool is_narrow = draft.is_narrow();
    switch (node.opcode) {
        case Opcode::Constant:
            return static_cast<std::uint64_t>(node.imm);
        case Opcode::Compare:
            return 1;
        case Opcode::Select:
            return std::max(limits[draft.inputs[2]], limits[draft.inputs[3]]);
        case Opcode::ZeroExtend:
            return std::min(limits[draft.a()], of_bytes(node.size));
        case Opcode::ByteSwap:
        case Opcode::LoadAcquire:
        case Opcode::Atomic:
        case Opcode::PacketLoad:
            return of_bytes(node.size);
        case Opcode::Load:
            return node.is_signed ? kAny : of_bytes(node.size);
        case Opcode::SignExtend:
            if (limits[draft.a()] <= of_bytes(node.size) >> 1U) return limits[draft.a()];
            return is_narrow ? kHalf : kAny;
        case Opcode::Add:
        case Opcode::Sub:
        case Opcode::Mul:
        case Opcode::UDiv:
        case Opcode::SDiv:
        case Opcode::UMod:
        case Opcode::SMod:
        case Opcode::And:
        case Opcode::Or:
        case Opcode::Xor:
        case Opcode::Shl:
        case Opcode::Shr:
        case Opcode::Sar: {
            const std::uint64_t a = limits[draft.a()];
            const std::uint64_t b = limits[draft.b()];
            const bool is_known = function.is_constant(draft.b());
            if (!is_narrow) return of_operator(draft, a, b, is_known);
            const std::uint64_t low_b = is_known ? b & kHalf : std::min(b, kHalf);
            return std::min(kHalf, of_operator(draft, std::min(a, kHalf), low_b, is_known));
        }
        case Opcode::Negate:
            return is_narrow ? kHalf : kAny;
        case Opcode::MapHandle:
        case Opcode::MapValue:
        case Opcode::Parameter:
        case Opcode::FrameAddress:
        case Opcode::CodeAddress:
        case Opcode::Store:
        case Opcode::StoreRelease:
        case Opcode::CallHelper:
        case Opcode::TailCall:
        case Opcode::CallLocal:
        case Opcode::MapLookup:
        case Opcode::Phi:
        case Opcode::Jump:
        case Opcode::Branch:
        case Opcode::Return:
            break;
    }
    return kAny;
}

std::vector<std::uint64_t> find_limits(const Function& function) {
    constexpr unsigned kExactRounds = 2;
    constexpr unsigned kMostRounds = 12;
    std::vector<std::uint64_t> limits(function.nodes.size(), 0);
    bool has_loops = false;
    for (BlockId id = 0; id < function.blocks.size(); ++id) {
        for (const BlockId before : function.blocks[id].predecessors) has_loops = has_loops || before >= id;
    }
    bool is_changed = true;
    for (unsigned round = 0; is_changed && (has_loops || round == 0); ++round) {
        is_changed = false;
        for (const Block& block : function.blocks) {
            for (const NodeId id : block.nodes) {
                const Node& node = function.nodes[id];
                std::uint64_t limit = 0;
                if (node.opcode == Opcode::Phi) {
                    for (const NodeId value : function.inputs_of(node))
                        limit = std::max(limit, limits[value]);
                    if (limit > limits[id] && round >= kExactRounds)
                        limit = round < kMostRounds ? widened(limit) : kAny;
                } else {
                    limit = limit_of(function, Draft(function, node), limits);
                }
                // Bounds only grow, so that the rounds end.
                if (limit <= limits[id]) continue;
                limits[id] = limit;
                is_changed = true;
            }
        }
    }
    return limits;
}

}  // namespace ebpf::ir
