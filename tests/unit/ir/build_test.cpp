// SPDX-License-Identifier: MIT
#include "ir/build.hpp"

#include <gtest/gtest.h>

#include "ir/dump.hpp"
#include "support.hpp"

namespace ebpf::ir::test {
namespace {

std::expected<Module, Refusal> try_build(std::string_view text) {
    const Program program = assemble(text);
    const Host host(program);
    const engine::Bindings bindings = host.bindings();
    return build({program.code, bindings, program.regions});
}

TEST(IrBuild, StraightCodeIsOneBlock) {
    const Module module = make_module(assemble("r0 = 1\nr0 += 2\nexit"));
    ASSERT_EQ(module.functions.size(), 1U);
    EXPECT_EQ(module.functions[0].blocks.size(), 1U);
    EXPECT_EQ(module.functions[0].frame_bytes, 0U);
    EXPECT_EQ(count(module, Opcode::Add), 1U);
}

TEST(IrBuild, ValuesThatMeetNeedPhisOnlyWhereTheyDiffer) {
    const Module module = make_module(assemble(
        "r0 = 1\nr3 = 7\nif r2 == 0 goto other\nr0 = 2\ngoto end\nother:\nr0 = 3\nend:\nr0 += r3\nexit"));
    EXPECT_EQ(count(module, Opcode::Phi), 1U) << dump(module);
}

TEST(IrBuild, LoopsHaveTheirPhisAndDepths) {
    const Module module =
        make_module(assemble("r0 = 0\nr3 = 5\nagain:\nr0 += r2\nr3 += -1\nif r3 != 0 goto again\nexit"));
    const Function& function = module.functions[0];
    EXPECT_EQ(count(module, Opcode::Phi), 2U) << dump(module);
    ASSERT_EQ(function.blocks.size(), 4U) << dump(module);  // the edge back is critical and split
    EXPECT_EQ(function.blocks[1].loop_depth, 1U);
    EXPECT_EQ(function.blocks[2].loop_depth, 1U);
    EXPECT_EQ(function.blocks[3].loop_depth, 0U);
}

TEST(IrBuild, EntryHasNoPredecessorsWhereTheFirstInstructionIsATarget) {
    const Module module = make_module(assemble("again:\nr2 += -1\nif r2 != 0 goto again\nr0 = r2\nexit"));
    EXPECT_TRUE(module.functions[0].blocks[0].predecessors.empty());
}

TEST(IrBuild, CodeThatNothingReachesIsLeftOut) {
    const Module module = make_module(assemble("r0 = 1\ngoto end\nr0 *= 9\nend:\nexit"));
    EXPECT_EQ(count(module, Opcode::Mul), 0U);
    EXPECT_EQ(module.functions[0].blocks.size(), 1U);
}

TEST(IrBuild, SubprogramsTakeTheArgumentsThatTheyRead) {
    const Module module =
        make_module(assemble("r1 = 3\nr2 = 4\ncall add\ncall add\nexit\nadd:\nr0 = r2\nexit"));
    ASSERT_EQ(module.functions.size(), 2U);
    EXPECT_EQ(module.functions[1].parameter_count, 2U);
    EXPECT_EQ(count(module, Opcode::CallLocal), 2U);
}

TEST(IrBuild, FunctionsWhoseAddressIsTakenAreBuilt) {
    const Module module = make_module(
        assemble("r1 = 3\nr2 = subprog[f]\nr3 = 0\nr4 = 0\ncall 181\nexit\nunused:\nr0 = 0\nexit\n"
                 "f:\nr1 = 2\nr2 = subprog[g]\nr3 = 0\nr4 = 0\ncall 181\nr0 = 0\nexit\ng:\nr0 = 0\nexit"));
    ASSERT_EQ(module.functions.size(), 3U) << dump(module);
    EXPECT_EQ(count(module, Opcode::CodeAddress), 2U) << dump(module);
}

TEST(IrBuild, RefusesAddressesOfNoFunction) {
    Program program = assemble("r1 = 1\nr2 = subprog[f]\nr3 = 0\nr4 = 0\ncall 181\nexit\nf:\nr0 = 0\nexit");
    const Host host(program);
    const engine::Bindings bindings = host.bindings();
    for (isa::Instruction& instruction : program.code) {
        if (isa::takes_code_address(instruction)) instruction.imm = 0x7fff;
    }
    const auto module = build({program.code, bindings, program.regions});
    ASSERT_FALSE(module);
    EXPECT_EQ(module.error().status, Status::NotSupported);
    EXPECT_EQ(module.error().slot, 1U);
    EXPECT_EQ(module.error().value, 0x8001);
}

TEST(IrBuild, RefusesWhatEnginesNeverSee) {
    const auto unbound = try_build("r0 = 0\ncall 9999\nexit");
    ASSERT_FALSE(unbound);
    EXPECT_EQ(unbound.error().status, Status::NotFound);
    EXPECT_EQ(unbound.error().slot, 1U);
    EXPECT_EQ(to_error(unbound.error()).message(), "instruction 1: helper 9999: not found");
    const auto recursive = try_build("call self\nexit\nself:\ncall self\nexit");
    ASSERT_FALSE(recursive);
    EXPECT_EQ(recursive.error().status, Status::LimitExceeded);
}

}  // namespace
}  // namespace ebpf::ir::test
