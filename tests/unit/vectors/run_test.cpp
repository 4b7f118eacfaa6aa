// SPDX-License-Identifier: MIT
// A runner that passes everything would be worse than none: each kind of expectation is broken once here.
#include "vectors/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebpf::vectors {
namespace {

using testing::HasSubstr;

Outcome run(std::string_view text, const RunOptions& options = {}) {
    const auto vectors = parse_vectors(text, "test.bpft");
    if (!vectors) {
        ADD_FAILURE() << vectors.error().message();
        return {};
    }
    return run_vector(vectors->front(), options);
}

TEST(RunVector, PassesAndNamesTheFormsExecuted) {
    const Outcome outcome = run("-- asm\nr0 = 5\ngoto +1\nr0 = -r0\nexit\n-- result 5\n");
    EXPECT_TRUE(outcome.is_passed) << outcome.message;
    EXPECT_EQ(outcome.forms.size(), 3U) << "the negation was jumped over";
}

TEST(RunVector, FailsOnAnotherResult) {
    const Outcome outcome = run("-- asm\nr0 = 5\nexit\n-- result 6\n");
    EXPECT_FALSE(outcome.is_passed);
    EXPECT_THAT(outcome.message, HasSubstr("result 0x5, expected 0x6"));
    EXPECT_TRUE(outcome.forms.empty());
}

TEST(RunVector, FailsOnOtherMemory) {
    EXPECT_TRUE(
        run("-- asm\n*(u8 *)(r1 +1) = 7\nr0 = 0\nexit\n-- mem 01 02\n-- output-mem 01 07\n-- result 0\n")
            .is_passed);
    EXPECT_FALSE(
        run("-- asm\n*(u8 *)(r1 +1) = 7\nr0 = 0\nexit\n-- mem 01 02\n-- output-mem 01 02\n-- result 0\n")
            .is_passed);
}

TEST(RunVector, FailsOnOtherBytes) {
    EXPECT_TRUE(run("-- asm\nexit\n-- raw 0x95\n-- result 0\n").is_passed);
    EXPECT_THAT(run("-- asm\nexit\n-- raw 0x1000000095\n-- result 0\n").message,
                HasSubstr("raw bytes differ"));
}

TEST(RunVector, ComparesErrorsInEveryPart) {
    constexpr std::string_view kProgram = "-- raw 0x00000001000000b7 0x195\n";
    const std::string program(kProgram);
    EXPECT_TRUE(run(program + "-- error ReservedFieldSet @1 dst\n").is_passed);
    EXPECT_FALSE(run(program + "-- error FieldOutOfRange @1 dst\n").is_passed);
    EXPECT_FALSE(run(program + "-- error ReservedFieldSet @0 dst\n").is_passed);
    EXPECT_FALSE(run(program + "-- error ReservedFieldSet @1 src\n").is_passed);
    EXPECT_FALSE(run(program + "-- result 1\n").is_passed);
    EXPECT_FALSE(run("-- asm\nexit\n-- error ReservedFieldSet\n").is_passed);
}

TEST(RunVector, ObeysGroupsAndExclusions) {
    EXPECT_TRUE(run("-- groups base64\n-- asm\nr0 *= 2\nexit\n-- error GroupNotSupported @0\n").is_passed);
    const Outcome outcome = run("-- engines -interpreter\n-- asm\nexit\n-- result 1\n");
    EXPECT_TRUE(outcome.is_skipped);
    EXPECT_FALSE(outcome.is_passed);
}

// An engine that is wrong in every way that this test asks for.
std::vector<Compiled> refuse_all(std::span<const EngineProgram> programs) {
    std::vector<Compiled> images;
    for (std::size_t i = 0; i < programs.size(); ++i)
        images.push_back(std::unexpected(EngineRefusal{Status::NotSupported, {}, "refused"}));
    return images;
}

TEST(RunVector, DemandsOfTheEngineWhatTheInterpreterDoes) {
    constexpr Engine kRefuser{"refuser", refuse_all, nullptr};
    const RunOptions options{.engine = &kRefuser, .verify = nullptr};
    EXPECT_EQ(run("-- asm\nr0 = 1\nexit\n-- result 1\n", options).message, "refused");
    EXPECT_TRUE(run("-- asm\ncall r1\nexit\n-- error NotSupported @0\n", options).is_passed);
    EXPECT_FALSE(run("-- asm\ncall 4444\nexit\n-- error NotFound @0\n", options).is_passed);
    EXPECT_TRUE(run("-- engines -refuser\n-- asm\nexit\n-- result 1\n", options).is_skipped);
}

TEST(RunVector, RunsManyAtOnce) {
    const auto vectors = parse_vectors(
        "-- asm\nr0 = 1\nexit\n-- result 1\n-- case b\n-- asm\nr0 = 2\nexit\n-- result 1\n-- case c\n-- "
        "engines -interpreter\n-- asm\nexit\n-- result 0\n-- case d\n-- asm\nr0 = 4\nexit\n-- result 4\n",
        "test.bpft");
    ASSERT_TRUE(vectors);
    const auto outcomes = run_vectors(*vectors, {});
    ASSERT_EQ(outcomes.size(), 4U);
    EXPECT_TRUE(outcomes[0].is_passed);
    EXPECT_FALSE(outcomes[1].is_passed);
    EXPECT_TRUE(outcomes[2].is_skipped);
    EXPECT_TRUE(outcomes[3].is_passed);
}

TEST(Engines, AreFoundByNameAndSayWhatIsMissing) {
    EXPECT_EQ(find_engine("interpreter"), &interpreter());
    EXPECT_EQ(find_engine("turbo"), nullptr);
    for (const Engine& engine : engines()) EXPECT_NE(engine.compile == nullptr, engine.missing == nullptr);
}

TEST(RunVector, GivesMapsToPrograms) {
    EXPECT_TRUE(
        run("-- maps\narray 4 8 1\n-- asm\nr1 = map[idx:0][0]+0\nr0 = *(u64 *)(r1 +0)\n*(u64 *)(r1 +0) = 1\n"
            "exit\n-- result 0\n")
            .is_passed);
}

TEST(RunVector, ComparesMapContents) {
    constexpr std::string_view kStore =
        "-- maps\narray 4 1 2\n-- map-data 0\n00000000 05\n-- asm\nr1 = map[idx:0][0]+0\nr0 = *(u8 *)(r1 "
        "+0)\n"
        "*(u8 *)(r1 +0) = 6\nexit\n-- result 5\n";
    const std::string one_element =
        std::string(kStore).replace(std::string(kStore).find("4 1 2"), 5, "4 1 1");
    EXPECT_TRUE(run(one_element + "-- output-map 0\n00000000 06\n").is_passed);
    EXPECT_THAT(run(one_element + "-- output-map 0\n00000000 05\n").message, HasSubstr("map 0 holds"));
    EXPECT_FALSE(run(one_element + "-- output-map 0\n").is_passed);
}

TEST(RunVector, RunsTargetsOfTailCalls) {
    constexpr std::string_view kProgram =
        "-- maps\nprog_array 4 4 1\n-- target 0 0\nr0 = 9\nexit\n-- asm\nr2 = map[idx:0]\nr3 = 0\n"
        "call tail_call#12\nr0 = 1\nexit\n";
    EXPECT_TRUE(run(std::string(kProgram) + "-- result 9\n").is_passed);
    EXPECT_FALSE(run(std::string(kProgram) + "-- result 1\n").is_passed);
}

verifier::Report reject_at_one(const verifier::Request& request) {
    verifier::Report report;
    verifier::Failure failure;
    failure.rule = "V001";
    failure.slot = 1;
    failure.message = request.type == spec::ProgramType::Memory ? "memory" : "other";
    report.failures.push_back(failure);
    return report;
}

TEST(RunVector, ComparesVerdicts) {
    const RunOptions options{.engine = &interpreter(), .verify = reject_at_one};
    EXPECT_TRUE(run("-- asm\nexit\n-- verify reject V001 @1\n", options).is_passed);
    EXPECT_TRUE(run("-- asm\nexit\n-- verify reject\n-- result 0\n", options).is_passed);
    EXPECT_FALSE(run("-- asm\nexit\n-- verify reject V002\n", options).is_passed);
    EXPECT_FALSE(run("-- asm\nexit\n-- verify reject V001 @0\n", options).is_passed);
    EXPECT_FALSE(run("-- asm\nexit\n-- verify accept\n", options).is_passed);
    const Outcome outcome = run("-- asm\nexit\n-- result 0\n", options);
    EXPECT_TRUE(outcome.is_passed) << "vectors without verdict are only counted";
    EXPECT_EQ(outcome.is_accepted, false);
    EXPECT_EQ(outcome.refusal, "V001 @1: memory");
}

}  // namespace
}  // namespace ebpf::vectors
