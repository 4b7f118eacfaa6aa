// SPDX-License-Identifier: MIT
#include "native/variables.hpp"

#include <utility>

#include "spec/helpers.hpp"

namespace ebpf::native {
namespace {

using spec::AluOp;
using spec::Family;
using spec::Source;
using spec::WideKind;
using spec::Width;

constexpr std::uint16_t kClobberedByCalls = 0x3e;  // r1..r5; r0 is the result

std::uint16_t bit(unsigned number) {
    return number < spec::kFramePointer ? static_cast<std::uint16_t>(1U << number) : std::uint16_t{0};
}

bool is_packet_load(const spec::FormSpec& form) {
    return form.family == Family::PacketAbs || form.family == Family::PacketInd;
}

std::uint32_t target_of(const isa::Instruction& instruction, std::uint32_t slot) {
    return static_cast<std::uint32_t>(isa::jump_target(instruction, instruction.spec(), slot));
}

}  // namespace

std::uint8_t written_register(const isa::Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    const bool is_exchange = form.family == Family::Atomic && form.atomic == spec::AtomicOp::Cmpxchg;
    if (form.is_call || is_packet_load(form) || is_exchange) return 0;
    if (form.writes_src) return instruction.src;
    return form.writes_dst ? instruction.dst : spec::kRegisterCount;
}

Variables::Variables(const VariableInput& input)
    : input_(input),
      live_(input.range.end - input.range.begin),
      is_join_(input.range.end - input.range.begin),
      parents_(kFirstOfSlots + (input.range.end - input.range.begin)),
      guesses_(parents_.size(), Guess::Nothing) {
    for (Id id = 0; id < parents_.size(); ++id) parents_[id] = id;
    for (Id id = 0; id < spec::kFramePointer; ++id) state_[id] = id;
    find_live();
    follow_paths();
    guess_types();
}

Variables::Id Variables::root_of(Id id) const {
    while (parents_[id] != id) {
        parents_[id] = parents_[parents_[id]];
        id = parents_[id];
    }
    return id;
}

void Variables::unite(Id a, Id b) {
    parents_[root_of(a)] = root_of(b);
}

std::uint16_t Variables::reads(std::uint32_t slot) const {
    const isa::Instruction& instruction = input_.code[slot];
    const spec::FormSpec& form = instruction.spec();
    std::uint16_t read = input_.arguments[slot - input_.range.begin];
    if (form.reads_dst) read |= bit(instruction.dst);
    if (form.reads_src) read |= bit(instruction.src);
    const bool is_exchange = form.family == Family::Atomic && form.atomic == spec::AtomicOp::Cmpxchg;
    if (form.family == Family::Exit || is_exchange) read |= bit(0);
    return read;
}

void Variables::find_live() {
    const Range range = input_.range;
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (std::uint32_t slot = range.end; slot-- > range.begin;) {
            const isa::Instruction& instruction = input_.code[slot];
            const spec::FormSpec& form = instruction.spec();
            std::uint16_t live = 0;
            if (!form.ends_block && slot + 1 < range.end) live = live_[slot + 1 - range.begin];
            if (form.may_jump) live |= live_[target_of(instruction, slot) - range.begin];
            if (form.is_call || is_packet_load(form)) live &= static_cast<std::uint16_t>(~kClobberedByCalls);
            live &= static_cast<std::uint16_t>(~bit(written_register(instruction)));
            live |= reads(slot);
            if (live == live_[slot - range.begin]) continue;
            live_[slot - range.begin] = live;
            is_changed = true;
        }
    }
}

void Variables::follow_paths() {
    const Range range = input_.range;
    for (std::uint32_t slot = range.begin; slot < range.end; ++slot) {
        const spec::FormSpec& form = input_.code[slot].spec();
        if (form.may_jump) is_join_[target_of(input_.code[slot], slot) - range.begin] = true;
        if (form.ends_block && slot + 1 < range.end) is_join_[slot + 1 - range.begin] = true;
    }
    reach(range.begin, state_);
    while (!due_.empty()) {
        const std::uint32_t slot = due_.back();
        due_.pop_back();
        follow(slot, joins_.at(slot));
    }
}

