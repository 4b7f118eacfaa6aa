// SPDX-License-Identifier: MIT
// The interpreter and our verdicts against the Linux kernel's, on the same random programs.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

#include "deadline.hpp"
#include "generator.hpp"
#include "kernel.hpp"

namespace ebpf::oracle {
namespace {

constexpr Options kOptions{.type = spec::ProgramType::Xdp, .is_for_kernel = true};

/// A refusal of the kernel that says nothing about safety, so that ours may accept.
struct Reason {
    std::string_view log;  ///< words of the kernel's log
    std::string_view why;
};

// Each is a deliberate difference, not a hole: the instruction has a defined, harmless meaning.
constexpr std::string_view kNeverReached =
    "no run reaches the instruction: a comparison before it is decided";
constexpr std::string_view kOldKernel = "an older kernel lacks the instruction";
constexpr std::array kHarmless = {
    Reason{"invalid shift", "a constant shift beyond the width is masked, as RFC 9669 says for every shift"},
    Reason{"misaligned stack access",
           "the stack is memory like any other; hosts of ours access it unaligned"},
    Reason{"fp pointer offset",
           "the kernel takes a number's distance from a related number for the pointer's offset"},
    Reason{"uses reserved fields", kOldKernel},
    Reason{"unknown opcode", kOldKernel},
    Reason{"invalid BPF_LDX mode", kOldKernel},
    Reason{"invalid atomic operand", kOldKernel},
    Reason{"div by zero", "a constant divisor 0 gives 0, modulo leaves the dividend, as RFC 9669 says"},
};

std::string last_lines(const std::string& log) {
    constexpr std::size_t kMost = 1500;
    return log.size() <= kMost ? log : "..." + log.substr(log.size() - kMost);
}

// Returns the instruction of the log's last line "12: (bf) ...", where the kernel gave up; the largest number
// if none.
std::size_t last_slot(const std::string& log) {
    const std::size_t mark = log.rfind(": (");
    if (mark == std::string::npos) return ~std::size_t{0};
    const std::size_t line = log.rfind('\n', mark);
    return static_cast<std::size_t>(
        std::strtoul(log.c_str() + (line == std::string::npos ? 0 : line + 1), nullptr, 10));
}

class Kernel : public testing::Test {
  protected:
    void SetUp() override {
        if (const auto reason = kernel_refuses()) GTEST_SKIP() << *reason;
    }

    // Runs an accepted program on both sides. Returns whether the kernel accepted it too.
    bool compare(const Generated& program, const verifier::Report& report, std::uint64_t seed) {
        const KernelRun kernel = run_in_kernel(program, true);
        if (!kernel.is_loaded) {
            note_refusal(program, report, kernel.log, seed);
            return false;
        }
        EXPECT_EQ(kernel.failure, "");
        auto ours = run_generated(program, &report);
        EXPECT_EQ(ours.violation, "") << "seed " << seed << "\n" << listing(program);
        ours.effects.result &= 0xffffffffU;
        EXPECT_EQ(difference(kernel.effects, ours.effects), "") << "seed " << seed << "\n"
                                                                << listing(program);
        return true;
    }

    void note_refusal(const Generated& program, const verifier::Report& report, const std::string& log,
                      std::uint64_t seed) {
        const std::size_t slot = last_slot(log);
        if (slot < report.reachable.size() && !report.reachable[slot]) {
            ++harmless_[kNeverReached];
            return;
        }
        for (const Reason& reason : kHarmless) {
            if (log.find(reason.log) == std::string::npos) continue;
            ++harmless_[reason.why];
            return;
        }
        ADD_FAILURE() << "seed " << seed << ": we accept, the kernel refuses:\n"
                      << last_lines(log) << listing(program);
    }

    std::map<std::string_view, unsigned> harmless_;
};

TEST_F(Kernel, SameResultsOnGeneratedPrograms) {
    unsigned compared = 0;
    const Deadline deadline;
    for (std::uint64_t seed = 1; deadline.allows(seed) && !HasFailure(); ++seed) {
        const Generated program = generate(seed, kOptions);
        const verifier::Report report = verifier::verify(program.request());
        if (report.verdict == verifier::Verdict::Accept) compared += compare(program, report, seed) ? 1U : 0U;
    }
    std::printf("%u programs with the kernel's results\n", compared);
    EXPECT_GE(compared + harmless_[kOldKernel], kFirstPrograms / 2);
}

// Mutations make both accept and refuse; what we accept and the kernel does not must be known to be harmless.
TEST_F(Kernel, VerdictsOnMutatedPrograms) {
    std::map<std::pair<bool, bool>, unsigned> verdicts;  // ours, the kernel's
    const Deadline deadline;
    for (std::uint64_t seed = 1; deadline.allows(seed) && !HasFailure(); ++seed) {
        Generated program = generate(seed, kOptions);
        Random random(seed ^ 0x6b65726e656c);
        mutate(program, random);
        const verifier::Report report = verifier::verify(program.request());
        const bool is_accepted = report.verdict == verifier::Verdict::Accept;
        const bool kernel_accepts =
            is_accepted ? compare(program, report, seed) : run_in_kernel(program, false).is_loaded;
        ++verdicts[{is_accepted, kernel_accepts}];
    }
    std::printf("both accept %u, both refuse %u, only the kernel accepts %u, only we accept %u\n",
                verdicts[{true, true}], verdicts[{false, false}], verdicts[{false, true}],
                verdicts[{true, false}]);
    for (const auto& [why, count] : harmless_) {
        std::printf("  %u: %.*s\n", count, static_cast<int>(why.size()), why.data());
    }
    const unsigned both_accept = verdicts[{true, true}];
    EXPECT_GT(both_accept, 0U);
}

}  // namespace
}  // namespace ebpf::oracle
