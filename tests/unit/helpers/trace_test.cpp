// SPDX-License-Identifier: MIT
// trace_printk: what formats give, against the C library where it speaks the same language, and what is
// refused.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "helpers/helpers.hpp"
#include "helpers/implementation.hpp"

namespace ebpf::helpers {
namespace {

struct Traced {
    std::uint64_t result = 0;
    std::optional<std::string> line;
};

Traced trace(const char* format, std::uint64_t bytes, std::uint64_t a = 0, std::uint64_t b = 0,
             std::uint64_t c = 0) {
    Traced traced;
    engine::Services services;
    services.owner = &traced;
    services.trace = [](void* owner, const char* text, std::size_t length) noexcept {
        static_cast<Traced*>(owner)->line = std::string(text, length);
    };
    engine::Invocation invocation;
    invocation.services = &services;
    traced.result = trace_printk(reinterpret_cast<std::uintptr_t>(format), bytes, a, b, c, invocation);
    return traced;
}

Traced trace(const std::string& format, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) {
    return trace(format.c_str(), format.size() + 1, a, b, c);
}

std::string line_of(const std::string& format, std::uint64_t a = 0, std::uint64_t b = 0,
                    std::uint64_t c = 0) {
    const Traced traced = trace(format, a, b, c);
    EXPECT_TRUE(traced.line.has_value()) << format;
    EXPECT_EQ(traced.result, traced.line.value_or("").size()) << format;
    return traced.line.value_or("(refused)");
}

TEST(TracePrintk, CopiesText) {
    EXPECT_EQ(line_of("plain"), "plain");
    EXPECT_EQ(line_of(""), "");
    EXPECT_EQ(line_of("100%% of\t%d\n", 5), "100% of\t5\n");
}

TEST(TracePrintk, TakesArgumentsInOrder) {
    EXPECT_EQ(line_of("%d-%u-%x", 1, 2, 0xab), "1-2-ab");
}

TEST(TracePrintk, Truncates32BitConversions) {
    EXPECT_EQ(line_of("%d %u %x", 0x1'ffff'fffe, 0x1'ffff'fffe, 0x1'ffff'fffe), "-2 4294967294 fffffffe");
    EXPECT_EQ(line_of("%ld %lu %lx", ~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0}),
              "-1 18446744073709551615 ffffffffffffffff");
    EXPECT_EQ(line_of("%lld %lli %llu", std::uint64_t{1} << 63U, 7, std::uint64_t{1} << 63U),
              "-9223372036854775808 7 9223372036854775808");
}

TEST(TracePrintk, PadsAsTheCLibrary) {
    for (const char* format :
         {"[%5d]", "[%-5d]", "[%05d]", "[%+d]", "[% d]", "[%+5d]", "[%-+6d]", "[%06d]", "[%1d]"}) {
        for (const int value : {0, 7, -7, 12345, -12345, 2147483647}) {
            char expected[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            std::snprintf(expected, sizeof expected, format, value);
#pragma GCC diagnostic pop
            EXPECT_EQ(line_of(format, static_cast<std::uint64_t>(std::int64_t{value})), expected) << format;
        }
    }
    EXPECT_EQ(line_of("[%08x] [%8X] [%-4x]", 0xbeef, 0xbeef, 0xf), "[0000beef] [    BEEF] [f   ]");
    EXPECT_EQ(line_of("[%c] [%3c] [%-3c]", 'a', 'b', 'c'), "[a] [  b] [c  ]");
}

TEST(TracePrintk, RefusesWhatItDoesNotKnow) {
    for (const char* format : {"%s", "%p", "%px", "%f", "%hd", "%", "%5", "%l", "%lc", "%n", "%#x", "%.3d",
                               "%*d", "%llld", "%99999999999999999999d", "a\x01", "\x80", "%d %d %d %d"}) {
        const Traced traced = trace(std::string(format), 1, 2, 3);
        EXPECT_EQ(static_cast<std::int64_t>(traced.result), -22) << format;
        EXPECT_FALSE(traced.line.has_value()) << format;
    }
}

TEST(TracePrintk, RefusesFormatsWithoutEnd) {
    EXPECT_EQ(static_cast<std::int64_t>(trace("abc", 3).result), -22);
    EXPECT_EQ(static_cast<std::int64_t>(trace("abc", 0).result), -22);
    EXPECT_EQ(trace("abc", 4).result, 3U);
}

TEST(TracePrintk, StopsAtTheFirstNul) {
    EXPECT_EQ(trace("ab\0%s", 6).line, "ab");
}

TEST(TracePrintk, CutsWhatIsTooLong) {
    const std::string line = line_of("%1024d%1024d", 1, 2);
    ASSERT_EQ(line.size(), kTraceBytes);
    EXPECT_EQ(line.back(), '1');
    EXPECT_EQ(static_cast<std::int64_t>(trace("%1025d", 1).result), -22);
}

TEST(TracePrintk, WorksWithoutASink) {
    engine::Services services;
    engine::Invocation invocation;
    invocation.services = &services;
    const char format[] = "%d";
    EXPECT_EQ(trace_printk(reinterpret_cast<std::uintptr_t>(format), sizeof format, 42, 0, 0, invocation),
              2U);
}

}  // namespace
}  // namespace ebpf::helpers
