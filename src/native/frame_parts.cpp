// SPDX-License-Identifier: MIT
#include "native/frame_parts.hpp"

#include <algorithm>

#include "spec/helpers.hpp"

namespace ebpf::native {
namespace {

using spec::Family;

constexpr std::int64_t kStackBytes = spec::kStackBytes;
constexpr std::size_t kMostJoins = 4096;  // a KiB each
constexpr unsigned kSizeBits = 4;

std::uint32_t target_of(const isa::Instruction& instruction, std::uint32_t slot) {
    return static_cast<std::uint32_t>(isa::jump_target(instruction, instruction.spec(), slot));
}

bool writes_memory(const spec::FormSpec& form) {
    return form.memory == spec::Access::Write || form.memory == spec::Access::ReadWrite;
}

/// The bytes of the frame that an instruction writes, whatever it is.
Part written_part(const isa::Instruction& instruction, const Values& values) {
    const Value& base = values[instruction.dst];
    const std::int64_t start = kStackBytes + base.number + instruction.offset;
    const std::uint32_t size = instruction.spec().size;
    if (base.kind != Value::Kind::Frame || start < 0 || start + size > kStackBytes) return {};
    return {static_cast<std::uint32_t>(start), size};
}

}  // namespace

Part stored_part(const isa::Instruction& instruction, const Values& values) {
    const Family family = instruction.spec().family;
    const bool is_plain = family == Family::StoreImm || family == Family::StoreReg;
    return is_plain ? written_part(instruction, values) : Part{};
}

FrameParts::FrameParts(const Input& input)
    : input_(input), is_join_(input.range.end - input.range.begin), values_(initial_values()) {
    const Range range = input.range;
    for (std::uint32_t slot = range.begin; slot < range.end; ++slot) {
        const spec::FormSpec& form = input.code[slot].spec();
        if (form.may_jump) is_join_[target_of(input.code[slot], slot) - range.begin] = true;
        if (form.ends_block && slot + 1 < range.end) is_join_[slot + 1 - range.begin] = true;
    }
    is_known_ = static_cast<std::size_t>(std::ranges::count(is_join_, true)) <= kMostJoins;
    if (!is_known_) return;
    reach(range.begin, State{});
    while (!due_.empty()) {
        const std::uint32_t slot = due_.back();
        due_.pop_back();
        follow(slot, states_.at(slot));
    }
}

void FrameParts::reach(std::uint32_t slot, const State& state) {
    const auto [found, is_new] = states_.try_emplace(slot, state);
    bool is_changed = is_new;
    for (std::size_t i = 0; i < state.size() && !is_new; ++i) {
        std::uint16_t& known = found->second[i];
        if (known == 0 || known == state[i]) continue;
        known = 0;
        is_changed = true;
    }
    if (is_changed) due_.push_back(slot);
}

void FrameParts::follow(std::uint32_t slot, State state) {
    Values values = input_.joins.at(slot);
    while (true) {
        const isa::Instruction& instruction = input_.code[slot];
        const spec::FormSpec& form = instruction.spec();
        step(state, values, slot);
        if (form.may_jump) reach(target_of(instruction, slot), state);
        if (form.ends_block) return;
        native::step(values, instruction);
        ++slot;
        if (slot == input_.range.end) return;
        if (is_join_[slot - input_.range.begin]) return reach(slot, state);
    }
}

void FrameParts::step(State& state, const Values& values, std::uint32_t slot) const {
    const isa::Instruction& instruction = input_.code[slot];
    const spec::FormSpec& form = instruction.spec();
    if (form.is_call) {
        const bool only_reads = form.family == Family::CallHelper &&
                                instruction.imm == static_cast<std::int64_t>(spec::HelperId::map_lookup_elem);
        if (!only_reads) state.fill(0);
        return;
    }
    if (!writes_memory(form)) return;
    const Part written = written_part(instruction, values);
    if (written.size != 0) {
        const bool is_plain = stored_part(instruction, values).size != 0;
        const auto code = static_cast<std::uint16_t>(written.start << kSizeBits | written.size);
        std::fill_n(state.begin() + written.start, written.size, is_plain ? code : std::uint16_t{0});
        return;
    }
    const auto kind = slot < input_.accesses.size() ? input_.accesses[slot] : verifier::AccessKind::None;
    // None: of several kinds of memory, or never reached.
    if (kind == verifier::AccessKind::None || kind == verifier::AccessKind::Stack) state.fill(0);
}

void FrameParts::enter(std::uint32_t slot) {
    if (has_entered_) {
        step(state_, values_, slot_);
        native::step(values_, input_.code[slot_]);
    }
    has_entered_ = true;
    slot_ = slot;
    if (const auto known = input_.joins.find(slot); known != input_.joins.end()) values_ = known->second;
    if (const auto known = states_.find(slot); known != states_.end()) state_ = known->second;
}

std::vector<Part> FrameParts::find(std::int64_t start, std::int64_t size) const {
    std::vector<Part> parts;
    if (!is_known_ || start < 0 || start + size > kStackBytes) return parts;
    const auto end = static_cast<std::uint32_t>(start + size);
    for (auto at = static_cast<std::uint32_t>(start); at < end;) {
        const std::uint16_t code = state_[at];
        const Part part{at, code & ((1U << kSizeBits) - 1)};
        if (code == 0 || code >> kSizeBits != at || at + part.size > end) return {};
        const auto begin = state_.begin() + at;
        if (std::count(begin, begin + part.size, code) != static_cast<std::ptrdiff_t>(part.size)) return {};
        parts.push_back(part);
        at += part.size;
    }
    if (parts.size() < 2) parts.clear();
    return parts;
}

}  // namespace ebpf::native
