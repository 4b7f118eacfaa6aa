// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <array>
#include <string_view>

#include "base/byte_reader.hpp"
#include "base/error.hpp"
#include "base/fallible_vector.hpp"
#include "base/try.hpp"

namespace ebpf {
namespace {

TEST(Status, NamesTextAndErrno) {
    EXPECT_STREQ(status_name(Status::NotFound), "NotFound");
    EXPECT_STREQ(status_text(Status::OutOfMemory), "out of memory");
    EXPECT_EQ(status_errno(Status::TooBig), 7);
    EXPECT_EQ(status_errno(Status::Ok), 0);
    EXPECT_STREQ(status_name(static_cast<Status>(9999)), "Unknown");
    EXPECT_EQ(status_errno(static_cast<Status>(9999)), 5);
}

TEST(Error, ContextIsPrepended) {
    const Error error = Error(Status::Malformed, "key_size 0").in("map 'a'").in("section '.maps'");
    EXPECT_EQ(error.message(), "section '.maps': map 'a': key_size 0");
}

Result<int> half(int value) {
    if (value % 2 != 0) return fail(Status::InvalidArgument, "odd");
    return value / 2;
}
Result<int> quarter(int value) {
    EBPF_TRY(const int first, half(value));
    EBPF_TRY(const int second, half(first));
    return second;
}

TEST(Try, PassesValuesAndErrors) {
    EXPECT_EQ(*quarter(8), 2);
    EXPECT_EQ(quarter(6).error().message(), "odd");
}

TEST(ByteReader, RefusesEveryAccessPastTheEnd) {
    const std::array<std::byte, 8> bytes{};
    const ByteReader reader(bytes);
    EXPECT_TRUE(reader.slice(8, 0));
    EXPECT_FALSE(reader.slice(8, 1));
    EXPECT_FALSE(reader.slice(9, 0));
    EXPECT_FALSE(reader.slice(~0ULL, 2));
    EXPECT_FALSE(reader.slice(2, ~0ULL));
    EXPECT_TRUE(reader.read<std::uint64_t>(0));
    EXPECT_FALSE(reader.read<std::uint64_t>(1));
}

TEST(ByteReader, TextNeedsItsNul) {
    constexpr std::string_view kText("ab\0cd", 5);
    const ByteReader reader(std::as_bytes(std::span(kText)));
    EXPECT_EQ(*reader.text(0), "ab");
    EXPECT_EQ(*reader.text(2), "");
    EXPECT_FALSE(reader.text(3));
    EXPECT_FALSE(reader.text(5));
}

TEST(FallibleVector, GrowsMovesAndShrinks) {
    FallibleVector<int> numbers;
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(numbers.push_back(i));
    FallibleVector<int> moved = std::move(numbers);
    ASSERT_EQ(moved.size(), 1000U);
    EXPECT_EQ(moved[999], 999);
    ASSERT_TRUE(moved.resize(10));
    ASSERT_TRUE(moved.resize(20));
    EXPECT_EQ(moved[9], 9);
    EXPECT_EQ(moved[19], 0);
    EXPECT_FALSE(moved.reserve(~std::size_t{0} / 2));
    EXPECT_EQ(moved.size(), 20U);
}

TEST(FallibleVectorDeathTest, IndexOutOfRangeEndsTheProcess) {
    FallibleVector<int> numbers;
    ASSERT_TRUE(numbers.push_back(1));
    EXPECT_DEATH(static_cast<void>(numbers[1]), "");
}

}  // namespace
}  // namespace ebpf
