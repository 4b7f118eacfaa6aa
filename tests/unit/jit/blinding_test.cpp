// SPDX-License-Identifier: MIT
// With blinding, numbers that the program's author chose do not appear in the code.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "support.hpp"

namespace ebpf::jit::test {
namespace {

// Each kind of place where a number can end up: moves, arithmetic, comparisons, stores, divisions, atomics.
constexpr const char* kProgram = R"(
    r6 = r1
    r0 = 0x11223344aabbccdd ll
    r2 = *(u64 *)(r6 + 0)
    r2 ^= 0x12345678
    r2 += 0x23456781
    w3 = *(u32 *)(r6 + 8)
    w3 *= 0x34567812
    r0 += r3
    w3 /= 0x45678123
    if r2 == 0x56781234 goto +2
    if w3 > 0x67812345 goto +1
    r0 ^= r2
    *(u64 *)(r6 + 16) = 0x78123456
    r4 = 0x71829304
    lock *(u64 *)(r6 + 24) += r4
    r0 ^= r3
    r5 = *(u64 *)(r6 + 16)
    r0 += r5
    exit
)";

constexpr std::uint32_t kNumbers[] = {0xaabbccdd, 0x11223344, 0x12345678, 0x23456781, 0x34567812,
                                      0x45678123, 0x56781234, 0x67812345, 0x78123456, 0x71829304};

bool contains(const std::vector<std::byte>& code, std::uint32_t number) {
    std::byte bytes[sizeof(number)];
    std::memcpy(bytes, &number, sizeof(number));
    return std::search(code.begin(), code.end(), std::begin(bytes), std::end(bytes)) != code.end();
}

Translation translate_for(const ir::test::Program& program, const Options& options) {
    const ir::test::Host host(program);
    auto translation = translate(program.code, host.bindings(), program.regions, options);
    EXPECT_TRUE(translation.has_value());
    return std::move(*translation);
}

TEST(JitBlinding, NumbersDoNotAppear) {
    const ir::test::Program program = ir::test::assemble(kProgram);
    Options options = host_options();
    const Translation plain = translate_for(program, options);
    std::size_t seen = 0;
    for (const std::uint32_t number : kNumbers) seen += contains(plain.code, number) ? 1U : 0U;
    EXPECT_GE(seen, 6U);  // else the test says nothing
    options.blind_constants = true;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        options.seed = seed;
        const Translation blinded = translate_for(program, options);
        for (const std::uint32_t number : kNumbers) {
            EXPECT_FALSE(contains(blinded.code, number)) << std::hex << number << ", seed " << seed;
        }
        EXPECT_EQ(run(program, options).result, ir::test::interpret(program).result);
    }
}

TEST(JitBlinding, KeysFollowTheSeed) {
    const ir::test::Program program = ir::test::assemble(kProgram);
    Options options = host_options();
    options.blind_constants = true;
    const Translation first = translate_for(program, options);
    EXPECT_EQ(first.code, translate_for(program, options).code);
    options.seed += 1;
    EXPECT_NE(first.code, translate_for(program, options).code);
}

}  // namespace
}  // namespace ebpf::jit::test
