// SPDX-License-Identifier: MIT
#include "ir/slot_blocks.hpp"

#include <algorithm>
#include <utility>

#include "spec/helpers.hpp"

namespace ebpf::ir {
namespace {

using spec::Family;

constexpr RegisterMask bit(unsigned number) {
    return static_cast<RegisterMask>(1U << number);
}

/// r1..r<count>.
constexpr RegisterMask arguments(unsigned count) {
    return static_cast<RegisterMask>(((1U << count) - 1U) << 1U);
}

/// Finds blocks and follows them from the entry.
class Finder {
  public:
    Finder(const isa::Code& code, const Subprogram& part)
        : code_(code), part_(part), block_at_(part.end - part.begin, kNone), starts_(part.end - part.begin) {}

    std::vector<SlotBlock> find() {
        mark_starts();
        walk();
        std::ranges::reverse(blocks_);
        const auto count = static_cast<std::uint32_t>(blocks_.size());
        for (SlotBlock& block : blocks_) {
            for (std::uint32_t& successor : block.successors) {
                if (successor != kNone)
                    successor = count - 1 - post_number_[block_at_[successor - part_.begin]];
            }
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            for (const std::uint32_t successor : blocks_[i].successors) {
                if (successor != kNone) blocks_[successor].predecessors.push_back(i);
            }
        }
        return std::move(blocks_);
    }

  private:
    void mark_starts() {
        starts_[0] = true;
        for (std::uint32_t slot = part_.begin; slot < part_.end; ++slot) {
            const spec::FormSpec& form = code_[slot].spec();
            if (form.may_jump) starts_[target_of(code_[slot], slot) - part_.begin] = true;
            const bool ends = form.may_jump || form.ends_block;
            if (ends && slot + 1 < part_.end) starts_[slot + 1 - part_.begin] = true;
        }
    }

    /// Makes the block at `slot`, with successors as slots.
    SlotBlock make(std::uint32_t slot) const {
        SlotBlock block;
        block.begin = slot;
        std::uint32_t last = slot;
        for (;;) {
            const std::uint32_t next = last + std::max<std::uint32_t>(1, code_[last].spec().slots);
            const spec::FormSpec& form = code_[last].spec();
            if (form.may_jump || form.ends_block || starts_[next - part_.begin]) {
                block.end = next;
                break;
            }
            last = next;
        }
        const spec::FormSpec& form = code_[last].spec();
        unsigned count = 0;
        if (form.may_jump) block.successors[count++] = target_of(code_[last], last);
        if (!form.ends_block && block.end != block.successors[0]) block.successors[count++] = block.end;
        return block;
    }

    // Depth first; blocks_ gets them in postorder.
    void walk() {
        struct Visit {
            SlotBlock block;
            std::uint32_t number;
            unsigned next = 0;
        };
        std::vector<Visit> stack;
        const auto enter = [&](std::uint32_t slot) {
            if (block_at_[slot - part_.begin] != kNone) return;
            const auto number = static_cast<std::uint32_t>(post_number_.size());
            block_at_[slot - part_.begin] = number;
            post_number_.push_back(kNone);
            stack.push_back({make(slot), number});
        };
        enter(part_.begin);
        while (!stack.empty()) {
            Visit& top = stack.back();
            // The branch's target last, so that what follows the branch comes right after it.
            if (top.next < 2) {
                const std::uint32_t successor = top.block.successors[top.next++];
                if (successor != kNone) enter(successor);
                continue;
            }
            post_number_[top.number] = static_cast<std::uint32_t>(blocks_.size());
            blocks_.push_back(std::move(top.block));
            stack.pop_back();
        }
    }

    const isa::Code& code_;
    const Subprogram& part_;
    std::vector<std::uint32_t> block_at_;     ///< by slot: number of the block's discovery
    std::vector<std::uint32_t> post_number_;  ///< by number of discovery
    std::vector<bool> starts_;
    std::vector<SlotBlock> blocks_;
};

void find_live(std::vector<SlotBlock>& blocks) {
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
            RegisterMask live = 0;
            for (const std::uint32_t successor : block->successors) {
                if (successor != kNone) live |= blocks[successor].live_in;
            }
            const auto live_in = static_cast<RegisterMask>(block->reads | (live & ~block->writes));
            is_changed = is_changed || live_in != block->live_in;
            block->live_in = live_in;
        }
    }
}

}  // namespace

unsigned helper_arguments(std::int64_t id) {
    constexpr unsigned kMost = 5;
    const spec::HelperSpec* row = id < 0 ? nullptr : spec::find_helper(static_cast<std::uint32_t>(id));
    if (row == nullptr) return kMost;
    unsigned count = kMost;
    while (count > 0 && row->arguments[count - 1] == spec::ArgKind::None) --count;
    return count;
}

RegisterUse registers_of(const isa::Instruction& instruction, unsigned callee_parameters) {
    const spec::FormSpec& form = instruction.spec();
    RegisterUse use;
    if (form.reads_dst) use.reads |= bit(instruction.dst);
    if (form.reads_src) use.reads |= bit(instruction.src);
    if (form.writes_dst) use.writes |= bit(instruction.dst);
    if (form.writes_src) use.writes |= bit(instruction.src);
    if (form.family == Family::CallHelper) return {arguments(helper_arguments(instruction.imm)), bit(0)};
    if (form.family == Family::CallLocal) return {arguments(callee_parameters), bit(0)};
    if (form.family == Family::PacketAbs) return {0, bit(0)};
    if (form.family == Family::PacketInd) return {bit(instruction.src), bit(0)};
    if (form.family == Family::Exit) return {bit(0), 0};
    if (form.family == Family::Atomic) {
        use.reads = static_cast<RegisterMask>(bit(instruction.dst) | bit(instruction.src));
        use.writes = form.fetch ? bit(instruction.src) : RegisterMask{0};
        if (form.atomic == spec::AtomicOp::Cmpxchg) {
            use.reads |= bit(0);
            use.writes = bit(0);
        }
    }
    return use;
}

std::vector<SlotBlock> find_blocks(const isa::Code& code, const Layout& layout, const Subprogram& part) {
    auto blocks = Finder(code, part).find();
    for (SlotBlock& block : blocks) {
        for (std::uint32_t slot = block.begin; slot < block.end; ++slot) {
            const bool is_call = code[slot].spec().family == Family::CallLocal;
            const unsigned parameters =
                is_call ? layout.subprograms[layout.at(target_of(code[slot], slot))].parameter_count : 0;
            const RegisterUse use = registers_of(code[slot], parameters);
            block.reads |= static_cast<RegisterMask>(use.reads & ~block.writes);
            block.writes |= use.writes;
        }
    }
    find_live(blocks);
    return blocks;
}

}  // namespace ebpf::ir
