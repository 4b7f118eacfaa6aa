// SPDX-License-Identifier: MIT
// What the verifier accepts runs without a fault, and every value lies inside the invariant, at reachable
// instructions. Mutated programs are often unsafe: those that are accepted nevertheless are the interesting
// ones.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "deadline.hpp"
#include "generator.hpp"
#include "isa/decode.hpp"
#include "lower/lower.hpp"
#include "observer.hpp"
#include "oracle_run.hpp"
#include "print_parameters.hpp"
#include "vectors/run.hpp"
#include "vectors/verdict.hpp"

namespace ebpf::oracle {
namespace {

struct Counts {
    std::uint64_t accepted = 0;
    std::uint64_t rejected = 0;
};

class Observation : public testing::TestWithParam<spec::ProgramType> {
  protected:
    // Fails the test if an accepted program does what its verdict excludes.
    void check(const Generated& program, std::uint64_t seed) {
        const verifier::Report report = verifier::verify(program.request());
        if (report.verdict != verifier::Verdict::Accept) {
            ASSERT_FALSE(report.failures.empty()) << "seed " << seed;
            last_refusal_ = report.failures[0].rule + " " + report.failures[0].message;
            ASSERT_NE(report.failures[0].category, "internal") << "seed " << seed << ": " << last_refusal_;
            ++counts_.rejected;
            ++refusals_[report.failures[0].rule];
            return;
        }
        ++counts_.accepted;
        const auto run = run_generated(program, &report);
        ASSERT_EQ(run.violation, "") << "seed " << seed << "\n" << listing(program);
        ASSERT_TRUE(run.is_equal) << "seed " << seed << "\n" << listing(program);
    }
    // Says what was tried: a day on which most is refused is a day on which little was tested.
    void print_counts() const {
        std::printf("%llu accepted", static_cast<unsigned long long>(counts_.accepted));
        for (const auto& [rule, count] : refusals_) {
            std::printf(", %s %llu", rule.c_str(), static_cast<unsigned long long>(count));
        }
        std::printf("\n");
    }
    Counts counts_;
    std::map<std::string, std::uint64_t> refusals_;  ///< by rule
    std::string last_refusal_;
};

TEST_P(Observation, GeneratedPrograms) {
    const Deadline deadline;
    for (std::uint64_t seed = 1; deadline.allows(seed); ++seed) {
        check(generate(seed, {.type = GetParam(), .is_for_kernel = false}), seed);
        if (HasFatalFailure()) return;
    }
    print_counts();
    EXPECT_GT(counts_.accepted, counts_.rejected) << "last refusal: " << last_refusal_;
}

TEST_P(Observation, MutatedPrograms) {
    const Deadline deadline;
    for (std::uint64_t seed = 1; deadline.allows(seed); ++seed) {
        Generated program = generate(seed, {.type = GetParam(), .is_for_kernel = false});
        Random random(seed ^ 0x6d757461746564);
        for (std::uint32_t i = 0; i <= random.below(3); ++i) mutate(program, random);
        check(program, seed);
        if (HasFatalFailure()) return;
    }
    print_counts();
    EXPECT_GT(counts_.accepted, 0U);
    EXPECT_GT(counts_.rejected, 0U);
}

INSTANTIATE_TEST_SUITE_P(Types, Observation,
                         testing::Values(spec::ProgramType::Memory, spec::ProgramType::Xdp),
                         support::NameOfParameter());

std::vector<vectors::Vector> all_vectors() {
    std::vector<vectors::Vector> all;
    const std::filesystem::path folder = std::filesystem::path(EBPF_SOURCE_DIR) / "tests" / "vectors";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.path().extension() != ".bpft") continue;
        std::ifstream stream(entry.path(), std::ios::binary);
        std::stringstream text;
        text << stream.rdbuf();
        auto parsed = vectors::parse_vectors(text.str(), entry.path().filename().string());
        if (!parsed) {
            ADD_FAILURE() << parsed.error().message();
            continue;
        }
        for (vectors::Vector& vector : *parsed) all.push_back(std::move(vector));
    }
    return all;
}

// Returns whether the vector was accepted and has been observed.
bool observe_vector(const vectors::Vector& vector) {
    const auto bytes = vectors::encode(vector);
    if (!bytes) return false;
    auto code = isa::decode(*bytes, vector.groups);
    if (!code) return false;
    verifier::Request request = vectors::make_request(vector, *bytes);
    request.wants_invariants = true;
    const verifier::Report report = verifier::verify(request);
    if (report.verdict != verifier::Verdict::Accept) return false;
    const auto lowered = lower::lower(*code, vector.type, report);
    auto host = vectors::TestHost::create(vector.type, vector.memory, vector.maps);
    if (!lowered || !host) {
        ADD_FAILURE() << vector.file << ":" << vector.line << ": " << vector.name;
        return false;
    }
    std::uint64_t result = 0;
    EXPECT_EQ(observe(*code, **host, &report, result), "")
        << vector.file << ":" << vector.line << ": " << vector.name;
    return true;
}

TEST(ObservedVectors, StayInsideTheirInvariants) {
    unsigned observed = 0;
    for (const vectors::Vector& vector : all_vectors()) observed += observe_vector(vector) ? 1U : 0U;
    std::printf("%u vectors observed\n", observed);
    EXPECT_GT(observed, 150U);
}

}  // namespace
}  // namespace ebpf::oracle
