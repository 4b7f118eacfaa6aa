// SPDX-License-Identifier: MIT
#include "reduce.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace ebpf::oracle {
namespace {

/// Returns the slot that the instruction names, or nothing.
std::optional<std::int64_t> target_of(const isa::Instruction& instruction, std::size_t slot) {
    const spec::FormSpec& form = instruction.spec();
    const auto at = static_cast<std::int64_t>(slot);
    if (isa::takes_code_address(instruction)) return isa::code_address_target(instruction, at);
    if (form.may_jump || form.family == spec::Family::CallLocal)
        return isa::jump_target(instruction, form, at);
    return {};
}

class Reducer {
  public:
    Reducer(Generated program, const ShowsFault& shows_fault, std::size_t most_attempts)
        : best_(std::move(program)), shows_fault_(shows_fault), attempts_left_(most_attempts) {}

    Generated reduce() {
        bool has_changed = true;
        while (has_changed && attempts_left_ != 0) {
            has_changed = drop_targets();
            has_changed |= shrink([](Generated& program) -> Body& { return program; });
            for (std::size_t i = 0; i < best_.targets.size(); ++i)
                has_changed |= shrink([i](Generated& program) -> Body& { return program.targets[i].body; });
            has_changed |= drop_contents();
        }
        return std::move(best_);
    }

  private:
    bool attempt(Generated candidate) {
        if (attempts_left_ == 0) return false;
        --attempts_left_;
        if (!shows_fault_(candidate)) return false;
        best_ = std::move(candidate);
        return true;
    }

    bool drop_targets() {
        bool has_changed = false;
        for (std::size_t i = best_.targets.size(); i-- > 0;) {
            Generated candidate = best_;
            candidate.targets.erase(candidate.targets.begin() + static_cast<std::ptrdiff_t>(i));
            has_changed |= attempt(std::move(candidate));
        }
        return has_changed;
    }

    template <typename Select>
    bool shrink(Select select) {
        bool has_changed = false;
        for (std::size_t count = select(best_).code.size() / 2; count != 0; count /= 2) {
            for (std::size_t end = select(best_).code.size(); end >= count && attempts_left_ != 0;) {
                Generated candidate = best_;
                Body& body = select(candidate);
                body = without(body, end - count, count);
                if (attempt(std::move(candidate))) has_changed = true;
                end -= std::min(count, end);
                end = std::min(end, select(best_).code.size());
                if (end == 0) break;
            }
        }
        return has_changed | simplify(select);
    }

    // Other registers and numbers that say less: constants for values, 0 and 1 for constants.
    template <typename Select>
    bool simplify(Select select) {
        bool has_changed = false;
        for (std::size_t slot = 0; slot < select(best_).code.size(); ++slot) {
            const isa::Instruction instruction = select(best_).code[slot];
            const spec::FormSpec& form = instruction.spec();
            if (form.slots == 0 || form.imm != spec::FieldRule::Any ||
                form.family == spec::Family::CallHelper)
                continue;
            if (form.family == spec::Family::LoadImm64 && form.wide != spec::WideKind::Value) continue;
            for (const std::int64_t simple : {0, 1, 2}) {
                if (instruction.imm >= 0 && instruction.imm <= simple) break;
                Generated candidate = best_;
                select(candidate).code[slot].imm = simple;
                if (!attempt(std::move(candidate))) continue;
                has_changed = true;
                break;
            }
        }
        return has_changed;
    }

    bool drop_contents() {
        bool has_changed = false;
        for (std::size_t map = 0; map < best_.maps.size(); ++map) {
            Generated candidate = best_;
            candidate.maps[map].contents.clear();
            if (!best_.maps[map].contents.empty()) has_changed |= attempt(std::move(candidate));
        }
        for (std::size_t i = 0; i < best_.memory.size(); i += 8) {
            Generated candidate = best_;
            const auto end = std::min(i + 8, candidate.memory.size());
            bool is_zero = true;
            for (std::size_t at = i; at < end; ++at)
                is_zero &= std::exchange(candidate.memory[at], std::byte{0}) == std::byte{0};
            if (!is_zero) has_changed |= attempt(std::move(candidate));
        }
        return has_changed;
    }

    Generated best_;
    const ShowsFault& shows_fault_;
    std::size_t attempts_left_;
};

}  // namespace

Body without(const Body& body, std::size_t first, std::size_t count) {
    std::vector<bool> goes(body.code.size());
    for (std::size_t slot = 0; slot < body.code.size(); ++slot) {
        if (slot < first || slot >= first + count) continue;
        goes[slot] = true;
        if (body.code[slot].spec().slots == 0 && slot != 0) goes[slot - 1] = true;
        if (body.code[slot].spec().slots == 2) goes[slot + 1] = true;
    }
    std::vector<std::int64_t> places(body.code.size() +
                                     1);  // where what was at a slot, or follows it, is now
    std::int64_t place = 0;
    for (std::size_t slot = 0; slot < body.code.size(); ++slot) {
        places[slot] = place;
        if (!goes[slot]) ++place;
    }
    places[body.code.size()] = place;
    Body result;
    for (std::size_t slot = 0; slot < body.code.size(); ++slot) {
        if (goes[slot]) continue;
        isa::Instruction instruction = body.code[slot];
        const spec::FormSpec& form = instruction.spec();
        if (const auto target = target_of(instruction, slot)) {
            const auto distance = places[static_cast<std::size_t>(*target)] - places[slot] - 1;
            if (isa::takes_code_address(instruction)) {
                instruction.imm = static_cast<std::uint32_t>(distance);
            } else if (form.imm == spec::FieldRule::JumpTarget) {
                instruction.imm = distance;
            } else {
                instruction.offset = static_cast<std::int16_t>(distance);
            }
        }
        const auto at = static_cast<std::uint32_t>(slot);
        if (std::ranges::find(body.context_slots, at) != body.context_slots.end())
            result.context_slots.push_back(static_cast<std::uint32_t>(result.code.size()));
        result.code.push_back(instruction);
    }
    return result;
}

Generated reduce(Generated program, const ShowsFault& shows_fault, std::size_t most_attempts) {
    return Reducer(std::move(program), shows_fault, most_attempts).reduce();
}

}  // namespace ebpf::oracle
