// SPDX-License-Identifier: MIT
// Functions of a program that helpers call: their frames, their end, and who watches them.
#include <gtest/gtest.h>

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "interp/interp.hpp"
#include "interp/run.hpp"
#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"

namespace ebpf::interp {
namespace {

// A helper that calls back r1 times, with the index and r3, until that returns 1.
std::uint64_t repeat(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t, std::uint64_t,
                     engine::Invocation& invocation) noexcept {
    for (std::uint64_t i = 0; i < r1; ++i) {
        if (invocation.call_back(invocation, r2, i, r3, 0, 0) != 0) return i + 1;
    }
    return r1;
}

isa::Code code_of(std::string_view text) {
    const auto bytes = isa::assemble(text);
    EXPECT_TRUE(bytes) << (bytes ? "" : bytes.error().message());
    auto code = isa::decode(*bytes, spec::kAllGroups);
    EXPECT_TRUE(code);
    return *std::move(code);
}

/// Depth and r10 before each instruction.
struct FrameWatcher {
    static constexpr bool kWatches = true;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> frames;
    std::size_t most = 1000;
    bool before(const Observation& seen) {
        frames.emplace_back(seen.depth, seen.registers[spec::kFramePointer]);
        return frames.size() < most;
    }
};

constexpr std::string_view kNestedCallbacks = R"(
    r6 = 5
    *(u64 *)(r10 - 8) = 0
    r1 = 4
    r2 = subprog[f]
    r3 = r10
    r3 += -8
    call 181
    r0 = *(u64 *)(r10 - 8)
    r0 += r6
    exit
f:
    r6 = 1000
    r1 = 3
    r3 = r2
    r2 = subprog[g]
    call 181
    r0 = 0
    exit
g:
    r3 = *(u64 *)(r2 + 0)
    r3 += 1
    *(u64 *)(r2 + 0) = r3
    *(u64 *)(r10 - 8) = 77
    r0 = 0
    exit
)";

TEST(Callback, RunsFunctionsInFramesOfTheirOwn) {
    const engine::HelperBinding helper{181, repeat, false};
    const isa::Code code = code_of(kNestedCallbacks);
    for (const Dispatch dispatch : {Dispatch::Stepping, Dispatch::Best}) {
        auto image = compile(code, {{}, std::span(&helper, 1)}, {dispatch, nullptr});
        ASSERT_TRUE(image);
        engine::Invocation invocation;
        EXPECT_EQ((*image)->run(**image, invocation), 17U);
        (*image)->destroy(*image);
    }
}

TEST(Callback, IsObserved) {
    const engine::HelperBinding helper{181, repeat, false};
    auto image =
        compile(code_of(kNestedCallbacks), {{}, std::span(&helper, 1)}, {Dispatch::Stepping, nullptr});
    ASSERT_TRUE(image);
    engine::Invocation invocation;
    FrameWatcher all;
    EXPECT_EQ(run_observed(**image, invocation, all), 17U);
    std::set<std::uint32_t> depths;
    const std::uint64_t top = all.frames.front().second;
    for (const auto& [depth, frame] : all.frames) {
        depths.insert(depth);
        EXPECT_EQ(frame, top - depth * spec::kStackBytes);
    }
    EXPECT_EQ(depths, (std::set<std::uint32_t>{0, 1, 2}));
    // Inside a callback, too, the observer ends the whole run.
    engine::Invocation other;
    FrameWatcher few;
    few.most = 20;
    run_observed(**image, other, few);
    EXPECT_EQ(few.frames.size(), 20U);
    (*image)->destroy(*image);
}

TEST(Callback, IsStoppedWhereFramesWouldRunOut) {
    // Recursion, which no verifier lets pass: each callback calls itself back.
    const engine::HelperBinding helper{181, repeat, false};
    auto image = compile(code_of("r1 = 1\n r2 = subprog[f]\n call 181\n exit\n"
                                 "f: r1 = 1\n r2 = subprog[f]\n call 181\n r0 = 0\n exit"),
                         {{}, std::span(&helper, 1)});
    ASSERT_TRUE(image);
    engine::Invocation invocation;
    EXPECT_EQ((*image)->run(**image, invocation), 1U);
    (*image)->destroy(*image);
}

}  // namespace
}  // namespace ebpf::interp
