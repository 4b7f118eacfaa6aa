// SPDX-License-Identifier: MIT
#include "analysis/liveness.hpp"

#include "spec/helpers.hpp"

namespace ebpf::analysis {
namespace {

using spec::Family;

constexpr unsigned bit(unsigned reg) {
    return 1U << reg;
}
constexpr unsigned kArguments = bit(1) | bit(2) | bit(3) | bit(4) | bit(5);
constexpr unsigned kAll = 0x7ff;

struct Use {
    unsigned reads = 0;
    unsigned writes = 0;
};

unsigned arguments_of(std::int64_t helper_id) {
    const spec::HelperSpec* helper = spec::find_helper(static_cast<std::uint32_t>(helper_id));
    if (helper == nullptr) return kArguments;
    unsigned reads = 0;
    for (unsigned i = 0; i < helper->arguments.size(); ++i) {
        if (helper->arguments[i] != spec::ArgKind::None) reads |= bit(i + 1);
    }
    return reads;
}

Use use_of(const isa::Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    Use use;
    if (form.reads_dst) use.reads |= bit(instruction.dst);
    if (form.reads_src) use.reads |= bit(instruction.src);
    if (form.writes_dst) use.writes |= bit(instruction.dst);
    if (form.writes_src) use.writes |= bit(instruction.src);
    if (form.family == Family::Atomic && form.atomic == spec::AtomicOp::Cmpxchg) {
        use.reads |= bit(0);
        use.writes |= bit(0);
    }
    if (form.family == Family::CallHelper) use = {arguments_of(instruction.imm), kArguments | bit(0)};
    if (form.family == Family::CallLocal) use = {kArguments, kArguments | bit(0)};
    if (form.family == Family::CallKfunc || form.family == Family::CallRegister) use = {kAll, 0};
    if (form.family == Family::PacketAbs || form.family == Family::PacketInd) {
        use.reads |= bit(6);
        use.writes |= kArguments | bit(0);
    }
    if (form.family == Family::Exit) use.reads |= bit(0);
    return use;
}

unsigned live_before(std::span<const isa::Instruction> code, const Block& block, unsigned live) {
    for (std::uint32_t slot = block.last + 1; slot > block.first; --slot) {
        const isa::Instruction& instruction = code[slot - 1];
        if (instruction.spec().family == Family::WideTail) continue;
        const Use use = use_of(instruction);
        live = (live & ~use.writes) | use.reads;
    }
    return live | bit(spec::kFramePointer);
}

}  // namespace

std::vector<RegisterSet> live_registers(std::span<const isa::Instruction> code, const Graph& graph) {
    std::vector<RegisterSet> live(graph.blocks.size(), 0);
    bool has_changed = true;
    while (has_changed) {  // sets only grow: at most 11 rounds a block, few in practice as blocks are taken
                           // last first
        has_changed = false;
        for (std::size_t i = graph.blocks.size(); i > 0; --i) {
            const Block& block = graph.blocks[i - 1];
            unsigned after = 0;
            for (const std::uint32_t successor : block.successors) {
                if (successor != kNone) after |= live[successor];
            }
            const auto before = static_cast<RegisterSet>(live_before(code, block, after));
            if (before == live[i - 1]) continue;
            live[i - 1] = before;
            has_changed = true;
        }
    }
    return live;
}

}  // namespace ebpf::analysis
