// SPDX-License-Identifier: MIT
// The verifier's vectors, asked of the running kernel: what we accept and the kernel refuses as unsafe is a
// bug of ours. Differences that are none are listed with their reason in kernel_differences.tsv.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "kernel_verdict.hpp"
#include "vectors/run.hpp"
#include "vectors/vector.hpp"

namespace ebpf::oracle {
namespace {

namespace fs = std::filesystem;

/// "FILE/CASE" to the reason why the kernel refuses what we accept, or the other way round.
using Differences = std::map<std::string, std::string>;

// Lines: what the kernel says (accepts, refuses), file and case, reason; separated by tabs.
Differences read_differences(std::string_view kernel_says) {
    std::ifstream stream(EBPF_SOURCE_DIR "/tests/oracle/kernel_differences.tsv");
    EXPECT_TRUE(stream.is_open());
    Differences differences;
    for (std::string line; std::getline(stream, line);) {
        if (line.empty() || line.starts_with('#')) continue;
        std::istringstream row(line);
        std::string verdict;
        std::string name;
        std::string reason;
        std::getline(row, verdict, '\t');
        std::getline(row, name, '\t');
        std::getline(row, reason, '\t');
        EXPECT_FALSE(reason.empty()) << "a difference without a reason: " << line;
        if (verdict == kernel_says) differences[name] = reason;
    }
    return differences;
}

struct Answer {
    std::string name;
    bool is_ours = false;  ///< accepted by us, as the vector says and its own test shows
    support::KernelVerdict kernel;
};

bool can_be_asked(const vectors::Vector& vector) {
    constexpr std::uint32_t kFirstOwn = 0x1000000;  // Linux knows those below
    return static_cast<std::uint32_t>(vector.type) < kFirstOwn && vector.attach_type < kFirstOwn &&
           vector.verdict && vector.groups.bits == spec::kAllGroups.bits;
}

void ask_file(const fs::path& path, bool wants_accepted, std::vector<Answer>& answers) {
    std::ifstream stream(path, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    const auto parsed = vectors::parse_vectors(text.str(), path.stem().string());
    ASSERT_TRUE(parsed.has_value()) << path << ": " << parsed.error().message();
    for (const vectors::Vector& vector : *parsed) {
        if (!can_be_asked(vector) || (vector.verdict->is_accepted && !wants_accepted)) continue;
        const std::string name = vector.file + "/" + vector.name;
        const auto bytes = vectors::encode(vector);
        ASSERT_TRUE(bytes.has_value()) << name << ": " << bytes.error().message();
        std::string failure;
        const auto kernel = support::kernel_verdict(
            {vector.type, vector.attach_type, vector.is_gpl, *bytes, vector.maps}, failure);
        ASSERT_TRUE(kernel.has_value()) << name << ": " << failure;
        answers.push_back({name, vector.verdict->is_accepted, *kernel});
    }
}

std::vector<Answer> ask_all(bool wants_accepted) {
    std::vector<Answer> answers;
    for (const auto& entry : fs::directory_iterator(EBPF_SOURCE_DIR "/tests/vectors/verifier")) {
        if (entry.path().extension() == ".bpft") ask_file(entry.path(), wants_accepted, answers);
    }
    return answers;
}

TEST(KernelVectors, KernelRefusesNothingThatWeAccept) {
    if (const auto closed = support::kernel_is_closed()) GTEST_SKIP() << *closed;
    const Differences known = read_differences("refuses");
    std::size_t agreed = 0;
    std::size_t stricter = 0;
    const std::vector<Answer> answers = ask_all(true);
    ASSERT_GE(answers.size(), 300U);
    for (const Answer& answer : answers) {
        if (answer.is_ours == answer.kernel.is_accepted) {
            ++agreed;
        } else if (answer.kernel.is_accepted) {
            ++stricter;
        } else if (!known.contains(answer.name)) {
            ADD_FAILURE() << answer.name << ": we accept, the kernel says: " << answer.kernel.reason;
        }
    }
    fmt::print("{} vectors: the kernel agrees on {}, accepts {} more, refuses {} more\n", answers.size(),
               agreed, stricter, answers.size() - agreed - stricter);
}

// Without the right to see addresses the kernel is as strict as we are, and stricter where it guards against
// speculation. What it still accepts and we refuse is a lack of precision or a stricter rule of ours: each
// has a reason.
TEST(KernelVectors, WhatTheStrictKernelAcceptsAndWeRefuseIsExplained) {
    if (const auto closed = support::kernel_is_closed()) GTEST_SKIP() << *closed;
    if (!support::drop_performance_monitoring()) GTEST_SKIP() << "capabilities cannot be given up here";
    if (const auto closed = support::kernel_is_closed()) GTEST_SKIP() << "without CAP_PERFMON " << *closed;
    const Differences known = read_differences("accepts");
    for (const Answer& answer : ask_all(false)) {
        if (!answer.kernel.is_accepted || known.contains(answer.name)) continue;
        ADD_FAILURE() << answer.name << ": we refuse, the kernel accepts even from less privileged users";
    }
}

}  // namespace
}  // namespace ebpf::oracle
