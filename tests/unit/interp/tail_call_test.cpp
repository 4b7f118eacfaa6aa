// SPDX-License-Identifier: MIT
// Tail calls: into another program, out of a subprogram, too many, impossible ones.
#include "build.hpp"

namespace ebpf::interp {
namespace {

constexpr std::int32_t kTailCall = 12;

// Stands for the tail_call helper: r1 is the context, r2 the target image's address or 0. It counts, as that
// does.
std::uint64_t tail_call(std::uint64_t, std::uint64_t r2, std::uint64_t, std::uint64_t, std::uint64_t,
                        engine::Invocation& invocation) noexcept {
    if (r2 != 0 && invocation.tail_calls < spec::kMaxTailCalls) {
        ++invocation.tail_calls;
        invocation.tail_target = reinterpret_cast<const engine::Image*>(static_cast<std::uintptr_t>(r2));
    }
    return static_cast<std::uint64_t>(std::int64_t{-2});
}

constexpr engine::HelperBinding kHelpers[] = {{.id = kTailCall, .function = tail_call, .is_tail_call = true}};
constexpr engine::Bindings kBindings{.maps = {}, .helpers = kHelpers};

// r2 = address of `image`; two slots.
std::vector<isa::Slot> load_target(const engine::Image* image) {
    const auto address = reinterpret_cast<std::uintptr_t>(image);
    return {slot(kLoadImm64, 2, 0, 0, static_cast<std::int32_t>(address & 0xffffffffU)),
            slot(0, 0, 0, 0, static_cast<std::int32_t>(static_cast<std::uint64_t>(address) >> 32U))};
}

std::vector<isa::Slot> join(std::vector<isa::Slot> first, const std::vector<isa::Slot>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

TEST(TailCall, GoesOnInTheTarget) {
    int context = 0;
    const OwnedImage target = compile_slots({move_register(0, 1), exit_slot()});
    const OwnedImage caller = compile_slots(
        join(load_target(target.get()), {call_helper(kTailCall), move(0, 1), exit_slot()}), kBindings);
    engine::Invocation invocation;
    invocation.context = &context;
    EXPECT_EQ(run(caller, invocation), reinterpret_cast<std::uintptr_t>(&context));
    EXPECT_EQ(invocation.tail_calls, 1U);
    EXPECT_EQ(invocation.tail_target, nullptr);
}

TEST(TailCall, WithoutTargetGoesOnBehindTheCall) {
    EXPECT_EQ(run_slots({move(2, 0), call_helper(kTailCall), add(0, 1), exit_slot()}, kBindings),
              static_cast<std::uint64_t>(std::int64_t{-1}));
}

TEST(TailCall, OutOfASubprogramReturnsToTheCaller) {
    const OwnedImage target = compile_slots({move(6, 1000), move(0, 40), exit_slot()});
    std::vector<isa::Slot> slots{move(6, 2), call_local(2), slot(kAddReg, 0, 6, 0, 0), exit_slot()};
    slots = join(slots, join(load_target(target.get()), {call_helper(kTailCall), move(0, 0), exit_slot()}));
    EXPECT_EQ(run_slots(slots, kBindings), 42U);
}

// A program that counts in the context and calls itself; it learns its own address from the context too.
struct Loop {
    std::uint64_t target = 0;
    std::uint64_t count = 0;
};

TEST(TailCall, EndsAfterTheLimit) {
    const OwnedImage image =
        compile_slots({slot(kLoad8, 3, 1, 8, 0), add(3, 1), slot(kStore8, 1, 3, 8, 0),
                       slot(kLoad8, 2, 1, 0, 0), call_helper(kTailCall), move(0, 7), exit_slot()},
                      kBindings);
    Loop loop;
    loop.target = reinterpret_cast<std::uintptr_t>(image.get());
    engine::Invocation invocation;
    invocation.context = &loop;
    EXPECT_EQ(run(image, invocation), 7U);
    EXPECT_EQ(loop.count, spec::kMaxTailCalls + 1U);
    EXPECT_EQ(invocation.tail_calls, spec::kMaxTailCalls);
}

// Each round keeps the caller's frame: the frames run out before the tail calls do, and nothing overflows.
TEST(TailCall, FailsWhenFramesWouldRunOut) {
    const OwnedImage image = compile_slots({call_local(1), exit_slot(),
                                            // slot 2: counts, then goes on in the program again
                                            slot(kLoad8, 3, 1, 8, 0), add(3, 1), slot(kStore8, 1, 3, 8, 0),
                                            slot(kLoad8, 2, 1, 0, 0), call_helper(kTailCall), exit_slot()},
                                           kBindings);
    Loop loop;
    loop.target = reinterpret_cast<std::uintptr_t>(image.get());
    engine::Invocation invocation;
    invocation.context = &loop;
    EXPECT_EQ(run(image, invocation), static_cast<std::uint64_t>(std::int64_t{-22}));
    EXPECT_EQ(loop.count, spec::kMaxCallFrames - 1U);
}

TEST(TailCall, IntoAnImageOfAnotherDispatch) {
    const OwnedImage target = compile_slots({move(0, 1), exit_slot()}, {}, Dispatch::Stepping);
    const OwnedImage caller =
        compile_slots(join(load_target(target.get()), {call_helper(kTailCall), exit_slot()}), kBindings);
    engine::Invocation invocation;
    EXPECT_EQ(run(caller, invocation), 1U);
    EXPECT_EQ(invocation.tail_target, nullptr);
}

// Stands for a program of another engine that makes a tail call to the image at its context.
std::uint64_t go_on_in_context(const engine::Image&, engine::Invocation& invocation) noexcept {
    invocation.tail_target = static_cast<const engine::Image*>(invocation.context);
    return 5;
}

TEST(TailCall, IntoAnotherEnginesImageAndBack) {
    engine::Image foreign;
    foreign.kind = engine::EngineKind::Native;
    foreign.run = go_on_in_context;
    const OwnedImage last = compile_slots({move(0, 77), exit_slot()});
    const OwnedImage caller = compile_slots(
        join(load_target(&foreign), {call_helper(kTailCall), move(0, 1), exit_slot()}), kBindings);
    engine::Invocation invocation;
    invocation.context = last.get();
    EXPECT_EQ(run(caller, invocation), 77U);
    EXPECT_EQ(invocation.tail_target, nullptr);
}

TEST(TailCall, OutOfASubprogramIntoAnotherEnginesImageFails) {
    engine::Image foreign;
    foreign.kind = engine::EngineKind::Native;
    std::vector<isa::Slot> slots{call_local(1), exit_slot()};
    slots = join(slots, join(load_target(&foreign), {call_helper(kTailCall), exit_slot()}));
    const OwnedImage caller = compile_slots(slots, kBindings);
    engine::Invocation invocation;
    EXPECT_EQ(run(caller, invocation), static_cast<std::uint64_t>(std::int64_t{-22}));
    EXPECT_EQ(invocation.tail_target, nullptr);
}

}  // namespace
}  // namespace ebpf::interp
