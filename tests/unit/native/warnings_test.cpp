// SPDX-License-Identifier: MIT
// Every vector that the verifier accepts as C, through every compiler that the C is made for: no warnings.
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "isa/decode.hpp"
#include "lower/lower.hpp"
#include "native/build.hpp"
#include "native/generate.hpp"
#include "vectors/run.hpp"
#include "vectors/vector.hpp"
#include "vectors/verdict.hpp"

namespace ebpf::native {
namespace {

/// A vector's program.
struct Program {
    isa::Code code;
    ProgramInput input;
};

void add(std::deque<Program>& programs, const vectors::Vector& vector) {
    const auto bytes = vectors::encode(vector);
    if (!bytes) return;
    auto code = isa::decode(*bytes, vector.groups);
    if (!code) return;
    const auto report = verifier::verify(vectors::make_request(vector, *bytes));
    if (report.verdict != verifier::Verdict::Accept || !lower::lower(*code, vector.type, report)) return;
    Program& program = programs.emplace_back();
    program.code = *std::move(code);
    program.input.name = vector.name;
    program.input.type = vector.type;
    program.input.code = &program.code;
    program.input.accesses = report.accesses;
    for (const auto& shape : vector.maps) program.input.maps.push_back({"map", shape});
    const ProgramInput* const one = &program.input;
    if (!generate({&one, 1}, "")) programs.pop_back();  // one that expects an error
}

const std::string& all_vectors_as_c() {
    static const std::string c = [] {
        std::deque<Program> programs;
        for (const auto& entry :
             std::filesystem::recursive_directory_iterator(EBPF_SOURCE_DIR "/tests/vectors")) {
            if (entry.path().extension() != ".bpft") continue;
            std::ifstream stream(entry.path());
            std::stringstream text;
            text << stream.rdbuf();
            const auto parsed = vectors::parse_vectors(text.str(), entry.path().filename().string());
            EXPECT_TRUE(parsed) << parsed.error().message();
            if (!parsed) continue;
            for (const auto& vector : *parsed) add(programs, vector);
        }
        std::vector<const ProgramInput*> inputs;
        for (const auto& program : programs) inputs.push_back(&program.input);
        EXPECT_GT(inputs.size(), 250U);
        return generate(inputs, "vectors").value_or("");
    }();
    return c;
}

struct Case {
    const char* name;
    const char* compiler;
    Target target;
    friend void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }
};

class Warnings : public ::testing::TestWithParam<Case> {};

TEST_P(Warnings, AreNone) {
    BuildOptions options{
        .target = GetParam().target, .compiler = GetParam().compiler, .options = {"-Werror"}};
    const auto bytes = build(all_vectors_as_c(), options);
    if (!bytes && bytes.error().status() == Status::NotFound) GTEST_SKIP() << "not installed";
    EXPECT_TRUE(bytes) << bytes.error().message().substr(0, 4000);
}

INSTANTIATE_TEST_SUITE_P(All, Warnings,
                         ::testing::Values(Case{"gcc", "gcc", Target::Host},
                                           Case{"clang14", "clang-14", Target::Host},
                                           Case{"clang19", "clang-19", Target::Host},
                                           Case{"mingw", "x86_64-w64-mingw32-gcc-posix", Target::Windows}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace ebpf::native
