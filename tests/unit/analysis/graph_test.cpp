// SPDX-License-Identifier: MIT
#include "analysis/graph.hpp"

#include <gmock/gmock.h>

#include <string_view>

#include "analysis/liveness.hpp"
#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"

namespace ebpf::analysis {
namespace {

using ::testing::ElementsAre;

isa::Code code_of(std::string_view assembly) {
    auto bytes = isa::assemble(assembly);
    EXPECT_TRUE(bytes.has_value()) << (bytes ? "" : bytes.error().message());
    auto code = isa::decode(*bytes, spec::kAllGroups);
    EXPECT_TRUE(code.has_value());
    return code ? *std::move(code) : isa::Code{};
}

std::span<const isa::Instruction> view(const isa::Code& code) {
    return {code.data(), code.size()};
}

/// Every edge goes forward in the order, or to the head of a loop around its source: what makes iterations
/// countable.
void expect_ordered(const Graph& graph) {
    for (const Block& block : graph.blocks) {
        for (const std::uint32_t successor : block.successors) {
            if (successor == kNone) continue;
            const Block& target = graph.blocks[successor];
            const bool is_back =
                target.is_loop_head && std::ranges::find(block.loops, target.position) != block.loops.end();
            EXPECT_TRUE(block.position < target.position || is_back) << block.last << " to " << target.first;
        }
    }
}

TEST(Graph, BlocksAndEdges) {
    const isa::Code code = code_of("r0 = 0\n if r1 == 0 goto out\n r0 = 1\n out: exit");
    const auto graph = build_graph(view(code));
    ASSERT_TRUE(graph.has_value());
    ASSERT_EQ(graph->blocks.size(), 3U);
    EXPECT_THAT(graph->blocks[0].successors, ElementsAre(1, 2));
    EXPECT_EQ(graph->blocks[2].predecessors, 2U);
    EXPECT_EQ(graph->blocks[2].first, 3U);
    EXPECT_THAT(graph->blocks[0].loops, ElementsAre());
    expect_ordered(*graph);
}

TEST(Graph, NestedLoopsHaveTheirHeads) {
    const isa::Code code = code_of(R"(
        r0 = 0
        outer: r3 = 0
        inner: r3 += 1
        if r3 < 5 goto inner
        r0 += 1
        if r0 < 5 goto outer
        exit)");
    const auto graph = build_graph(view(code));
    ASSERT_TRUE(graph.has_value());
    const Block& outer = graph->blocks[graph->block_of_slot[1]];
    const Block& inner = graph->blocks[graph->block_of_slot[2]];
    const Block& latch = graph->blocks[graph->block_of_slot[4]];
    const Block& last = graph->blocks[graph->block_of_slot[6]];
    EXPECT_TRUE(outer.is_loop_head);
    EXPECT_TRUE(inner.is_loop_head);
    EXPECT_THAT(inner.loops, ElementsAre(outer.position, inner.position));
    EXPECT_THAT(latch.loops, ElementsAre(outer.position));
    EXPECT_THAT(last.loops, ElementsAre());
    EXPECT_LT(latch.position, last.position);
    expect_ordered(*graph);
}

TEST(Graph, LoopsWithTwoEntriesAreOrderedToo) {
    const isa::Code code = code_of(R"(
        r0 = 0
        if r1 == 0 goto b
        a: r0 += 1
        if r0 > 9 goto out
        b: r0 += 2
        if r0 < 9 goto a
        out: exit)");
    const auto graph = build_graph(view(code));
    ASSERT_TRUE(graph.has_value());
    expect_ordered(*graph);
}

TEST(Graph, LongProgramsNeedNoRecursion) {
    std::string text = "r0 = 0\n";
    for (int i = 0; i < 20000; ++i) text += "if r0 == 5 goto +1\n r0 += 1\n";
    const isa::Code code = code_of(text + "exit");
    const auto graph = build_graph(view(code));
    ASSERT_TRUE(graph.has_value());
    EXPECT_EQ(graph->blocks.size(), 40001U);
    expect_ordered(*graph);
}

TEST(Graph, LoopNestingIsLimited) {
    std::string text = "r0 = 0\n";
    for (int i = 0; i < 70; ++i) text += "l" + std::to_string(i) + ": r0 += 1\n";
    for (int i = 69; i >= 0; --i)
        text += "if r0 == " + std::to_string(i) + " goto l" + std::to_string(i) + "\n";
    const isa::Code code = code_of(text + "exit");
    const auto graph = build_graph(view(code));
    ASSERT_FALSE(graph.has_value());
    EXPECT_EQ(graph.error().rule, spec::Rule::WorkLimit);
}

TEST(Graph, FunctionsAndTheirOrder) {
    const isa::Code code = code_of("call f\n exit\n g: r0 = 1\n exit\n f: call g\n exit");
    const auto graph = build_graph(view(code));
    ASSERT_TRUE(graph.has_value());
    ASSERT_EQ(graph->functions.size(), 3U);
    EXPECT_EQ(graph->functions[1].first_slot, 2U);
    const auto order = order_calls(*graph, local_calls(view(code), *graph));
    ASSERT_TRUE(order.has_value());
    EXPECT_THAT(*order, ElementsAre(1, 2, 0));
    EXPECT_EQ(graph->blocks[graph->functions[0].entry].last, 0U);
}

TEST(Graph, RefusalsNameTheSlot) {
    const auto rule_of = [](std::string_view text) {
        const isa::Code code = code_of(text);
        const auto graph = build_graph(view(code));
        return graph ? std::pair(spec::Rule::None, 0U) : std::pair(graph.error().rule, graph.error().slot);
    };
    EXPECT_EQ(rule_of("r0 = 0\n r1 = 1"), std::pair(spec::Rule::FallsOff, 1U));
    EXPECT_EQ(rule_of("r0 = 0\n exit\n r0 = 1\n exit"), std::pair(spec::Rule::Unreachable, 2U));
    EXPECT_EQ(rule_of("call f\n exit\n f: call f\n exit"), std::pair(spec::Rule::Recursion, 2U));
    EXPECT_EQ(rule_of("goto out\n exit\n out: exit"), std::pair(spec::Rule::Unreachable, 1U));
    EXPECT_EQ(build_graph({}).error().rule, spec::Rule::BadRequest);
}

TEST(Liveness, RegistersUntilTheirLastRead) {
    const isa::Code code = code_of(R"(
        r6 = r1
        r7 = 5
        if r1 == 0 goto out
        r6 = 0
        out: r0 = r6
        call 7
        exit)");
    const auto graph = build_graph(view(code));
    ASSERT_TRUE(graph.has_value());
    const auto live = live_registers(view(code), *graph);
    constexpr unsigned kFrame = 1U << 10U;
    EXPECT_EQ(live[graph->block_of_slot[0]], kFrame | 2U);
    EXPECT_EQ(live[graph->block_of_slot[3]], kFrame);
    EXPECT_EQ(live[graph->block_of_slot[4]], kFrame | (1U << 6U));
}

}  // namespace
}  // namespace ebpf::analysis
