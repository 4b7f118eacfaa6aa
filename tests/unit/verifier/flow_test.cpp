// SPDX-License-Identifier: MIT
// Control flow: shape, loops, calls, limits, joins, what the report holds.
#include <gmock/gmock.h>

#include "verifier/observe.hpp"
#include "verifier/render.hpp"
#include "verify_helper.hpp"

namespace ebpf::verifier {
namespace {

TEST(Shape, EveryPathStaysInside) {
    expect_refused(make_request("r0 = 0\n if r1 == 0 goto -1"), "V003", 1);
    expect_refused(make_request("r0 = 0\n exit\n r0 = 1\n exit"), "V005", 2);
    expect_refused(make_request("call f\n goto in\n f: r0 = 0\n in: exit"), "V004", 1);
    expect_refused(make_request(""), "V001", 0);
}

TEST(Shape, CallsThatAreNotSupportedAreNamed) {
    Request request = make_request("r0 = 0\n exit");
    request.bytecode[8] = std::byte{0x85};
    request.bytecode[9] = std::byte{0x20};
    request.bytecode.resize(24);
    request.bytecode[16] = std::byte{0x95};
    const Report report = verify(request);
    EXPECT_EQ(failure_of(report), "V002 @1 calls of kernel functions are not supported");
}

TEST(Loop, BoundedLoopsAreUnrolled) {
    expect_accepted(make_request("r0 = 0\n loop: r0 += 1\n if r0 < 1000 goto loop\n exit"));
    expect_accepted(
        make_request("r0 = *(u32 *)(r1 + 12)\n r0 &= 63\n r2 = 0\n loop: r2 += 1\n if r2 < r0 goto loop\n"
                     "r0 = 0\n exit"));
}

TEST(Loop, NestedLoops) {
    expect_accepted(make_request(R"(
        r0 = 0
        r2 = 0
        outer: r3 = 0
        inner: r3 += 1
        r0 += r3
        if r3 < 20 goto inner
        r2 += 1
        if r2 < 20 goto outer
        r0 = 0
        exit)"));
}

TEST(Loop, EndlessLoopsAreRefused) {
    expect_refused(make_request("r0 = 0\n loop: goto loop\n exit"), "V005", 2);
    expect_refused(make_request("r0 = 0\n loop: if r0 == 0 goto loop\n exit"), "V006", 1);
    expect_refused(make_request("r6 = r1\n loop: call 7\n if r0 != 0 goto loop\n exit"), "V006", 1);
    expect_refused(make_request("r0 = 0\n loop: r0 ^= 1\n if r0 < 2 goto loop\n exit"), "V006", 1);
}

TEST(Loop, TooManyIterationsAreALimit) {
    Request request = make_request("r0 = 0\n loop: r0 += 1\n if r0 < 50000 goto loop\n exit");
    request.limits.instructions = 20000;
    const Report report = verify(request);
    ASSERT_EQ(report.verdict, Verdict::Reject);
    EXPECT_EQ(report.failures[0].rule, "V041");
    EXPECT_EQ(report.failures[0].category, "limit");
}

// Each iteration forks; without meeting of paths there would be 2^60 of them.
TEST(Loop, BranchesInLoopsDoNotMultiplyPaths) {
    expect_accepted(make_request(R"(
        r6 = r1
        r7 = 0
        r8 = 0
        loop: call 7
        if r0 > 5 goto skip
        r8 += 1
        skip: r7 += 1
        if r7 < 60 goto loop
        r0 = 0
        exit)"));
}

// Forty independent flags make 2^40 states; joining keeps what the end needs.
TEST(Join, PathExplosionIsNotARefusal) {
    std::string text = "r6 = r1\n r7 = 0\n r8 = 1\n";
    for (int i = 0; i < 40; ++i) {
        text += "call 7\n if r0 > 5 goto s" + std::to_string(i) + "\n r7 |= r8\n s" + std::to_string(i) +
                ": r8 <<= 1\n";
    }
    const Report report = verify(make_request(text + "r0 = r7\n exit"));
    EXPECT_EQ(failure_of(report), "");
    EXPECT_LT(report.instructions, 20000U);
}

// A pointer on one path and a number on the other, told apart by a flag: states are kept apart.
TEST(Join, CorrelatedBranchesStayApart) {
    expect_accepted(make_request(R"(
        r2 = *(u32 *)(r1 + 12)
        r3 = 0
        r4 = 5
        if r2 > 7 goto skip
        r3 = 1
        r4 = r1
        skip: r0 = 0
        if r3 == 0 goto out
        r0 = *(u32 *)(r4 + 12)
        out: exit)"));
}

TEST(Call, ArgumentsResultAndSavedRegisters) {
    expect_accepted(
        make_request("r6 = r1\n call f\n r0 = *(u32 *)(r6 + 12)\n exit\n f: r0 = *(u32 *)(r1 + 12)\n exit"));
    expect_refused(make_request("call f\n r0 = r1\n exit\n f: r0 = 0\n exit"), "V009", 1);
    expect_refused(make_request("r6 = 1\n call f\n exit\n f: r0 = r6\n exit"), "V009", 3);
    expect_refused(make_request("call f\n exit\n f: r6 = 0\n exit"), "V009", 1);
}

TEST(Call, CalleesUseTheirCallersStack) {
    expect_accepted(make_request(R"(
        r1 = r10
        r1 += -8
        call f
        r0 = *(u64 *)(r10 - 8)
        exit
        f: *(u64 *)(r1 + 0) = 5
        r0 = 0
        exit)"));
    expect_refused(
        make_request("r1 = r10\n r1 += -8\n call f\n exit\n f: *(u64 *)(r1 + 0) = r10\n r0 = 0\n exit"),
        "V037", 4);
    expect_refused(make_request("call f\n r0 = 0\n exit\n f: r0 = r10\n exit"), "V037", 4);
}

TEST(Call, RecursionDepthAndStack) {
    expect_refused(make_request("call f\n exit\n f: call f\n exit"), "V007", 2);
    std::string deep;
    for (int i = 0; i < 8; ++i)
        deep += "f" + std::to_string(i) + ": call f" + std::to_string(i + 1) + "\n exit\n";
    expect_refused(make_request(deep + "f8: r0 = 0\n exit"), "V008", 0);
    expect_refused(
        make_request("*(u64 *)(r10 - 300) = 0\n call f\n exit\n f: *(u64 *)(r10 - 300) = 0\n r0 = 0\n exit"),
        "V038", 1);
    const Report report = verify(
        make_request("*(u64 *)(r10 - 200) = 0\n call f\n exit\n f: *(u64 *)(r10 - 300) = 0\n r0 = 0\n exit"));
    EXPECT_EQ(failure_of(report), "");
    EXPECT_EQ(report.stack_bytes, 208U + 304U);
}

TEST(Call, TailCallsOnlyFromTheProgram) {
    Request request = make_request("call f\n exit\n f: r2 = map[idx:2]\n r3 = 0\n call 12\n r0 = 0\n exit");
    MapInfo programs;
    programs.name = "programs";
    programs.shape = {spec::MapType::ProgArray, 4, 4, 4, 0};
    request.maps.push_back(programs);
    expect_refused(request, "V035", 5);
    request.bytecode = make_request("r2 = map[idx:2]\n r3 = 0\n call 12\n r0 = 0\n exit").bytecode;
    expect_accepted(request);
}

TEST(PacketInstruction, OnlyForSocketFilters) {
    expect_accepted(make_request("r6 = r1\n r0 = *(u16 *)skb[12]\n exit", spec::ProgramType::SocketFilter));
    expect_refused(make_request("r0 = *(u16 *)skb[12]\n exit", spec::ProgramType::SocketFilter), "V040", 0);
    expect_refused(make_request("r6 = r1\n r0 = *(u16 *)skb[12]\n exit"), "V040", 1);
    expect_refused(
        make_request("r6 = r1\n r0 = *(u16 *)skb[12]\n r0 = r1\n exit", spec::ProgramType::SocketFilter),
        "V009", 2);
}

TEST(Limits, TimeAndMemoryAreKept) {
    Request request = make_request("r0 = 0\n loop: r0 += 1\n if r0 < 300000 goto loop\n exit");
    request.limits.time_ns = 1;
    Report report = verify(request);
    ASSERT_EQ(report.verdict, Verdict::Reject);
    EXPECT_EQ(report.failures[0].rule, "V041");
    EXPECT_LT(report.instructions, 5000U);
    request = make_request("r0 = 0\n exit");
    request.limits.memory_bytes = 16;
    expect_refused(request, "V041", 0);
}

TEST(Report, HoldsAccessesReachabilityAndTimes) {
    const Report report = verify(make_request(R"(
        r0 = 1
        if r0 == 1 goto out
        r2 = *(u32 *)(r1 + 12)
        out: *(u64 *)(r10 - 8) = 0
        exit)"));
    EXPECT_EQ(failure_of(report), "");
    EXPECT_THAT(report.reachable, ::testing::ElementsAre(true, true, false, true, true));
    EXPECT_EQ(report.accesses[2], AccessKind::None);
    EXPECT_EQ(report.accesses[3], AccessKind::Stack);
    EXPECT_EQ(report.stack_bytes, 16U);
    EXPECT_EQ(report.instructions, 4U);
    EXPECT_GT(report.time_ns, 0U);
}

TEST(Report, NamesTheSourceLine) {
    Request request = make_request("r0 = r3\n exit");
    request.lines.push_back({0, 17, 5, "filter.c", "return x;"});
    const Report report = verify(request);
    ASSERT_EQ(report.failures.size(), 1U);
    EXPECT_EQ(report.failures[0].source.line, 17U);
    EXPECT_THAT(render(report, "test"), ::testing::HasSubstr("at filter.c:17:5: return x;"));
    EXPECT_THAT(render(report, "test"),
                ::testing::HasSubstr("initialisation [V009] at instruction 0: r3 is not"));
}

TEST(Request, ContradictionsAreRefused) {
    expect_refused(make_request("r0 = 0\n exit", static_cast<spec::ProgramType>(4711)), "V042", 0);
    Request request = make_request("r0 = 0\n exit");
    request.maps[0].shape.value_size = 0xffffffff;
    expect_refused(request, "V042", 0);
    request = make_request("r0 = 0\n exit");
    request.maps[0].contents.resize(16);
    request.maps[0].is_frozen = true;  // four values, not one
    expect_refused(request, "V042", 0);
}

TEST(Observe, InvariantsAdmitWhatRunsAndNothingElse) {
    Request request = make_request("r0 = *(u32 *)(r1 + 12)\n r0 &= 7\n *(u64 *)(r10 - 8) = r0\n exit");
    request.wants_invariants = true;
    const Report report = verify(request);
    ASSERT_NE(report.invariants, nullptr);
    std::array<std::byte, spec::kStackBytes> stack{};
    stack[spec::kStackBytes - 8] = std::byte{5};
    const ConcreteFrame frame{0x10000, stack};
    ConcreteState state;
    state.frames = {&frame, 1};
    state.context = 0x5000;
    state.registers[1] = 0x5000;
    state.registers[10] = 0x10000;
    std::string why;
    EXPECT_TRUE(admits(*report.invariants, 0, state, &why)) << why;
    state.registers[0] = 5;
    EXPECT_TRUE(admits(*report.invariants, 3, state, &why)) << why;
    state.registers[0] = 8;
    EXPECT_FALSE(admits(*report.invariants, 3, state, &why));
    EXPECT_THAT(why, ::testing::HasSubstr("r0 is 0x8, known was a number in 0..7"));
    state.registers[0] = 4;  // the stack holds 5: the spilled copy must be equal
    EXPECT_FALSE(admits(*report.invariants, 3, state, &why));
    EXPECT_FALSE(admits(*report.invariants, 17, state, &why));
    EXPECT_FALSE(describe(*report.invariants, 3).empty());
}

}  // namespace
}  // namespace ebpf::verifier