/// One visit of each join is enough: later ones only unite what is live there.
void Variables::reach(std::uint32_t slot, const State& state) {
    const auto [found, is_new] = joins_.try_emplace(slot, state);
    if (is_new) {
        due_.push_back(slot);
        return;
    }
    const std::uint16_t live = live_[slot - input_.range.begin];
    for (unsigned i = 0; i < spec::kFramePointer; ++i) {
        if ((live & bit(i)) != 0) unite(found->second[i], state[i]);
    }
}

void Variables::follow(std::uint32_t slot, State state) {
    while (true) {
        const isa::Instruction& instruction = input_.code[slot];
        const spec::FormSpec& form = instruction.spec();
        if (written_register(instruction) < spec::kFramePointer) {
            const Id dst = instruction.dst < spec::kFramePointer ? state[instruction.dst] : kFirstOfSlots;
            const Id src = instruction.src < spec::kFramePointer ? state[instruction.src] : kFirstOfSlots;
            operations_.push_back({slot, dst, src});
        }
        step(state, slot);
        if (form.may_jump) reach(target_of(instruction, slot), state);
        if (form.ends_block) return;
        ++slot;
        if (slot == input_.range.end) return;
        if (is_join_[slot - input_.range.begin]) return reach(slot, state);
    }
}

void Variables::step(State& state, std::uint32_t slot) const {
    const isa::Instruction& instruction = input_.code[slot];
    const spec::FormSpec& form = instruction.spec();
    if (form.is_call || is_packet_load(form)) {
        for (unsigned i = 1; i <= 5; ++i) state[i] = kClobbered;
    }
    const std::uint8_t written = written_register(instruction);
    if (written < spec::kFramePointer) state[written] = definition_of(slot);
}

Variables::Guess Variables::join(Guess a, Guess b) {
    if (a > b) std::swap(a, b);
    if (a == b || a == Guess::Nothing || a == Guess::Zero) return b;
    return Guess::Wide;
}

/// Guesses only become more general, so that this ends. What is left of Nothing is not told.
void Variables::guess_types() {
    for (Id id = 0; id <= kClobbered; ++id) {
        const bool is_context = id == 1 && input_.range.begin == 0;
        Guess& guess = guesses_[root_of(id)];
        guess = join(guess, is_context ? Guess::Pointer : Guess::Wide);
    }
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (const Operation& operation : operations_) {
            Guess& guess = guesses_[root_of(definition_of(operation.slot))];
            const Guess joined = join(guess, result_of(operation));
            if (joined == guess) continue;
            guess = joined;
            is_changed = true;
        }
    }
}

Variables::Guess Variables::guess_of(Id id) const {
    return guesses_[root_of(id)];
}

