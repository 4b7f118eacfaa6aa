// SPDX-License-Identifier: MIT
#include "lower/lower.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "ebpf/contexts.h"
#include "isa/encode.hpp"
#include "spec/helpers.hpp"

namespace ebpf::lower {
namespace {

using ::testing::HasSubstr;
using verifier::AccessKind;

isa::Instruction memory_access(spec::Family family, std::uint8_t size, std::int16_t offset) {
    spec::FormSpec wanted;
    wanted.family = family;
    wanted.size = size;
    wanted.source = family == spec::Family::StoreImm ? spec::Source::Imm : spec::Source::Reg;
    const auto form = isa::find_form(wanted);
    EXPECT_TRUE(form);
    isa::Instruction instruction;
    instruction.form = form.value_or(spec::Form{});
    instruction.dst = 2;
    instruction.src = 1;
    instruction.offset = offset;
    return instruction;
}

isa::Code code_of(std::initializer_list<isa::Instruction> instructions) {
    isa::Code code;
    for (const auto& instruction : instructions) EXPECT_TRUE(code.push_back(instruction));
    return code;
}

struct Case {
    const char* name;
    spec::ProgramType type;
    spec::Family family;
    std::uint8_t size;
    std::int16_t offset;
    std::uint8_t host_size;
    std::size_t host_offset;
    friend void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }
};

class Accepted : public ::testing::TestWithParam<Case> {};

TEST_P(Accepted, IsRewritten) {
    const Case& test = GetParam();
    const auto before = memory_access(test.family, test.size, test.offset);
    auto code = code_of({before});
    const std::vector accesses = {AccessKind::Context};
    const auto lowered = lower(code, test.type, accesses);
    ASSERT_TRUE(lowered) << lowered.error().message();
    auto expected = memory_access(test.family, test.host_size, static_cast<std::int16_t>(test.host_offset));
    EXPECT_EQ(code[0], expected);
}

constexpr auto kXdp = spec::ProgramType::Xdp;
constexpr auto kFilter = spec::ProgramType::SocketFilter;
constexpr auto kSockAddr = spec::ProgramType::CgroupSockAddr;

INSTANTIATE_TEST_SUITE_P(
    Lower, Accepted,
    ::testing::Values(
        Case{"data", kXdp, spec::Family::Load, 4, 0, 8, offsetof(ebpf_xdp_context, data)},
        Case{"data_end", kXdp, spec::Family::Load, 4, 4, 8, offsetof(ebpf_xdp_context, data_end)},
        Case{"data_meta", kXdp, spec::Family::Load, 4, 8, 8, offsetof(ebpf_xdp_context, data_meta)},
        Case{"ifindex", kXdp, spec::Family::Load, 4, 12, 4, offsetof(ebpf_xdp_context, ingress_ifindex)},
        Case{"queue_high_half", kXdp, spec::Family::Load, 2, 18, 2,
             offsetof(ebpf_xdp_context, rx_queue_index) + 2},
        Case{"queue_second_byte", kXdp, spec::Family::Load, 1, 17, 1,
             offsetof(ebpf_xdp_context, rx_queue_index) + 1},
        Case{"signed_ifindex", kXdp, spec::Family::LoadSx, 4, 12, 4,
             offsetof(ebpf_xdp_context, ingress_ifindex)},
        Case{"protocol", kFilter, spec::Family::Load, 4, 16, 4, offsetof(ebpf_skb_context, protocol)},
        Case{"cb_read", kFilter, spec::Family::Load, 4, 64, 4, offsetof(ebpf_skb_context, cb) + 16},
        Case{"cb_store_register", kFilter, spec::Family::StoreReg, 4, 52, 4,
             offsetof(ebpf_skb_context, cb) + 4},
        Case{"cb_store_constant", kFilter, spec::Family::StoreImm, 4, 48, 4, offsetof(ebpf_skb_context, cb)},
        Case{"port", kSockAddr, spec::Family::Load, 4, 24, 2, offsetof(ebpf_sock_addr_context, user_port)},
        Case{"port_second_byte", kSockAddr, spec::Family::Load, 1, 25, 1,
             offsetof(ebpf_sock_addr_context, user_port) + 1},
        Case{"port_store", kSockAddr, spec::Family::StoreReg, 4, 24, 2,
             offsetof(ebpf_sock_addr_context, user_port)},
        Case{"pair_of_words", kSockAddr, spec::Family::StoreReg, 8, 16, 8,
             offsetof(ebpf_sock_addr_context, user_ip6) + 8}),
    [](const auto& tested) { return tested.param.name; });

// A load of what the host does not keep becomes an assignment; of what it keeps in part, the sign is 0.
TEST(Lower, WhatTheHostDoesNotKeepIsZero) {
    auto code = code_of({memory_access(spec::Family::Load, 2, 26), memory_access(spec::Family::LoadSx, 1, 27),
                         memory_access(spec::Family::LoadSx, 4, 24)});
    const std::uint8_t dst = code[0].dst;
    ASSERT_TRUE(lower(code, kSockAddr, std::vector(3, AccessKind::Context)));
    for (const std::size_t slot : {0U, 1U}) {
        EXPECT_EQ(code[slot].spec().family, spec::Family::Alu);
        EXPECT_EQ(code[slot].spec().alu, spec::AluOp::Mov);
        EXPECT_EQ(code[slot].spec().source, spec::Source::Imm);
        EXPECT_EQ(code[slot].imm, 0);
        EXPECT_EQ(code[slot].dst, dst);
    }
    EXPECT_EQ(code[2], memory_access(spec::Family::Load, 2, offsetof(ebpf_sock_addr_context, user_port)));
}

class Refused : public ::testing::TestWithParam<Case> {};

TEST_P(Refused, IsAnInternalErrorAndChangesNothing) {
    const Case& test = GetParam();
    const auto good = memory_access(spec::Family::Load, 4, test.type == kXdp ? 12 : 16);
    const auto bad = memory_access(test.family, test.size, test.offset);
    auto code = code_of({good, bad});
    const std::vector accesses = {AccessKind::Context, AccessKind::Context};
    const auto lowered = lower(code, test.type, accesses);
    ASSERT_FALSE(lowered);
    EXPECT_EQ(lowered.error().status(), Status::Internal);
    EXPECT_THAT(lowered.error().message(), HasSubstr("instruction 1: "));
    EXPECT_EQ(code[0], good);
    EXPECT_EQ(code[1], bad);
}

INSTANTIATE_TEST_SUITE_P(
    Lower, Refused,
    ::testing::Values(Case{"half_of_data", kXdp, spec::Family::Load, 2, 0, 0, 0},
                      Case{"signed_data", kXdp, spec::Family::LoadSx, 4, 0, 0, 0},
                      Case{"across_fields", kXdp, spec::Family::Load, 8, 0, 0, 0},
                      Case{"across_plain_fields", kXdp, spec::Family::Load, 4, 14, 0, 0},
                      Case{"unknown_field", kXdp, spec::Family::Load, 4, 20, 0, 0},
                      Case{"negative_offset", kXdp, spec::Family::Load, 4, -4, 0, 0},
                      Case{"store_to_read_only", kXdp, spec::Family::StoreReg, 4, 12, 0, 0},
                      Case{"store_to_address", kXdp, spec::Family::StoreReg, 4, 0, 0, 0},
                      Case{"narrow_store", kFilter, spec::Family::StoreReg, 2, 48, 0, 0},
                      Case{"ordered_load", kFilter, spec::Family::LoadAcquire, 4, 48, 0, 0}),
    [](const auto& tested) { return tested.param.name; });

TEST(Lower, LeavesOtherAccessesAlone) {
    const auto load = memory_access(spec::Family::Load, 4, 0);
    auto code = code_of({load, load, load, load, load});
    const std::vector accesses = {AccessKind::Packet, AccessKind::Stack, AccessKind::MapValue,
                                  AccessKind::None, AccessKind::Context};
    ASSERT_TRUE(lower(code, kXdp, accesses));
    for (std::size_t slot = 0; slot < 4; ++slot) EXPECT_EQ(code[slot], load);
    EXPECT_EQ(code[4].spec().size, 8);
}

TEST(Lower, RefusesAReportForOtherCode) {
    auto code = code_of({memory_access(spec::Family::Load, 4, 0)});
    const std::vector accesses = {AccessKind::Context, AccessKind::None};
    const auto lowered = lower(code, kXdp, accesses);
    ASSERT_FALSE(lowered);
    EXPECT_EQ(lowered.error().status(), Status::Internal);
    EXPECT_THAT(lowered.error().message(), HasSubstr("2 access kinds for 1 instructions"));
}

TEST(Lower, RefusesContextAccessesWithoutAContextStructure) {
    auto code = code_of({memory_access(spec::Family::Load, 4, 0)});
    const std::vector accesses = {AccessKind::Context};
    const auto lowered = lower(code, spec::ProgramType::Memory, accesses);
    ASSERT_FALSE(lowered);
    EXPECT_THAT(lowered.error().message(), HasSubstr("no field of memory"));
}

isa::Instruction simple(const spec::FormSpec& wanted, std::uint8_t dst, std::int64_t imm) {
    const auto form = isa::find_form(wanted);
    EXPECT_TRUE(form);
    isa::Instruction instruction;
    instruction.form = form.value_or(spec::Form{});
    instruction.dst = dst;
    instruction.imm = imm;
    const spec::FormSpec& row = instruction.spec();
    if (row.src == spec::FieldRule::Fixed) instruction.src = static_cast<std::uint8_t>(row.selector);
    return instruction;
}

// r6 = address of slot 7; two slots; callx r6; callx r3; callx r4; exit; exit
isa::Code code_with_calls() {
    const auto address =
        simple({.family = spec::Family::LoadImm64, .wide = spec::WideKind::CodeAddress}, 6, 6);
    const auto call = [](std::uint8_t reg) { return simple({.family = spec::Family::CallRegister}, reg, 0); };
    const auto leave = simple({.family = spec::Family::Exit}, 0, 0);
    return code_of({address, isa::Instruction{}, call(6), call(3), call(4), leave, leave, leave});
}

TEST(Lower, MakesCallsThroughRegistersDirect) {
    auto code = code_with_calls();
    verifier::Report report;
    report.accesses.assign(code.size(), AccessKind::None);
    report.calls = {{2, false, 7}, {3, true, 5}};
    const auto lowered = lower(code, spec::ProgramType::Memory, report);
    ASSERT_TRUE(lowered) << lowered.error().message();
    EXPECT_EQ(code[0], simple({.family = spec::Family::LoadImm64, .wide = spec::WideKind::Value}, 6, 7));
    EXPECT_EQ(code[2], simple({.family = spec::Family::CallLocal}, 0, 4));
    EXPECT_EQ(code[3], simple({.family = spec::Family::CallHelper}, 0, 5));
    EXPECT_EQ(code[4].spec().family, spec::Family::Alu) << "a call that no path reaches";
}

TEST(Lower, LeavesAddressesOfCodeToHelpersThatCallBack) {
    auto code = code_with_calls();
    const auto address = code[0];
    verifier::Report report;
    report.accesses.assign(code.size(), AccessKind::None);
    report.calls = {{2, false, 7}, {3, true, static_cast<std::uint32_t>(spec::HelperId::loop)}};
    ASSERT_TRUE(lower(code, spec::ProgramType::Memory, report));
    EXPECT_EQ(code[0], address);
    EXPECT_EQ(code[2].spec().family, spec::Family::CallLocal);
}

TEST(Lower, RefusesCallsThatAreNone) {
    for (const verifier::CallTarget& wrong :
         {verifier::CallTarget{5, false, 7}, {8, false, 7}, {2, false, 8}, {2, false, 1}}) {
        auto code = code_with_calls();
        verifier::Report report;
        report.accesses.assign(code.size(), AccessKind::None);
        report.calls = {{3, true, 5}, wrong};
        const auto lowered = lower(code, spec::ProgramType::Memory, report);
        ASSERT_FALSE(lowered) << wrong.slot << " " << wrong.target;
        EXPECT_EQ(lowered.error().status(), Status::Internal);
        EXPECT_EQ(code[3].spec().family, spec::Family::CallRegister);
    }
}

TEST(Lower, RefusesUnknownProgramTypes) {
    isa::Code code;
    const std::span<const AccessKind> nothing;
    EXPECT_EQ(lower(code, spec::ProgramType::Unspecified, nothing).error().status(), Status::Internal);
}

}  // namespace
}  // namespace ebpf::lower
