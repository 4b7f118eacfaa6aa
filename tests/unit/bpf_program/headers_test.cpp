// SPDX-License-Identifier: MIT
// The headers that BPF programs include state the same numbers and layouts as the kernel's and libbpf's.
#include <gtest/gtest.h>

#include <span>
#include <string>

#include "facts.h"

namespace {

std::span<const fact> facts_of(const fact* (*read)(std::size_t* count)) {
    std::size_t count = 0;
    const fact* facts = read(&count);
    return {facts, count};
}

TEST(ProgramHeaders, AgreeWithTheKernelsAndLibbpfs) {
    const auto ours = facts_of(facts_of_ours);
    const auto theirs = facts_of(facts_of_linux);
    ASSERT_EQ(ours.size(), theirs.size());
    ASSERT_GT(ours.size(), 200U);
    for (std::size_t i = 0; i < ours.size(); ++i) {
        ASSERT_STREQ(ours[i].name, theirs[i].name);
        EXPECT_EQ(ours[i].value, theirs[i].value) << ours[i].name;
    }
}

}  // namespace