Variables::Guess Variables::result_of(const Operation& operation) const {
    const isa::Instruction& instruction = input_.code[operation.slot];
    const spec::FormSpec& form = instruction.spec();
    const auto sized = [&] { return form.size < sizeof(std::uint64_t) ? Guess::Narrow : Guess::Wide; };
    switch (form.family) {
        case Family::Alu:
            if (form.width == Width::W64) {
                const bool is_frame = instruction.src == spec::kFramePointer;
                return wide_result(instruction, form, guess_of(operation.dst),
                                   is_frame ? Guess::Pointer : guess_of(operation.src));
            }
            if (form.alu == AluOp::Mov && form.source == Source::Imm && instruction.imm == 0)
                return Guess::Zero;
            return Guess::Narrow;
        case Family::Negate:
        case Family::MoveSx:
            return form.width == Width::W32 ? Guess::Narrow : Guess::Wide;
        case Family::LoadImm64:
            if (form.wide == WideKind::MapIndexValue) return Guess::Pointer;
            if (form.wide != WideKind::Value || static_cast<std::uint64_t>(instruction.imm) >> 32U != 0)
                return Guess::Wide;
            return instruction.imm == 0 ? Guess::Zero : Guess::Narrow;
        case Family::Load: {
            // Lowered code reads 8 bytes of its context where they are an address.
            const bool is_context = operation.slot < input_.accesses.size() &&
                                    input_.accesses[operation.slot] == verifier::AccessKind::Context;
            return is_context && sized() == Guess::Wide ? Guess::Pointer : sized();
        }
        case Family::ByteOrder:
        case Family::LoadAcquire:
        case Family::Atomic:
            return sized();
        case Family::PacketAbs:
        case Family::PacketInd:
            return Guess::Narrow;
        case Family::CallHelper:
            return instruction.imm == static_cast<std::int64_t>(spec::HelperId::map_lookup_elem)
                       ? Guess::Pointer
                       : Guess::Wide;
        case Family::WideTail:
        case Family::LoadSx:
        case Family::StoreImm:
        case Family::StoreReg:
        case Family::StoreRelease:
        case Family::Goto:
        case Family::Branch:
        case Family::CallLocal:
        case Family::CallKfunc:
        case Family::CallRegister:
        case Family::Exit:
            break;
    }
    return Guess::Wide;
}

/// An operator on 64 bits. A sum of an address and a number is an address, which C adds to in its own way.
Variables::Guess Variables::wide_result(const isa::Instruction& instruction, const spec::FormSpec& form,
                                        Guess dst, Guess src) {
    const auto is_narrow = [](Guess guess) { return guess == Guess::Zero || guess == Guess::Narrow; };
    if (form.source == Source::Imm) {
        const bool is_positive = instruction.imm >= 0;
        src = is_positive ? Guess::Narrow : Guess::Wide;
        if (form.alu == AluOp::Mov) return instruction.imm == 0 ? Guess::Zero : src;
        if (form.alu == AluOp::Rsh && (instruction.imm & 63) >= 32) return Guess::Narrow;
    }
    if (form.alu == AluOp::Mov) return src;
    if (form.alu == AluOp::And && (is_narrow(dst) || is_narrow(src))) return Guess::Narrow;
    if (dst == Guess::Nothing || src == Guess::Nothing) return Guess::Nothing;
    switch (form.alu) {
        case AluOp::Add:
            if ((dst == Guess::Pointer) != (src == Guess::Pointer)) return Guess::Pointer;
            break;
        case AluOp::Sub:
            if (dst == Guess::Pointer && src != Guess::Pointer) return Guess::Pointer;
            break;
        case AluOp::Or:
        case AluOp::Xor:
            if (is_narrow(dst) && is_narrow(src)) return Guess::Narrow;
            break;
        case AluOp::Rsh:
            if (is_narrow(dst)) return Guess::Narrow;
            break;
        case AluOp::Mul:
        case AluOp::Div:
        case AluOp::SDiv:
        case AluOp::And:
        case AluOp::Lsh:
        case AluOp::Mod:
        case AluOp::SMod:
        case AluOp::Mov:
        case AluOp::Arsh:
            break;
    }
    return Guess::Wide;
}

Type Variables::type_of(Id id) const {
    switch (guess_of(id)) {
        case Guess::Zero:
        case Guess::Narrow:
            return Type::Narrow;
        case Guess::Pointer:
            return Type::Pointer;
        case Guess::Nothing:
        case Guess::Wide:
            break;
    }
    return Type::Wide;
}

void Variables::enter(std::uint32_t slot) {
    if (has_entered_) step(state_, slot_);
    has_entered_ = true;
    slot_ = slot;
    if (const auto known = joins_.find(slot); known != joins_.end()) state_ = known->second;
}

Type Variables::read(std::uint8_t number) const {
    return number < spec::kFramePointer ? type_of(state_[number]) : Type::Pointer;
}

}  // namespace ebpf::native
