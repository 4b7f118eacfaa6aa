// SPDX-License-Identifier: MIT
// Arm64 code in VIXL's simulator: every vector and random programs do what they do on the interpreter, with
// and without the atomic instructions of Armv8.1, with constants blinded, and with few registers.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "ir/dump.hpp"
#include "jit/arm64/arm64.hpp"
#include "jit/simulate/simulate.hpp"
#include "jit/text/disassemble.hpp"
#include "random_program.hpp"
#include "spec/engines.hpp"
#include "support.hpp"

namespace ebpf::jit::test {
namespace {

using ir::test::Effects;
using ir::test::Program;

struct DestroyImage {
    void operator()(engine::Image* image) const { image->destroy(image); }
};
using OwnedImage = std::unique_ptr<engine::Image, DestroyImage>;

struct Way {
    const char* name;
    Options options;
    RegisterSet registers{};  ///< these only; all if empty
    friend void PrintTo(const Way& one, std::ostream* stream) { *stream << one.name; }
};

Way way(const char* name, bool has_atomics, bool blind_constants, RegisterSet registers = {}) {
    Way made{.name = name, .options = {}, .registers = registers};
    made.options.architecture = Architecture::Arm64;
    made.options.features.has_atomics = has_atomics;
    made.options.blind_constants = blind_constants;
    made.options.seed = 1;
    return made;
}

Result<Translation> translate_by(const Way& way, const Program& program, const engine::Bindings& bindings) {
    if (way.registers.is_empty()) return translate(program.code, bindings, program.regions, way.options);
    auto module = ir::build({program.code, bindings, program.regions});
    if (!module) return std::unexpected(ir::to_error(module.error()));
    RegisterFile file = arm64::register_file();
    std::erase_if(file.allocatable, [&](Register r) { return !way.registers.has(r); });
    return arm64::generate(*module, way.options, file);
}

Effects simulate(const Way& way, const Program& program) {
    ir::test::Host host(program);
    const auto translation = translate_by(way, program, host.bindings());
    if (!translation) return {.error = std::string(status_name(translation.error().status()))};
    const auto image = simulate_arm64(translation->machine_code(), host.bindings(), way.options.features);
    if (!image) return {.error = std::string(status_name(image.error().status()))};
    const OwnedImage owner(*image);
    return host.effects_of([&](engine::Invocation& invocation) { return engine::run(**image, invocation); });
}

std::string listing(const Way& way, const Program& program) {
    const ir::test::Host host(program);
    const auto module = ir::build({program.code, host.bindings(), program.regions});
    const auto translation = translate_by(way, program, host.bindings());
    if (!module || !translation) return {};
    std::string text = program.name + "\n" + ir::dump(*module);
    const auto lines = disassemble(spec::kMachineArm64, translation->code, 0);
    if (!lines) return text + lines.error().message();
    for (const auto& line : *lines)
        text += fmt::format("{:5x}: {} {}\n", line.offset, line.operation, line.operands);
    return text;
}

class Arm64 : public testing::TestWithParam<Way> {
  protected:
    static void compare(const Program& program) {
        const Effects expected = ir::test::interpret(program);
        const Effects found = simulate(GetParam(), program);
        ASSERT_EQ(found.error, expected.error) << listing(GetParam(), program);
        ASSERT_EQ(found.result, expected.result) << listing(GetParam(), program);
        ASSERT_EQ(found.memory, expected.memory) << listing(GetParam(), program);
        ASSERT_EQ(found.maps, expected.maps) << listing(GetParam(), program);
    }
};

TEST_P(Arm64, Vectors) {
    static const auto kPrograms = ir::test::all_vectors();
    ASSERT_GT(kPrograms.size(), 300U);
    for (const auto& program : kPrograms) {
        compare(*program);
        if (HasFatalFailure()) return;
    }
}

TEST_P(Arm64, RandomPrograms) {
    constexpr std::uint64_t kPrograms = 100;
    for (std::uint64_t seed = 1; seed <= kPrograms; ++seed) {
        const auto type = seed % 4 < 2 ? spec::ProgramType::Memory : spec::ProgramType::Xdp;
        compare(random_program(seed, type));
        if (HasFatalFailure()) return;
    }
}

// The most that one instruction needs: a compare-and-exchange loop with base, index or address, two inputs,
// the old and the new value.
INSTANTIATE_TEST_SUITE_P(Ways, Arm64,
                         testing::Values(way("NewProcessor", true, false),
                                         way("OldestProcessor", false, false), way("Blinded", true, true),
                                         way("SixRegisters", false, false, registers(0, 1, 2, 9, 19, 20))),
                         [](const auto& way) { return std::string(way.param.name); });

// A constant that an attacker chose must not be found in the code, whole or in the halves that instructions
// hold.
TEST(Arm64Blinding, HidesConstants) {
    const Program program = ir::test::assemble(R"(
        r0 = 0x1122334455667788 ll
        r2 = *(u64 *)(r1 +0)
        r0 += r2
        exit
    )");
    const auto holds = [](const Translation& translation, unsigned half) {
        // movz, movk and movn hold 16 bits at bit 5.
        for (std::size_t at = 0; at + 4 <= translation.code.size(); at += 4) {
            std::uint32_t word = 0;
            std::memcpy(&word, translation.code.data() + at, sizeof word);
            const bool is_move = (word >> 23U & 0x3fU) == 0x25;
            const std::uint32_t imm = word >> 5U & 0xffffU;
            if (is_move && (imm == half || imm == (~half & 0xffffU))) return true;
        }
        return false;
    };
    ir::test::Host host(program);
    for (const bool is_blinded : {false, true}) {
        const auto translation = translate_by(way("", true, is_blinded), program, host.bindings());
        ASSERT_TRUE(translation);
        for (const unsigned half : {0x1122U, 0x3344U, 0x5566U, 0x7788U}) {
            EXPECT_EQ(holds(*translation, half), !is_blinded) << half;
        }
    }
}

}  // namespace
}  // namespace ebpf::jit::test
