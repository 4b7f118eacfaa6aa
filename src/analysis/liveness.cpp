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
    if (form.family == Family::CallRegister) use = {kArguments | bit(instruction.dst), kArguments | bit(0)};
    if (form.family == Family::CallKfunc) use = {kAll, 0};
    if (form.family == Family::PacketAbs || form.family == Family::PacketInd) {
        use.reads |= bit(6);
        use.writes |= kArguments | bit(0);
    }
    if (form.family == Family::Exit) use.reads |= bit(0);
    return use;
}

/// What a whole block reads before it writes it, and what it writes.
Use use_of(std::span<const isa::Instruction> code, const Block& block) {
    Use all;
    for (std::uint32_t slot = block.first; slot <= block.last; ++slot) {
        if (code[slot].spec().family == Family::WideTail) continue;
        const Use use = use_of(code[slot]);
        all.reads |= use.reads & ~all.writes;
        all.writes |= use.writes;
    }
    all.reads |= bit(spec::kFramePointer);
    return all;
}

/// The blocks before each block: those of block b are sources[first[b]] up to sources[first[b + 1]].
struct Predecessors {
    std::vector<std::uint32_t> first;
    std::vector<std::uint32_t> sources;
};

Predecessors predecessors_of(const Graph& graph) {
    Predecessors result;
    result.first.push_back(0);
    for (const Block& block : graph.blocks) result.first.push_back(result.first.back() + block.predecessors);
    result.sources.resize(result.first.back());
    std::vector<std::uint32_t> next(result.first.begin(), result.first.end() - 1);
    for (std::uint32_t i = 0; i < graph.blocks.size(); ++i) {
        for (const std::uint32_t successor : graph.blocks[i].successors) {
            if (successor != kNone) result.sources[next[successor]++] = i;
        }
    }
    return result;
}

}  // namespace

// A block is taken again only when what is live behind it has grown, which each of the 11 registers does
// once: the order of blocks, which the program's author chooses, does not matter for the cost.
std::vector<RegisterSet> live_registers(std::span<const isa::Instruction> code, const Graph& graph) {
    const Predecessors before = predecessors_of(graph);
    std::vector<Use> uses;
    std::vector<RegisterSet> live;
    std::vector<std::uint32_t> work;
    for (std::uint32_t i = 0; i < graph.blocks.size(); ++i) {
        uses.push_back(use_of(code, graph.blocks[i]));
        live.push_back(static_cast<RegisterSet>(uses.back().reads));
        work.push_back(i);
    }
    std::vector<bool> is_waiting(graph.blocks.size(), true);
    while (!work.empty()) {
        const std::uint32_t block = work.back();
        work.pop_back();
        is_waiting[block] = false;
        for (std::uint32_t i = before.first[block]; i < before.first[block + 1]; ++i) {
            const std::uint32_t source = before.sources[i];
            const auto grown = static_cast<RegisterSet>(live[source] | (live[block] & ~uses[source].writes));
            if (grown == live[source]) continue;
            live[source] = grown;
            if (!is_waiting[source]) work.push_back(source);
            is_waiting[source] = true;
        }
    }
    return live;
}

}  // namespace ebpf::analysis
