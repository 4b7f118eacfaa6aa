// SPDX-License-Identifier: MIT
#include "native/loops.hpp"

#include <vector>

#include "isa/opposite.hpp"

namespace ebpf::native {
namespace {

using spec::AluOp;
using spec::Family;
using spec::JumpOp;
using spec::Source;

constexpr std::int64_t kHighest = std::int64_t{1} << 31U;  // of counters: sums of two cannot overflow

struct Jump {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
};

bool is_inside(const Loop& loop, std::uint32_t slot) {
    return slot >= loop.header && slot <= loop.last;
}

std::vector<Jump> jumps_of(const isa::Code& code, Range range) {
    std::vector<Jump> jumps;
    for (std::uint32_t slot = range.begin; slot < range.end; ++slot) {
        const spec::FormSpec& form = code[slot].spec();
        if (form.may_jump)
            jumps.push_back({slot, static_cast<std::uint32_t>(isa::jump_target(code[slot], form, slot))});
    }
    return jumps;
}

bool is_entered_elsewhere(const Loop& loop, const std::vector<Jump>& jumps) {
    for (const Jump& jump : jumps) {
        if (jump.to != loop.header && is_inside(loop, jump.to) && !is_inside(loop, jump.from)) return true;
    }
    return false;
}

std::uint32_t test_of(const isa::Code& code, const Loop& loop, const std::vector<Jump>& jumps) {
    if (code[loop.last].spec().family != Family::Goto || loop.last == loop.header) return loop.last;
    const std::uint32_t before = loop.last - 1;
    const spec::FormSpec& form = code[before].spec();
    if (form.family != Family::Branch || isa::jump_target(code[before], form, before) != loop.last + 1)
        return loop.last;
    for (const Jump& jump : jumps) {
        if (jump.to == loop.last) return loop.last;
    }
    return before;
}

bool is_straight(const isa::Code& code, const Loop& loop) {
    for (std::uint32_t slot = loop.header; slot < loop.test; ++slot) {
        const spec::FormSpec& form = code[slot].spec();
        if (form.may_jump || form.ends_block || form.is_call) return false;
    }
    return true;
}

bool writes(const isa::Instruction& instruction, std::uint8_t number) {
    Values values{};
    values[number] = {Value::Kind::Map, 1};
    const Values before = values;
    step(values, instruction);
    return values[number] != before[number];
}

/// Returns the only slot of the loop that changes the register, if each round passes it once before the test.
std::optional<std::uint32_t> step_slot(const isa::Code& code, const Loop& loop, std::uint8_t number) {
    std::optional<std::uint32_t> found;
    for (std::uint32_t slot = loop.header; slot < loop.test; ++slot) {
        if (!writes(code[slot], number)) continue;
        if (found) return {};
        found = slot;
    }
    if (!found) return {};
    for (const Jump& jump : jumps_of(code, {loop.header, loop.test})) {
        if (!is_inside(loop, jump.to)) continue;
        const bool stays_before = jump.from < *found && jump.to <= *found;
        const bool stays_behind = jump.from > *found && jump.to > *found;
        if (jump.to == loop.header || jump.to > loop.test || (!stays_before && !stays_behind)) return {};
    }
    return found;
}

/// Rounds of `do at += step; while (at op limit)`, if all that `at` comes to lies in [0, 2^32).
std::optional<std::uint64_t> rounds_of(std::int64_t start, std::int64_t step, JumpOp op, std::int64_t limit) {
    const bool is_up = step > 0;
    const std::int64_t size = is_up ? step : -step;
    std::int64_t distance = is_up ? limit - start : start - limit;
    if (op == JumpOp::Ne) {
        if (distance <= 0 || distance % size != 0) return {};
        return static_cast<std::uint64_t>(distance / size);
    }
    if (op != (is_up ? JumpOp::Lt : JumpOp::Gt) && op != (is_up ? JumpOp::Le : JumpOp::Ge)) return {};
    if (op == JumpOp::Le || op == JumpOp::Ge) ++distance;
    const std::int64_t rounds = distance <= size ? 1 : (distance + size - 1) / size;
    if (!is_up && rounds * size > start) return {};
    return static_cast<std::uint64_t>(rounds);
}

}  // namespace

std::map<std::uint32_t, Loop> find_loops(const isa::Code& code, Range range) {
    const std::vector<Jump> jumps = jumps_of(code, range);
    std::map<std::uint32_t, Loop> loops;
    for (const Jump& jump : jumps) {
        // The last jump back is the loop's end; those before it remain jumps.
        if (jump.to <= jump.from) loops[jump.to] = {jump.to, jump.from, jump.from, false};
    }
    for (auto at = loops.begin(); at != loops.end();) {
        Loop& loop = at->second;
        if (is_entered_elsewhere(loop, jumps)) {
            at = loops.erase(at);
            continue;
        }
        loop.test = test_of(code, loop, jumps);
        loop.is_straight = is_straight(code, loop);
        ++at;
    }
    return loops;
}

std::optional<std::uint64_t> count_rounds(const isa::Code& code, const Loop& loop, const Values& before) {
    const isa::Instruction& test = code[loop.test];
    const spec::FormSpec& form = test.spec();
    if (form.family != Family::Branch || form.source != Source::Imm || form.jump == JumpOp::Set) return {};
    const Value start = before[test.dst];
    if (start.kind != Value::Kind::Number || start.number < 0 || start.number >= kHighest || test.imm < 0)
        return {};
    const auto slot = step_slot(code, loop, test.dst);
    if (!slot) return {};
    const spec::FormSpec& change = code[*slot].spec();
    const bool is_sum = change.family == Family::Alu && change.source == Source::Imm &&
                        (change.alu == AluOp::Add || change.alu == AluOp::Sub);
    if (!is_sum || code[*slot].imm == 0) return {};
    const std::int64_t step = change.alu == AluOp::Add ? code[*slot].imm : -code[*slot].imm;
    const JumpOp op = loop.test == loop.last ? form.jump : isa::opposite(form.jump);
    return rounds_of(start.number, step, op, test.imm);
}

}  // namespace ebpf::native
