// SPDX-License-Identifier: MIT
// A program's way in, up to lowered code: the samples, by every compiler, are read, verified, decoded and
// lowered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "isa/decode.hpp"
#include "load.hpp"
#include "lower/lower.hpp"
#include "object/object_spec.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::lower {
namespace {

using ::testing::HasSubstr;

verifier::Request request_of(const object::ObjectSpec& spec, const object::ProgramSpec& program) {
    verifier::Request request;
    request.program_name = program.name;
    request.type = program.type;
    request.attach_type = program.attach_type;
    request.is_gpl = object::is_gpl_compatible(spec.licence);
    request.bytecode = program.bytecode;
    for (const auto& map : spec.maps) {
        request.maps.push_back({.name = map.name,
                                .shape = map.shape,
                                .is_frozen = map.is_frozen,
                                .contents = map.is_frozen ? map.initial : std::vector<std::byte>()});
    }
    for (const auto& line : program.lines) {
        request.lines.push_back({.slot = line.slot,
                                 .line = line.line,
                                 .column = line.column,
                                 .file = line.file,
                                 .text = line.text});
    }
    for (const auto& subprogram : program.subprograms)
        request.subprograms.push_back({subprogram.slot, subprogram.name});
    return request;
}

std::vector<std::string> folders() {
    std::istringstream text(EBPF_OBJECT_MATRIX);
    std::vector<std::string> result;
    for (std::string folder; text >> folder;) result.push_back(folder);
    return result;
}

TEST(Samples, DroppacketIsAcceptedAndLowered) {
    if (folders().empty()) GTEST_SKIP() << "built without the compilers that programs are compiled with";
    for (const auto& folder : folders()) {
        SCOPED_TRACE(folder);
        const auto bytes = ::ebpf::testing::load_file(EBPF_OBJECTS "/" + folder + "/droppacket.o");
        const auto spec = object::read_object(bytes, "droppacket");
        ASSERT_TRUE(spec) << spec.error().message();
        const auto report = verifier::verify(request_of(*spec, spec->programs.at(0)));
        ASSERT_EQ(report.verdict, verifier::Verdict::Accept) << report.failures.at(0).message;
        auto code = isa::decode(spec->programs[0].bytecode, spec::kAllGroups);
        ASSERT_TRUE(code);
        const auto lowered = lower(*code, spec->programs[0].type, report);
        ASSERT_TRUE(lowered) << lowered.error().message();
        int packet_addresses = 0;
        for (std::size_t slot = 0; slot < code->size(); ++slot) {
            if (report.accesses[slot] != verifier::AccessKind::Context) continue;
            EXPECT_EQ((*code)[slot].spec().size, 8);
            ++packet_addresses;
        }
        EXPECT_EQ(packet_addresses, 2);
    }
}

TEST(Samples, LinkedProgramsAreAcceptedAndLowered) {
    if (folders().empty()) GTEST_SKIP() << "built without the compilers that programs are compiled with";
    for (const auto& folder : folders()) {
        const auto bytes = ::ebpf::testing::load_file(EBPF_OBJECTS "/" + folder + "/linked.o");
        const auto spec = object::read_object(bytes, "linked");
        ASSERT_TRUE(spec) << spec.error().message();
        for (const auto& program : spec->programs) {
            SCOPED_TRACE(folder + " " + program.name);
            const auto report = verifier::verify(request_of(*spec, program));
            EXPECT_EQ(report.verdict, verifier::Verdict::Accept) << report.failures.at(0).message;
            if (report.verdict != verifier::Verdict::Accept) continue;
            auto code = isa::decode(program.bytecode, spec::kAllGroups);
            ASSERT_TRUE(code);
            const auto lowered = lower(*code, program.type, report);
            EXPECT_TRUE(lowered) << lowered.error().message();
        }
    }
}

TEST(Samples, NoBoundsCheckIsRefusedAtItsLine) {
    if (folders().empty()) GTEST_SKIP() << "built without the compilers that programs are compiled with";
    for (const auto& folder : folders()) {
        SCOPED_TRACE(folder);
        const auto bytes = ::ebpf::testing::load_file(EBPF_OBJECTS "/" + folder + "/no_bounds_check.o");
        const auto spec = object::read_object(bytes, "no_bounds_check");
        ASSERT_TRUE(spec) << spec.error().message();
        const auto report = verifier::verify(request_of(*spec, spec->programs.at(0)));
        ASSERT_EQ(report.verdict, verifier::Verdict::Reject);
        ASSERT_FALSE(report.failures.empty());
        EXPECT_THAT(report.failures[0].source.text, HasSubstr("eth->h_proto"));
        EXPECT_THAT(report.failures[0].source.file, HasSubstr("no_bounds_check.c"));
        EXPECT_NE(report.failures[0].category, "internal") << report.failures[0].message;
    }
}

}  // namespace
}  // namespace ebpf::lower
