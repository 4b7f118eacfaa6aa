// SPDX-License-Identifier: MIT
// Programs made to cost the verifier much: it decides, or gives up, in about the time that it was given.
#include <chrono>
#include <string>

#include "verify_helper.hpp"

namespace ebpf::verifier {
namespace {

using Clock = std::chrono::steady_clock;

void append_slot(std::vector<std::byte>& bytes, std::uint8_t opcode, std::uint8_t registers,
                 std::int16_t offset, std::int32_t imm) {
    const unsigned low_offset = static_cast<std::uint16_t>(offset);
    const auto low_imm = static_cast<std::uint32_t>(imm);
    for (const unsigned byte :
         {unsigned{opcode}, unsigned{registers}, low_offset & 0xffU, low_offset >> 8U}) {
        bytes.push_back(static_cast<std::byte>(byte));
    }
    for (unsigned shift = 0; shift < 32; shift += 8)
        bytes.push_back(static_cast<std::byte>(low_imm >> shift));
}

// r0 = 0, a jump to the last of `count` blocks, the exit, and blocks that each jump to the one before it:
// what is live at the exit is live in all blocks, but an analysis that takes blocks in their order learns of
// one in each round.
TEST(Hostile, ChainOfBackwardJumpsTakesLinearTime) {
    constexpr std::int32_t kBlocks = 40'000;
    Request request = make_request("r0 = 0\nexit");
    request.bytecode.clear();
    append_slot(request.bytecode, 0xb7, 0, 0, 0);
    append_slot(request.bytecode, 0x06, 0, 0, 2 * (kBlocks - 1) + 1);  // gotol
    append_slot(request.bytecode, 0x95, 0, 0, 0);
    for (std::int32_t i = 0; i < kBlocks; ++i) {
        append_slot(request.bytecode, 0x07, 0, 0, 1);
        append_slot(request.bytecode, 0x05, 0, i == 0 ? -3 : -4, 0);
    }
    expect_accepted(request);
}

TEST(Hostile, LargeStatesDoNotDelayTheTimeLimit) {
    std::string text = "r6 = r1\n";
    for (int i = 1; i <= 512; ++i) text += "call 7\n*(u8 *)(r10 - " + std::to_string(i) + ") = r0\n";
    for (int i = 0; i < 1500; ++i) {
        text += "call 7\nif r0 == 0 goto +1\n*(u8 *)(r10 - " + std::to_string(i % 512 + 1) +
                ") = " + std::to_string(i % 200) + "\n";
    }
    text += "r0 = 0\nexit";
    Request request = make_request(text);
    request.limits.time_ns = 20'000'000;
    const auto begin = Clock::now();
    const Report report = verify(request);
    EXPECT_LT(Clock::now() - begin, std::chrono::seconds(5));
    ASSERT_EQ(report.verdict, Verdict::Reject);
    EXPECT_EQ(report.failures.at(0).category, "limit");
}

}  // namespace
}  // namespace ebpf::verifier
