// SPDX-License-Identifier: MIT
// Objects that compilers made of C, verified, lowered, run and watched: what each program returns is in its
// source.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "isa/decode.hpp"
#include "load.hpp"
#include "lower/lower.hpp"
#include "object/object_spec.hpp"
#include "observer.hpp"

namespace ebpf::oracle {
namespace {

constexpr std::uint64_t kXdpPass = 2;

std::vector<std::string> folders() {
    std::istringstream text(EBPF_OBJECT_MATRIX);
    std::vector<std::string> result;
    for (std::string folder; text >> folder;) result.push_back(folder);
    return result;
}

verifier::Request request_of(const object::ObjectSpec& spec, const object::ProgramSpec& program) {
    verifier::Request request;
    request.program_name = program.name;
    request.type = program.type;
    request.bytecode = program.bytecode;
    request.is_gpl = true;
    request.wants_invariants = true;
    for (const auto& map : spec.maps) {
        verifier::MapInfo info;
        info.name = map.name;
        info.shape = map.shape;
        request.maps.push_back(std::move(info));
    }
    for (const auto& subprogram : program.subprograms)
        request.subprograms.push_back({subprogram.slot, subprogram.name});
    return request;
}

// Returns r0 of a watched run.
std::uint64_t run(const object::ObjectSpec& spec, const object::ProgramSpec& program) {
    const auto report = verifier::verify(request_of(spec, program));
    if (report.verdict != verifier::Verdict::Accept) {
        ADD_FAILURE() << report.failures.at(0).rule << " @" << report.failures[0].slot << " "
                      << report.failures[0].message;
        return 0;
    }
    auto code = isa::decode(program.bytecode, spec::kAllGroups);
    EXPECT_TRUE(code);
    const auto lowered = lower::lower(*code, program.type, report);
    EXPECT_TRUE(lowered) << (lowered ? "" : lowered.error().message());
    std::vector<spec::MapShape> shapes;
    for (const auto& map : spec.maps) shapes.push_back(map.shape);
    const std::vector<std::byte> packet(64, std::byte{1});
    auto host = vectors::TestHost::create(program.type, packet, shapes);
    EXPECT_TRUE(host);
    std::uint64_t result = 0;
    EXPECT_EQ(observe(*code, **host, &report, result), "");
    return result;
}

TEST(Objects, CallbacksAndCallsThroughRegisters) {
    if (folders().empty()) GTEST_SKIP() << "built without the compilers that programs are compiled with";
    for (const auto& folder : folders()) {
        const auto bytes = ::ebpf::testing::load_file(EBPF_OBJECTS "/" + folder + "/callbacks.o");
        const auto spec = object::read_object(bytes, "callbacks");
        ASSERT_TRUE(spec) << spec.error().message();
        EXPECT_EQ(spec->programs.size(), 5U);
        for (const auto& program : spec->programs) {
            SCOPED_TRACE(folder + " " + program.name);
            EXPECT_EQ(run(*spec, program), kXdpPass);
        }
    }
}

TEST(Objects, RingBuffers) {
    if (folders().empty()) GTEST_SKIP() << "built without the compilers that programs are compiled with";
    for (const auto& folder : folders()) {
        const auto bytes = ::ebpf::testing::load_file(EBPF_OBJECTS "/" + folder + "/events.o");
        const auto spec = object::read_object(bytes, "events");
        ASSERT_TRUE(spec) << spec.error().message();
        ASSERT_EQ(spec->maps.size(), 2U);
        EXPECT_EQ(spec->maps[0].shape.max_entries, 8192U);
        EXPECT_EQ(spec->maps[1].shape.max_entries, 4096U);
        for (const auto& program : spec->programs) {
            SCOPED_TRACE(folder + " " + program.name);
            EXPECT_EQ(run(*spec, program), kXdpPass);
        }
    }
}

}  // namespace
}  // namespace ebpf::oracle
