// SPDX-License-Identifier: MIT
// Helpers that call functions of the program: what such a function starts with, and what its iterations
// leave.
#include <utility>

#include "check/step.hpp"

namespace ebpf::check {
namespace {

using domains::Scalar;
using spec::ArgKind;
using spec::CallbackKind;

// Where the arguments of every such helper are: (count or map, function, context, flags).
constexpr std::size_t kSubject = 1;
constexpr std::size_t kFunction = 2;
constexpr std::size_t kContext = 3;
constexpr std::size_t kFlags = 4;
constexpr std::size_t kArguments = 5;
constexpr std::int64_t kMostErrno = 4095;

consteval bool are_arguments_in_place() {
    struct Row {
        ArgKind arguments[5];
        CallbackKind kind;
    };
    using spec::kCallsForElements;
    using spec::kCallsForIndices;
    using spec::kMovesPacket;
    using spec::kNoEffects;
    using spec::kTailCall;
    constexpr Row kRows[] = {
#define EBPF_HELPER(id, name, returns, a1, a2, a3, a4, a5, effects, map_mask, program_mask, licence, text) \
    {{ArgKind::a1, ArgKind::a2, ArgKind::a3, ArgKind::a4, ArgKind::a5}, (effects).calls_back},
#include "spec/helpers.def"
#undef EBPF_HELPER
    };
    for (const Row& row : kRows) {
        const bool has_function = row.arguments[kFunction - 1] == ArgKind::Callback;
        const bool has_context = row.arguments[kContext - 1] == ArgKind::CallbackContext;
        if (row.kind == CallbackKind::None) {
            for (const ArgKind argument : row.arguments) {
                if (argument == ArgKind::Callback || argument == ArgKind::CallbackContext) return false;
            }
            continue;
        }
        const ArgKind subject = row.kind == CallbackKind::Index ? ArgKind::Scalar : ArgKind::Map;
        if (row.arguments[kSubject - 1] != subject || !has_function || !has_context ||
            row.arguments[kFlags - 1] != ArgKind::Scalar) {
            return false;
        }
    }
    return true;
}
static_assert(are_arguments_in_place(),
              "callbacks are the second argument, their context the third, flags the fourth");

Value map_element(Kind kind, const Value& map) {
    Value value = make_pointer(kind);
    value.map = map.map;
    return value;
}

}  // namespace

spec::CallbackKind callback_kind(std::uint32_t helper) noexcept {
    const spec::HelperSpec* row = spec::find_helper(helper);
    return row == nullptr ? CallbackKind::None : row->effects.calls_back;
}

IterationBounds iteration_bounds(const Program& program, const State& state) noexcept {
    const Value& subject = state.registers[kSubject];
    if (subject.kind == Kind::Map) return {0, program.maps[subject.map].shape.max_entries};
    // More than kMaxLoops are refused by the helper: it calls nothing then.
    const std::uint32_t least = subject.number.umin32();
    const std::uint32_t most = subject.number.umax32();
    return {most > spec::kMaxLoops ? 0 : least, most < spec::kMaxLoops ? most : spec::kMaxLoops};
}

void start_iterations(State& state) noexcept {
    state.registers[0] = Value{};
    state.registers[kFlags] = make_scalar(Scalar::unknown());
    state.registers[kArguments] = Value{};
}

Status enter_callback(const Program&, State& state, std::uint32_t slot, Index index) noexcept {
    const Value subject = state.registers[kSubject];
    const Value context = state.registers[kContext];
    const std::uint32_t function = state.registers[kFunction].map;
    Frame& caller = state.active();
    for (std::size_t i = 0; i < kSavedRegisters; ++i) caller.saved[i] = state.registers[kFirstSaved + i];
    caller.saved[kSavedSubject] = subject;
    caller.saved[kSavedContext] = context;
    for (Value& value : state.registers) value = Value{};
    Frame callee;
    callee.function_slot = function;
    callee.return_slot = slot;
    callee.is_callback = true;
    if (!state.frames.push_back(std::move(callee))) return Status::OutOfMemory;
    state.registers[spec::kFramePointer] = make_pointer(Kind::Stack);
    state.registers[spec::kFramePointer].frame = static_cast<std::uint8_t>(state.depth());
    if (subject.kind == Kind::Map) {
        state.registers[1] = subject;
        state.registers[2] = map_element(Kind::MapKey, subject);
        state.registers[2].frame = static_cast<std::uint8_t>(state.depth());
        state.registers[3] = map_element(Kind::MapValue, subject);
        state.registers[4] = context;
    } else {
        state.registers[1] = make_scalar(Scalar::unsigned_range(index.least, index.most));
        state.registers[2] = context;
    }
    return Status::Ok;
}

void restore_iteration(State& state, std::uint32_t function) noexcept {
    Frame& caller = state.active();
    state.registers[kSubject] = caller.saved[kSavedSubject];
    state.registers[kFunction] = make_pointer(Kind::Code);
    state.registers[kFunction].map = function;
    state.registers[kContext] = caller.saved[kSavedContext];
    caller.saved[kSavedSubject] = Value{};
    caller.saved[kSavedContext] = Value{};
    start_iterations(state);
}

void finish_iterations(const Program& program, State& state) noexcept {
    // A number of iterations, or a negative errno.
    const std::int64_t most = iteration_bounds(program, state).most;
    for (std::size_t reg = 1; reg <= kArguments; ++reg) state.registers[reg] = Value{};
    state.registers[0] = make_scalar(Scalar::signed_range(-kMostErrno, most));
}

}  // namespace ebpf::check
