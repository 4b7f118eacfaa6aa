// SPDX-License-Identifier: MIT
// Frames, helpers, packet loads and the observing driver. What operators compute is tested by vectors.
#include "interp/run.hpp"

#include <array>
#include <thread>

#include "build.hpp"

namespace ebpf::interp {
namespace {

TEST(Run, StartsWithContextAndLength) {
    const OwnedImage image = compile_slots({move_register(0, 1), slot(kAddReg, 0, 2, 0, 0), exit_slot()});
    int context = 0;
    engine::Invocation invocation;
    invocation.context = &context;
    invocation.r2 = 16;
    EXPECT_EQ(run(image, invocation), reinterpret_cast<std::uintptr_t>(&context) + 16);
}

// Many million instructions: handlers must not leave anything on the native stack. The test's thread has
// 8 MiB.
TEST(Run, LongLoopTakesNoNativeStack) {
    constexpr std::int32_t kRounds = EBPF_INTERP_CHAINED != 0 ? 30'000'000 : 1'000'000;
    EXPECT_EQ(run_slots({move(0, 0), move(1, kRounds), add(0, 2), add(1, -1),
                         slot(kJumpNotEqual, 1, 0, -3, 0), exit_slot()}),
              2U * kRounds);
}

TEST(Run, CallPreservesCalleeSavedRegisters) {
    EXPECT_EQ(run_slots({move(6, 1), move(7, 2), move(8, 4), move(9, 8), move(1, 100), call_local(5),
                         slot(kAddReg, 0, 6, 0, 0), slot(kAddReg, 0, 7, 0, 0), slot(kAddReg, 0, 8, 0, 0),
                         slot(kAddReg, 0, 9, 0, 0), exit_slot(),
                         // the subprogram, at slot 11, uses them for itself
                         move(6, 1000), move(7, 1000), move(8, 1000), move(9, 1000), move_register(0, 1),
                         exit_slot()}),
              115U);
}

TEST(Run, FramesHaveStacksOfTheirOwn) {
    // The subprogram writes all of its 512 bytes' ends; the caller's values stay.
    EXPECT_EQ(run_slots({move(1, 5), slot(kStore8, 10, 1, -8, 0), slot(kStore8, 10, 1, -512, 0),
                         call_local(5), slot(kLoad8, 0, 10, -8, 0), slot(kLoad8, 1, 10, -512, 0),
                         slot(kAddReg, 0, 1, 0, 0), slot(kGoto, 0, 0, 0, 0), exit_slot(),
                         // slot 9
                         move(1, 77), slot(kStore8, 10, 1, -8, 0), slot(kStore8, 10, 1, -512, 0), move(0, 0),
                         exit_slot()}),
              10U);
}

TEST(Run, CalleeMayUseItsCallersStackThroughAPointer) {
    EXPECT_EQ(
        run_slots({move_register(1, 10), add(1, -16), call_local(2), slot(kLoad8, 0, 10, -16, 0), exit_slot(),
                   // slot 5
                   move(2, 99), slot(kStore8, 1, 2, 0, 0), move(0, 0), exit_slot()}),
        99U);
}

std::uint64_t weigh(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4, std::uint64_t r5,
                    engine::Invocation& invocation) noexcept {
    return r1 + 10 * r2 + 100 * r3 + 1000 * r4 + 10000 * r5 + 100000 * invocation.slot;
}

TEST(Run, HelperGetsArgumentsInOrder) {
    const engine::HelperBinding helpers[] = {{.id = 7, .function = weigh, .is_tail_call = false}};
    const engine::Bindings bindings{.maps = {}, .helpers = helpers};
    const OwnedImage image = compile_slots(
        {move(1, 1), move(2, 2), move(3, 3), move(4, 4), move(5, 5), call_helper(7), exit_slot()}, bindings);
    engine::Invocation invocation;
    invocation.slot = 6;
    EXPECT_EQ(run(image, invocation), 654321U);
}

TEST(Run, MapReferencesAreBound) {
    const engine::MapBinding maps[] = {{.handle = 11, .value_address = 0},
                                       {.handle = 0x123456789abcdef0, .value_address = 0x1000}};
    const engine::Bindings bindings{.maps = maps, .helpers = {}};
    EXPECT_EQ(run_slots({slot(kLoadImm64, 0, 5, 0, 1), slot(0, 0, 0, 0, 0), exit_slot()}, bindings),
              0x123456789abcdef0U);
    EXPECT_EQ(run_slots({slot(kLoadImm64, 0, 6, 0, 1), slot(0, 0, 0, 0, 0x24), exit_slot()}, bindings),
              0x1024U);
}

class PacketLoad : public testing::Test {
  protected:
    std::uint64_t load(const std::vector<isa::Slot>& slots) {
        const OwnedImage image = compile_slots(slots);
        engine::Invocation invocation;
        invocation.packet_data = &begin_;
        invocation.packet_data_end = &end_;
        return run(image, invocation);
    }
    std::array<std::uint8_t, 6> packet_{0x11, 0x22, 0x33, 0x44, 0x55, 0x66};
    std::uint8_t* begin_ = packet_.data();
    std::uint8_t* end_ = packet_.data() + packet_.size();
};

TEST_F(PacketLoad, ReadsBigEndian) {
    EXPECT_EQ(load({slot(kPacketAbs4, 0, 0, 0, 2), exit_slot()}), 0x33445566U);
    EXPECT_EQ(load({move(3, 3), slot(kPacketInd2, 0, 3, 0, 1), exit_slot()}), 0x5566U);
}

TEST_F(PacketLoad, OutsideEndsTheProgramWithZero) {
    for (const std::int32_t offset : {3, 6, -1, -2147483647 - 1, 2147483647}) {
        EXPECT_EQ(load({slot(kPacketAbs4, 0, 0, 0, offset), add(0, 1), exit_slot()}), 0U) << offset;
    }
    EXPECT_EQ(load({move(3, -1), slot(kPacketInd2, 0, 3, 0, 0), add(0, 1), exit_slot()}), 0U);
}

TEST_F(PacketLoad, OutsideInASubprogramReturnsZeroToItsCaller) {
    EXPECT_EQ(load({call_local(2), add(0, 5), exit_slot(), slot(kPacketAbs4, 0, 0, 0, 100), add(0, 1),
                    exit_slot()}),
              5U);
}

TEST_F(PacketLoad, WithoutPacketIsOutside) {
    EXPECT_EQ(run_slots({slot(kPacketAbs4, 0, 0, 0, 0), add(0, 1), exit_slot()}), 0U);
}

struct Recorder {
    static constexpr bool kWatches = true;
    std::vector<std::uint32_t> slots;
    std::vector<std::uint32_t> depths;
    std::size_t budget = 1000;
    bool frame_is_below_r10 = true;
    bool before(const Observation& seen) {
        slots.push_back(seen.slot);
        depths.push_back(seen.depth);
        frame_is_below_r10 =
            frame_is_below_r10 &&
            seen.registers[10] == reinterpret_cast<std::uintptr_t>(seen.stack) + spec::kStackBytes;
        return slots.size() < budget;
    }
};

TEST(Observe, SeesEverySlotAndFrame) {
    const OwnedImage image = compile_slots({call_local(2), slot(kGoto, 0, 0, 0, 0), exit_slot(),
                                            slot(kLoadImm64, 0, 0, 0, 7), slot(0, 0, 0, 0, 0), exit_slot()},
                                           {}, Dispatch::Stepping);
    engine::Invocation invocation;
    Recorder recorder;
    EXPECT_EQ(run_observed(*image, invocation, recorder), 7U);
    EXPECT_EQ(recorder.slots, (std::vector<std::uint32_t>{0, 3, 5, 1, 2}));
    EXPECT_EQ(recorder.depths, (std::vector<std::uint32_t>{0, 1, 1, 0, 0}));
    EXPECT_TRUE(recorder.frame_is_below_r10);
}

TEST(Observe, EndsARunThatTakesTooLong) {
    const OwnedImage image = compile_slots({slot(kGoto, 0, 0, -1, 0), exit_slot()}, {}, Dispatch::Stepping);
    engine::Invocation invocation;
    Recorder recorder;
    recorder.budget = 50;
    run_observed(*image, invocation, recorder);
    EXPECT_EQ(recorder.slots.size(), 50U);
}

TEST(Run, AtomicAddsOfManyThreadsAllCount) {
    constexpr std::uint8_t kAtomic8 = 0xdb;
    constexpr std::int32_t kRounds = 20000;
    const OwnedImage image =
        compile_slots({move(3, kRounds), move(2, 1), slot(kAtomic8, 1, 2, 0, 0), add(3, -1),
                       slot(kJumpNotEqual, 3, 0, -3, 0), move(0, 0), exit_slot()});
    std::uint64_t counter = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                engine::Invocation invocation;
                invocation.context = &counter;
                run(image, invocation);
            });
        }
    }
    EXPECT_EQ(counter, 4U * kRounds);
}

}  // namespace
}  // namespace ebpf::interp
