// SPDX-License-Identifier: MIT
// What compile() refuses, and where it says the fault is.
#include "build.hpp"

namespace ebpf::interp {
namespace {

struct Refused {
    Status status;
    Refusal refusal;
};

Refused refuse(const std::vector<isa::Slot>& slots, const engine::Bindings& bindings = {}) {
    Refused refused{Status::Ok, {}};
    auto image = compile(decode_slots(slots), bindings, {Dispatch::Best, &refused.refusal});
    if (image) {
        (*image)->destroy(*image);
    } else {
        refused.status = image.error();
    }
    return refused;
}

std::vector<isa::Slot> wide(unsigned src, std::int32_t low, std::int32_t high) {
    return {slot(kLoadImm64, 0, src, 0, low), slot(0, 0, 0, 0, high), exit_slot()};
}

TEST(Compile, RefusesNoCode) {
    auto image = compile(isa::Code{}, {});
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error(), Status::InvalidArgument);
}

TEST(Compile, RefusesKfuncCall) {
    const Refused refused = refuse({slot(kCall, 0, 2, 0, 77), exit_slot()});
    EXPECT_EQ(refused.status, Status::NotSupported);
    EXPECT_EQ(refused.refusal.slot, 0U);
    EXPECT_EQ(refused.refusal.value, 77);
}

TEST(Compile, RefusesIndirectCall) {
    EXPECT_EQ(refuse({move(1, 0), slot(kCallRegister, 1, 0, 0, 0), exit_slot()}).status,
              Status::NotSupported);
}

TEST(Compile, RefusesUnresolvedWideImmediates) {
    for (const unsigned src : {1U, 2U, 3U}) {
        const Refused refused = refuse(wide(src, 1, 0));
        EXPECT_EQ(refused.status, Status::NotSupported) << src;
        EXPECT_EQ(refused.refusal.value, static_cast<std::int64_t>(src));
    }
    // Addresses of code: inside the immediate itself, before the program, behind it.
    for (const std::int32_t distance : {0, -2, 2}) {
        const Refused refused = refuse(wide(4, distance, 0));
        EXPECT_EQ(refused.status, Status::NotSupported) << distance;
        EXPECT_EQ(refused.refusal.value, 4);
    }
}

TEST(Compile, RefusesUnboundHelper) {
    const Refused refused = refuse({move(1, 0), call_helper(4711), exit_slot()});
    EXPECT_EQ(refused.status, Status::NotFound);
    EXPECT_EQ(refused.refusal.slot, 1U);
    EXPECT_STREQ(refused.refusal.what, "helper");
    EXPECT_EQ(refused.refusal.value, 4711);
}

TEST(Compile, RefusesUnboundMap) {
    const engine::MapBinding maps[] = {{.handle = 1, .value_address = 0}};
    const engine::Bindings bindings{.maps = maps, .helpers = {}};
    EXPECT_EQ(refuse(wide(5, 1, 0), bindings).status, Status::NotFound);
    EXPECT_EQ(refuse(wide(5, -1, 0), bindings).status, Status::NotFound);
    EXPECT_EQ(refuse(wide(6, 0, 8), bindings).status, Status::NotSupported);
    EXPECT_EQ(refuse(wide(5, 0, 0), bindings).status, Status::Ok);
}

TEST(Compile, RefusesRunningPastTheEnd) {
    const Refused refused = refuse({move(0, 1), move(0, 2)});
    EXPECT_EQ(refused.status, Status::JumpOutOfRange);
    EXPECT_EQ(refused.refusal.slot, 1U);
}

TEST(Compile, RefusesRunningIntoTheNextSubprogram) {
    EXPECT_EQ(refuse({call_local(1), move(0, 0), exit_slot()}).status, Status::JumpOutOfRange);
}

TEST(Compile, RefusesJumpIntoAnotherSubprogram) {
    const Refused refused = refuse({call_local(1), slot(kGoto, 0, 0, 1, 0), move(0, 0), exit_slot()});
    EXPECT_EQ(refused.status, Status::JumpOutOfRange);
    EXPECT_EQ(refused.refusal.slot, 1U);
    EXPECT_EQ(refused.refusal.value, 3);
}

TEST(Compile, RefusesRecursion) {
    EXPECT_EQ(refuse({call_local(-1), exit_slot()}).status, Status::LimitExceeded);
    EXPECT_EQ(refuse({call_local(1), exit_slot(), call_local(-3), exit_slot()}).status,
              Status::LimitExceeded);
}

// A program that calls a subprogram, which calls the next, and so on: `frames` frames.
std::vector<isa::Slot> nested(unsigned frames) {
    std::vector<isa::Slot> slots;
    for (unsigned i = 1; i < frames; ++i) {
        slots.push_back(call_local(1));
        slots.push_back(exit_slot());
    }
    slots.push_back(move(0, 42));
    slots.push_back(exit_slot());
    return slots;
}

TEST(Compile, AllowsAsManyFramesAsTheLimit) {
    EXPECT_EQ(run_slots(nested(spec::kMaxCallFrames)), 42U);
}

TEST(Compile, RefusesOneFrameTooMany) {
    const Refused refused = refuse(nested(spec::kMaxCallFrames + 1));
    EXPECT_EQ(refused.status, Status::LimitExceeded);
    EXPECT_EQ(refused.refusal.value, std::int64_t{spec::kMaxCallFrames} + 1);
}

// Chains are found whatever the order of subprograms: here each caller lies behind its callee.
TEST(Compile, RefusesTooManyFramesInReverseOrder) {
    std::vector<isa::Slot> slots{call_local(static_cast<std::int32_t>(1 + 2 * spec::kMaxCallFrames)),
                                 exit_slot()};
    for (unsigned i = 0; i <= spec::kMaxCallFrames; ++i) {
        slots.push_back(i == 0 ? move(0, 1) : call_local(-3));
        slots.push_back(exit_slot());
    }
    EXPECT_EQ(refuse(slots).status, Status::LimitExceeded);
}

}  // namespace
}  // namespace ebpf::interp
