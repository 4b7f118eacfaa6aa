// SPDX-License-Identifier: MIT
// What the C looks like, and that texts from an object file stay texts. What it computes: the vectors.
#include "native/generate.hpp"

#include <gmock/gmock.h>

#include "native/text.hpp"
#include "programs.hpp"

namespace ebpf::native {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr spec::MapShape kArray{spec::MapType::Array, 4, 12, 10, 0};
constexpr spec::MapShape kHash{spec::MapType::Hash, 8, 8, 10, 0};

constexpr const char* kLookup =
    "*(u32 *)(r10 -8) = 3\n*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -8\nr1 = map[idx:0]\ncall 1\n"
    "if r0 == 0 goto +1\nr0 = *(u64 *)(r0 +0)\nexit\n";

verifier::Request with_map(const spec::MapShape& shape) {
    auto request = request_for(kLookup);
    request.maps.push_back({"flows", shape, false, {}});
    return request;
}

TEST(Generate, LooksUpArraysByArithmetic) {
    const std::string c = c_of(prepare(with_map(kArray)).input());
    EXPECT_THAT(c, HasSubstr("r0 = ebpf_address(ebpf_array_value(ebpf_bound_pointer(&image->bound["));
    EXPECT_THAT(c, HasSubstr("(uint32_t)ebpf_load32(stack + 504), 10U, 16U)); /* lookup in flows */"));
    EXPECT_THAT(c, Not(HasSubstr("EBPF_NATIVE_HELPER")));
}

TEST(Generate, LooksUpShortKeysOfHashesInPlace) {
    const std::string c = c_of(prepare(with_map(kHash)).input());
    EXPECT_THAT(c, HasSubstr("r0 = ebpf_address(ebpf_hash_value(image->bound["));
    EXPECT_THAT(c, HasSubstr(".kind = EBPF_NATIVE_MAP_TABLE, .number = 0U, .slot = 6"));
    EXPECT_THAT(c, Not(HasSubstr("EBPF_NATIVE_MAP_LOOKUP")));
}

TEST(Generate, LooksUpOtherKeysThroughTheMapsOwnFunction) {
    spec::MapShape shape = kHash;
    shape.key_size = 3;
    const std::string c = c_of(prepare(with_map(shape)).input());
    EXPECT_THAT(c, HasSubstr("r0 = ebpf_address(ebpf_map_value(image->bound["));
    EXPECT_THAT(c, HasSubstr(".kind = EBPF_NATIVE_MAP_LOOKUP, .number = 0U, .slot = 6"));
}

TEST(Generate, NumbersFunctionsThatHelpersCallBack) {
    const std::string c = c_of(prepare(request_for("r1 = 3\nr2 = subprog[f]\nr3 = 0\nr4 = 0\ncall 181\nexit\n"
                                                   "f:\nr0 = r1\nr0 &= 1\nexit\n"))
                                   .input());
    EXPECT_THAT(c, HasSubstr("r2 = 1; /* address of "));
    EXPECT_THAT(c, HasSubstr("    switch (code) {\n    case 1:\n        return "));
    EXPECT_THAT(c, HasSubstr("    invocation->call_back = "));
}

TEST(Generate, ReadsWhatOtherThreadsWriteOnce) {
    EXPECT_THAT(c_of(prepare(with_map(kHash)).input()),
                HasSubstr("r0 = ebpf_load_shared64(ebpf_pointer(r0));"));
    const std::string c = c_of(prepare(request_for("r0 = *(u64 *)(r1 +8)\nexit\n", 16)).input());
    EXPECT_THAT(c, HasSubstr("r0 = ebpf_load64(p1 + 8);"));
}

TEST(Generate, KnowsTheMapOnAllPathsOnly) {
    auto request = request_for(
        "r6 = *(u32 *)(r1 +0)\n*(u64 *)(r10 -8) = 0\nr2 = r10\nr2 += -8\nr1 = map[idx:0]\nif r6 == 0 goto "
        "+2\n"
        "r1 = map[idx:1]\ncall 1\nr0 = 0\nexit\n",
        4);
    request.maps = {{"one", kHash, false, {}}, {"two", kHash, false, {}}};
    const auto verified = verify_for_image(request, verify_here);
    ASSERT_TRUE(verified);
    auto identity = identify(verified->request, verified->report);
    if (verified->report.verdict != verifier::Verdict::Accept) GTEST_SKIP() << "the verifier wants one map";
    const std::string c = c_of(prepare(request).input());
    EXPECT_THAT(c, HasSubstr("/* map_lookup_elem */"));
}

TEST(Generate, WritesAFunctionForEachSubprogram) {
    auto request = request_for("r1 = 4\nr2 = 1\ncall +1\nexit\nr0 = r1\nr0 += 1\nexit\n");
    request.subprograms = {{0, "program"}, {4, "add"}};
    request.lines = {{0, 7, 1, "a.c", "int x = 4;"}, {4, 2, 1, "a.c", "return x + 1; /* sum */"}};
    const std::string c = c_of(prepare(request).input());
    EXPECT_THAT(c, HasSubstr("struct ebpf_native_invocation* invocation, uint64_t r1);"));
    EXPECT_THAT(c, HasSubstr("r0 = bpf_program_add(image, invocation, w1);"));
    EXPECT_THAT(c, HasSubstr("/* a.c:7: int x = 4; */"));
    EXPECT_THAT(c, HasSubstr("/* a.c:2: return x + 1; / * sum * / */"));
}

std::string c_of_loop(std::string_view assembly) {
    return c_of(prepare(request_for(assembly, 64)).input());
}

TEST(Generate, TellsNumbersOf32BitsAndAddressesToTheCompiler) {
    const std::string c =
        c_of(prepare(request_for("r2 = r1\nr2 += 8\nr3 = *(u16 *)(r2 +2)\nw3 <<= 4\nr4 = r3\n"
                                 "r4 += r3\nif r3 s> 5 goto +1\nr4 = -r4\nr0 = r4\nexit\n",
                                 16))
                 .input());
    EXPECT_THAT(c, HasSubstr("    p2 = p1;\n    p2 += 8;\n    w3 = ebpf_load16(p2 + 2);\n    w3 <<= 4;\n"));
    EXPECT_THAT(c, HasSubstr("    w4 = w3;\n    r4 = (uint64_t)w4 + (uint64_t)w3;\n    if (w3 > 5) goto "));
}

TEST(Generate, PutsKeysTogetherFromWhatWasStored) {
    auto request = request_for(
        "r3 = *(u32 *)(r1 +0)\n*(u32 *)(r10 -8) = r3\n*(u32 *)(r10 -4) = 7\nr2 = r10\nr2 += -8\nr1 = "
        "map[idx:0]\n"
        "call 1\nr0 = 0\nexit\n",
        4);
    request.maps.push_back({"flows", kHash, false, {}});
    const std::string c = c_of(prepare(request).input());
    EXPECT_THAT(c, HasSubstr("    ebpf_store32(stack + 504, w3);\n    frame_504_32 = (uint32_t)(w3);\n"));
    EXPECT_THAT(c, HasSubstr("((uint64_t)frame_504_32 | (uint64_t)frame_508_32 << 32), 0, 0, 8U, "));
    // One store is what compilers see themselves; after a call nobody knows.
    EXPECT_THAT(c_of_loop("*(u64 *)(r10 -8) = 7\nr0 = *(u64 *)(r10 -8)\nexit\n"), Not(HasSubstr("frame_")));
    EXPECT_THAT(
        c_of_loop("*(u32 *)(r10 -8) = 7\n*(u32 *)(r10 -4) = 7\ncall 7\nr0 = *(u64 *)(r10 -8)\nexit\n"),
        Not(HasSubstr("frame_")));
}

TEST(Generate, KeepsResultsOfStraightLoopsNarrow) {
    const std::string loop = "r0 = 0\nr2 = 4\nw0 += 3\nr2 += -1\nif r2 != 0 goto -3\n";
    EXPECT_THAT(c_of_loop(loop + "exit\n"), HasSubstr("    return ebpf_narrow(w0);"));
    EXPECT_THAT(c_of_loop(loop + "r0 = -r0\nexit\n"), HasSubstr("    return r0;"));
    EXPECT_THAT(c_of_loop("r0 = 0\nexit\n"), HasSubstr("    return w0;"));
}

TEST(Generate, SaysLoopsAsLoops) {
    const std::string c = c_of_loop("r0 = 0\nr2 = 0\nr0 += r2\nr2 += 2\nif w2 != 20 goto -3\nexit\n");
    EXPECT_THAT(c, HasSubstr("    EBPF_UNROLL(10)\n    do {\n        r0 += r2;\n        r2 += 2;\n"));
    // It counts from 0 to 20: what lies above the low half is 0.
    EXPECT_THAT(c, HasSubstr("    } while (r2 != 20);\n    return r0;"));
    EXPECT_THAT(c, Not(HasSubstr("goto")));
    const std::string left =
        c_of_loop("r0 = 0\nr2 = 9\nr0 += r2\nr2 += -3\nif r2 == 0 goto +1\ngoto -4\nexit\n");
    EXPECT_THAT(left, HasSubstr("    EBPF_UNROLL(3)\n    do {"));
    EXPECT_THAT(left, HasSubstr("        r2 -= 3;\n    } while (r2 != 0);\n    return r0;"));
}

TEST(Generate, KeepsTheWidthOfTestsOfWhatItCannotCount) {
    // The step, the start, or how often it counts is not known; or it may be left out; or 20 is not met.
    for (const char* const assembly :
         {"r0 = 0\nr2 = 0\nr3 = *(u8 *)(r1 +0)\nr3 |= 1\nr2 += r3\nr0 += 1\nif r0 > 30 goto +1\nif w2 < 20 "
          "goto "
          "-4\nexit\n",
          "r0 = 0\nr2 = *(u8 *)(r1 +0)\nr2 += 2\nif w2 < 20 goto -2\nexit\n",
          "r0 = 0\nr2 = 0\nr2 += 2\nr2 += 2\nif w2 < 20 goto -3\nexit\n",
          "r0 = 0\nr2 = 0\nr3 = *(u8 *)(r1 +0)\nr0 += 1\nif r0 == r3 goto +1\nr2 += 2\nif r0 > 30 goto "
          "+1\nif w2 "
          "< 20 goto -5\nexit\n",
          "r0 = 0\nr2 = 0\nr0 += 1\nif r0 > 30 goto +2\nr2 += 3\nif w2 != 20 goto -4\nexit\n"}) {
        const std::string c = c_of_loop(assembly);
        EXPECT_THAT(c, HasSubstr("} while ((uint32_t)r2 ")) << assembly;
        EXPECT_THAT(c, Not(HasSubstr("EBPF_UNROLL"))) << assembly;
    }
}

TEST(Generate, JumpsWhereALoopIsEnteredInTheMiddle) {
    const std::string c = c_of_loop(
        "r0 = 0\nr2 = *(u8 *)(r1 +0)\nif r2 > 3 goto +1\nr0 += 1\nr0 += 2\nif r0 < 20 goto -3\nexit\n");
    EXPECT_THAT(c, HasSubstr("if (r0 < 20) goto slot_3;"));
    EXPECT_THAT(c, Not(HasSubstr("do {")));
}

TEST(Generate, NestsLoopsAndContinuesThem) {
    const std::string c = c_of_loop(
        "r0 = 0\nr2 = 0\nr3 = 0\nr3 += 1\nif r3 == 2 goto +1\nr0 += 1\nif w3 < 4 goto -4\nr2 += 1\nif w2 < 3 "
        "goto -7\nexit\n");
    EXPECT_THAT(c, HasSubstr("    do {\n        r3 = 0;\n        do {\n            r3 += 1;\n"));
    EXPECT_THAT(c, HasSubstr("            r0 += 1;\nslot_6:;\n        } while (r3 < 4);\n"));
    EXPECT_THAT(c, HasSubstr("        r2 += 1;\n    } while (r2 < 3);\n    return r0;"));
}

TEST(Generate, NamesWhatItCannotTranslate) {
    const auto fault_of = [](std::string_view assembly) {
        const auto bytes = isa::assemble(assembly);
        EXPECT_TRUE(bytes);
        const auto code = isa::decode(*bytes, spec::kAllGroups);
        EXPECT_TRUE(code);
        ProgramInput input;
        input.code = &*code;
        const ProgramInput* const one = &input;
        const auto c = generate({&one, 1}, "test");
        EXPECT_FALSE(c);
        return c ? Fault{} : c.error();
    };
    const Fault kfunc = fault_of("r0 = 0\ncall kernel-function#7\nexit\n");
    EXPECT_EQ(kfunc.status, Status::NotSupported);
    EXPECT_EQ(kfunc.slot, 1U);
    const Fault map = fault_of("r1 = map[idx:3]\nr0 = 0\nexit\n");
    EXPECT_EQ(map.status, Status::NotFound);
    EXPECT_THAT(map.message, HasSubstr("instruction 0: map index 3"));
    EXPECT_EQ(fault_of("r0 = 0\n").status, Status::JumpOutOfRange);
    EXPECT_EQ(fault_of("call -1\nexit\n").status, Status::LimitExceeded);
}

TEST(Text, StaysTextWhateverIsInIt) {
    EXPECT_EQ(c_string("a\"b\\c\n\xff"
                       "1?!"),
              R"("a\042b\134c\012\3771\077!")");
    EXPECT_EQ(c_comment("end */ int x; /* \n\xc3\xa4"), "end * / int x; / * ...");
    EXPECT_LT(c_comment(std::string(10000, 'x')).size(), 200U);
    Names names;
    EXPECT_EQ(names.take("bpf_", "a-b;c"), "bpf_a_b_c");
    EXPECT_EQ(names.take("bpf_", "a b.c"), "bpf_a_b_c_2");
    EXPECT_EQ(names.take("bpf_", ""), "bpf_");
}

}  // namespace
}  // namespace ebpf::native
