// SPDX-License-Identifier: MIT
#include "native/values.hpp"

#include <vector>

namespace ebpf::native {
namespace {

using spec::AluOp;
using spec::Family;
using spec::Source;
using spec::Width;

constexpr std::int64_t kFarthest = std::int64_t{1} << 20U;  // no frame is that large: sums cannot overflow

Value moved(const Value& value, std::int64_t distance) {
    const auto is_near = [](std::int64_t number) { return number > -kFarthest && number < kFarthest; };
    if (value.kind != Value::Kind::Frame || !is_near(value.number) || !is_near(distance)) return {};
    const std::int64_t number = value.number + distance;
    return is_near(number) ? Value{Value::Kind::Frame, number} : Value{};
}

Value result_of(const Values& values, const isa::Instruction& instruction, const spec::FormSpec& form) {
    if (form.family == Family::LoadImm64) {
        if (form.wide == spec::WideKind::Value) return {Value::Kind::Number, instruction.imm};
        if (form.wide != spec::WideKind::MapIndex) return {};
        return {Value::Kind::Map, instruction.imm & 0xffffffff};
    }
    if (form.family == Family::Alu && form.alu == AluOp::Mov && form.source == Source::Imm) {
        const bool is_narrow = form.width == Width::W32;
        return {Value::Kind::Number, is_narrow ? instruction.imm & 0xffffffff : instruction.imm};
    }
    if (form.family != Family::Alu || form.width != Width::W64) return {};
    if (form.source == Source::Reg) return form.alu == AluOp::Mov ? values[instruction.src] : Value{};
    if (form.alu == AluOp::Add) return moved(values[instruction.dst], instruction.imm);
    if (form.alu == AluOp::Sub) return moved(values[instruction.dst], -instruction.imm);
    return {};
}

/// Lets `into` hold only what `other` says too. Returns whether that changed it.
bool join(Values& into, const Values& other) {
    bool is_changed = false;
    for (std::size_t i = 0; i < into.size(); ++i) {
        if (into[i] == other[i] || into[i] == Value{}) continue;
        into[i] = {};
        is_changed = true;
    }
    return is_changed;
}

std::uint32_t target_of(const isa::Instruction& instruction, std::uint32_t slot) {
    return static_cast<std::uint32_t>(isa::jump_target(instruction, instruction.spec(), slot));
}

/// One pass over straight-line code at a time, from the joins that are due.
class Solver {
  public:
    Solver(const isa::Code& code, Range range)
        : code_(code), range_(range), is_join_(range.end - range.begin) {
        for (std::uint32_t slot = range.begin; slot < range.end; ++slot) {
            const spec::FormSpec& form = code[slot].spec();
            if (form.may_jump) is_join_[target_of(code[slot], slot) - range.begin] = true;
            if (form.ends_block && slot + 1 < range.end) is_join_[slot + 1 - range.begin] = true;
        }
    }

    std::map<std::uint32_t, Values> solve() {
        reach(range_.begin, initial_values());
        while (!due_.empty()) {
            const std::uint32_t slot = due_.back();
            due_.pop_back();
            follow(slot, joins_.at(slot));
        }
        return std::move(joins_);
    }

  private:
    void reach(std::uint32_t slot, const Values& values) {
        const auto [found, is_new] = joins_.try_emplace(slot, values);
        if (is_new || join(found->second, values)) due_.push_back(slot);
    }

    void follow(std::uint32_t slot, Values values) {
        while (true) {
            const isa::Instruction& instruction = code_[slot];
            const spec::FormSpec& form = instruction.spec();
            if (form.may_jump) reach(target_of(instruction, slot), values);
            if (form.ends_block) return;
            step(values, instruction);
            ++slot;
            if (slot == range_.end) return;
            if (is_join_[slot - range_.begin]) return reach(slot, values);
        }
    }

    const isa::Code& code_;
    Range range_;
    std::vector<bool> is_join_;
    std::map<std::uint32_t, Values> joins_;
    std::vector<std::uint32_t> due_;
};

}  // namespace

Values initial_values() {
    Values values{};
    values[spec::kFramePointer].kind = Value::Kind::Frame;
    return values;
}

void step(Values& values, const isa::Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    if (form.is_call) {
        for (std::size_t i = 0; i <= 5; ++i) values[i] = {};
        return;
    }
    const Value result = result_of(values, instruction, form);
    if (form.writes_dst) values[instruction.dst] = result;
    if (form.writes_src) values[instruction.src] = {};
    const bool writes_r0 = form.family == Family::PacketAbs || form.family == Family::PacketInd ||
                           (form.family == Family::Atomic && form.atomic == spec::AtomicOp::Cmpxchg);
    if (writes_r0) values[0] = {};
    if (form.family == Family::PacketAbs || form.family == Family::PacketInd) {
        for (std::size_t i = 1; i <= 5; ++i) values[i] = {};
    }
}

std::map<std::uint32_t, Values> values_at_joins(const isa::Code& code, Range range) {
    return Solver(code, range).solve();
}

}  // namespace ebpf::native
