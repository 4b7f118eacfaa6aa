// SPDX-License-Identifier: MIT
#include "check/step.hpp"

#include "base/assert.hpp"
#include "check/access.hpp"

namespace ebpf::check {
namespace {

using domains::Scalar;
using spec::Family;
using spec::Rule;

constexpr std::size_t kArguments = 5;

Value frame_pointer(std::size_t frame) {
    Value value = make_pointer(Kind::Stack);
    value.frame = static_cast<std::uint8_t>(frame);
    return value;
}

Value code_address(const isa::Instruction& instruction, std::uint32_t slot) {
    Value value = make_pointer(Kind::Code);
    value.map = static_cast<std::uint32_t>(isa::code_address_target(instruction, slot));
    return value;
}

/// Nothing that frame `depth`, or one that it called, has reserved is still held.
bool check_given_back(const State& state, std::uint32_t depth, const char* where, Finding& finding) {
    const Reference* reference = state.held_since(depth);
    if (reference == nullptr) return true;
    finding.number = reference->slot;
    return finding.fail(Rule::ReferenceLeak, kNoRegister, Value{}, where);
}

bool check_packet_load(const Program& program, const State& state, const isa::Instruction& instruction,
                       Finding& finding) {
    if (program.type->type != spec::ProgramType::SocketFilter) {
        return finding.fail(Rule::PacketInstruction, kNoRegister, Value{},
                            "the program type has no such access");
    }
    // The instruction ends the program where the packet is too short; what that means in a callee is not
    // defined.
    if (state.depth() > 0) {
        return finding.fail(Rule::PacketInstruction, kNoRegister, Value{}, "it stands in a called function");
    }
    if (!check_given_back(state, 0, "here, where a short packet ends the program", finding)) return false;
    const Value& context = state.registers[6];
    if (context.kind != Kind::Context || context.offset != 0 || !is_exactly(context.number, 0)) {
        return finding.fail(Rule::PacketInstruction, 6, context, "r6 is not the context");
    }
    if (!instruction.spec().reads_src) return true;
    const Value& index = state.registers[instruction.src];
    if (index.kind == Kind::Unusable) return finding.fail(Rule::Uninitialised, instruction.src, index);
    if (is_pointer(index))
        return finding.fail(Rule::PointerArithmetic, instruction.src, index, "packet index");
    return true;
}

bool check_exit(const Program& program, const State& state, Finding& finding) {
    const Value& result = state.registers[0];
    if (state.depth() > 0 && !state.active().is_callback) {
        if (result.kind != Kind::Stack || result.frame != state.depth()) return true;
        return finding.fail(Rule::FrameEscape, 0, result, "returned");
    }
    if (result.kind == Kind::Unusable) return finding.fail(Rule::Uninitialised, 0, result);
    if (state.depth() > 0) {
        if (result.kind != Kind::Scalar || result.number.umax() > 1)
            return finding.fail(Rule::CallbackReturn, 0, result);
        return check_given_back(state, state.depth(), "when the callback returns", finding);
    }
    if (is_pointer(result)) return finding.fail(Rule::PointerLeak, 0, result, "returned");
    if (!check_given_back(state, 0, "when the program ends", finding)) return false;
    const spec::ProgramTypeSpec& type = *program.type;
    if (type.return_min > type.return_max) return true;
    const spec::AttachTypeSpec* attach = spec::find_attach_type(program.attach);
    const std::int64_t least = attach == nullptr ? type.return_min : attach->return_min;
    if (result.number.smin() >= least && result.number.smax() <= type.return_max) return true;
    finding.low = least;
    finding.high = type.return_max;
    return finding.fail(Rule::ReturnValue, 0, result);
}

void clear_arguments(State& state) {
    for (std::size_t reg = 1; reg <= kArguments; ++reg) state.registers[reg] = Value{};
}

bool check_call_register(const Program& program, const State& state, std::uint32_t slot, Finding& finding) {
    const std::uint8_t reg = program.code[slot].dst;
    const Value& target = state.registers[reg];
    if (target.kind == Kind::Unusable) return finding.fail(Rule::Uninitialised, reg, target);
    const std::optional<Callee> callee = callee_of(program, state, slot);
    if (!callee) {
        return finding.fail(Rule::CallTarget, reg, target,
                            "neither the address of one function nor a helper's number");
    }
    if (callee->is_helper) return check_helper(program, state, callee->number, finding);
    return check_entry(state, callee->number, reg, finding);
}

Status apply_call(State& state, std::uint32_t function, std::uint32_t slot, Outcome& outcome) {
    Frame& caller = state.active();
    for (std::size_t i = 0; i < kSavedRegisters; ++i) {
        caller.saved[i] = state.registers[kFirstSaved + i];
        state.registers[kFirstSaved + i] = Value{};
    }
    state.registers[0] = Value{};
    outcome.next = function;
    outcome.enters = true;
    Frame callee;
    callee.function_slot = function;
    callee.return_slot = slot + 1;
    if (!state.frames.push_back(std::move(callee))) return Status::OutOfMemory;
    state.registers[spec::kFramePointer] = frame_pointer(state.depth());
    return Status::Ok;
}

Status apply_any_call(const Program& program, State& state, std::uint32_t slot, Outcome& outcome) {
    const std::optional<Callee> callee = callee_of(program, state, slot);
    if (!callee) return Status::Internal;
    if (!callee->is_helper) return apply_call(state, callee->number, slot, outcome);
    if (callback_kind(callee->number) != spec::CallbackKind::None) return Status::Internal;  // see step.hpp
    return apply_helper(program, state, callee->number, slot);
}

/// Nothing can still point to the callee's frame: r0 and stores into other frames were checked, r1 to r5 end
/// here, and r6 to r9 are the caller's own again.
void apply_return(State& state, Outcome& outcome) {
    const std::uint32_t function = state.active().function_slot;
    const bool is_callback = state.active().is_callback;
    outcome.next = state.active().return_slot;
    const bool shrunk = state.frames.resize(state.frames.size() - 1);  // never allocates
    EBPF_ASSERT(shrunk);
    for (Reference& reference : state.references) {
        if (reference.depth > state.depth()) reference.depth = state.depth();
    }
    Frame& caller = state.active();
    for (std::size_t i = 0; i < kSavedRegisters; ++i) {
        state.registers[kFirstSaved + i] = caller.saved[i];
        caller.saved[i] = Value{};
    }
    clear_arguments(state);
    state.registers[spec::kFramePointer] = frame_pointer(state.depth());
    if (!is_callback) return;
    outcome.repeats = state.registers[0].number.contains(0);
    outcome.stops = state.registers[0].number.contains(1);
    restore_iteration(state, function);
}

void apply_packet_load(State& state, const isa::Instruction& instruction) {
    clear_arguments(state);
    state.registers[0] = make_scalar(domains::truncate(instruction.spec().size, Scalar::unknown()));
}

}  // namespace

Status enter(const Program& program, State& state) noexcept {
    state = State{};
    if (!state.frames.push_back(Frame{})) return Status::OutOfMemory;
    state.registers[spec::kFramePointer] = frame_pointer(0);
    if (program.type->context == spec::ContextId::Memory) {
        state.registers[1] = make_pointer(Kind::Memory);
        state.registers[2] = make_scalar(Scalar::constant(program.memory_length));
    } else {
        state.registers[1] = make_pointer(Kind::Context);
    }
    return Status::Ok;
}

bool check(const Program& program, const State& state, std::uint32_t slot, Finding& finding) noexcept {
    const isa::Instruction& instruction = program.code[slot];
    switch (instruction.spec().family) {
        case Family::Alu:
        case Family::Negate:
        case Family::MoveSx:
        case Family::ByteOrder:
        case Family::LoadImm64:
            return check_arithmetic(program, state, instruction, finding);
        case Family::Load:
        case Family::LoadSx:
        case Family::StoreImm:
        case Family::StoreReg:
        case Family::Atomic:
        case Family::LoadAcquire:
        case Family::StoreRelease:
            return check_memory(program, state, instruction, finding);
        case Family::PacketAbs:
        case Family::PacketInd:
            return check_packet_load(program, state, instruction, finding);
        case Family::Goto:
            return true;
        case Family::Branch:
            return check_branch(state, instruction, finding);
        case Family::CallHelper:
            return check_helper(program, state, static_cast<std::uint32_t>(instruction.imm), finding);
        case Family::CallLocal:
            if (state.frames.size() < spec::kMaxCallFrames) return true;
            return finding.fail(Rule::CallDepth, kNoRegister, Value{});
        case Family::CallKfunc:
            return finding.fail(Rule::Unsupported, kNoRegister, Value{}, "calls of kernel functions");
        case Family::CallRegister:
            return check_call_register(program, state, slot, finding);
        case Family::Exit:
            return check_exit(program, state, finding);
        case Family::WideTail:
            break;
    }
    return finding.fail(Rule::Internal, kNoRegister, Value{});
}

// Functions that registers name can only be followed here: the graph does not know them.
bool check_entry(const State& state, std::uint32_t function, std::uint8_t reg, Finding& finding) noexcept {
    finding.number = function;
    for (const Frame& frame : state.frames) {
        if (frame.function_slot == function) return finding.fail(Rule::Recursion, reg, Value{});
    }
    if (state.frames.size() < spec::kMaxCallFrames) return true;
    return finding.fail(Rule::CallDepth, reg, Value{});
}

std::optional<Callee> callee_of(const Program& program, const State& state, std::uint32_t slot) noexcept {
    const isa::Instruction& instruction = program.code[slot];
    const Family family = instruction.spec().family;
    if (family == Family::CallHelper) return Callee{true, static_cast<std::uint32_t>(instruction.imm)};
    if (family == Family::CallLocal) {
        const std::int64_t target = isa::jump_target(instruction, instruction.spec(), slot);
        return Callee{false, static_cast<std::uint32_t>(target)};
    }
    if (family != Family::CallRegister) return std::nullopt;
    const Value& target = state.registers[instruction.dst];
    if (target.kind == Kind::Code) return Callee{false, target.map};
    // Compilers that do not optimise load a helper's number, which is its "address" in C, before they call
    // it.
    if (target.kind != Kind::Scalar || !target.number.is_constant() ||
        target.number.umax32() != target.number.value())
        return std::nullopt;
    return Callee{true, target.number.umax32()};
}

Status apply(const Program& program, State& state, State& taken, std::uint32_t slot,
             Outcome& outcome) noexcept {
    const isa::Instruction& instruction = program.code[slot];
    const spec::FormSpec& form = instruction.spec();
    outcome = {};
    outcome.goes_on = true;
    outcome.next = slot + form.slots;
    switch (form.family) {
        case Family::Alu:
        case Family::Negate:
        case Family::MoveSx:
        case Family::ByteOrder:
            apply_arithmetic(state, instruction);
            return Status::Ok;
        case Family::LoadImm64:
            if (form.wide == spec::WideKind::CodeAddress) {
                state.registers[instruction.dst] = code_address(instruction, slot);
            } else {
                apply_arithmetic(state, instruction);
            }
            return Status::Ok;
        case Family::Load:
        case Family::LoadSx:
        case Family::StoreImm:
        case Family::StoreReg:
        case Family::Atomic:
        case Family::LoadAcquire:
        case Family::StoreRelease:
            return apply_memory(program, state, instruction);
        case Family::PacketAbs:
        case Family::PacketInd:
            apply_packet_load(state, instruction);
            return Status::Ok;
        case Family::Goto:
            outcome.next = static_cast<std::uint32_t>(isa::jump_target(instruction, form, slot));
            return Status::Ok;
        case Family::Branch:
            outcome.target = static_cast<std::uint32_t>(isa::jump_target(instruction, form, slot));
            return apply_branch(program, state, taken, instruction, outcome);
        case Family::CallHelper:
        case Family::CallLocal:
        case Family::CallRegister:
            return apply_any_call(program, state, slot, outcome);
        case Family::Exit:
            outcome.goes_on = state.depth() > 0;
            if (outcome.goes_on) apply_return(state, outcome);
            return Status::Ok;
        case Family::CallKfunc:
        case Family::WideTail:
            break;
    }
    return Status::Internal;  // check() never holds for these
}

}  // namespace ebpf::check
