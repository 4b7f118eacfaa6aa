// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vectors/vector.hpp"

namespace ebpf::vectors {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Vector> parse(std::string_view text) {
    auto vectors = parse_vectors(text, "test.bpft");
    if (!vectors) {
        ADD_FAILURE() << vectors.error().message();
        return {};
    }
    return std::move(*vectors);
}

std::string refusal(std::string_view text) {
    const auto vectors = parse_vectors(text, "test.bpft");
    return vectors ? "accepted" : vectors.error().message();
}

TEST(ParseVectors, ReadsThePublicFormat) {
    const auto vectors = parse(
        "# comment\n-- asm\nmov %r0, 1 # one\nexit\n-- mem\n00 ff\n0A\n-- no register offset\ncall "
        "instruction\n-- "
        "result\n0x1\n");
    ASSERT_EQ(vectors.size(), 1U);
    EXPECT_THAT(*vectors[0].assembly, HasSubstr("mov %r0, 1"));
    EXPECT_THAT(vectors[0].memory, ElementsAre(std::byte{0}, std::byte{0xff}, std::byte{0x0a}));
    EXPECT_EQ(vectors[0].result, 1U);
    EXPECT_EQ(vectors[0].type, spec::ProgramType::Memory);
}

TEST(ParseVectors, ReadsEverySectionOfOurs) {
    const auto vectors = parse(
        "-- case first one\n-- type xdp\n-- maps\narray 4 8 1\nhash 16 4 100 1 # no prealloc\n-- groups "
        "base64 packet\n"
        "-- verify reject V012 @3\n-- output-mem 01 02\n-- engines -jit\n-- licence MIT\n-- raw 0x95\n-- "
        "result -1\n");
    ASSERT_EQ(vectors.size(), 1U);
    const Vector& vector = vectors[0];
    EXPECT_EQ(vector.name, "first one");
    EXPECT_EQ(vector.type, spec::ProgramType::Xdp);
    ASSERT_EQ(vector.maps.size(), 2U);
    EXPECT_EQ(
        vector.maps[1],
        (spec::MapShape{
            .type = spec::MapType::Hash, .key_size = 16, .value_size = 4, .max_entries = 100, .flags = 1}));
    EXPECT_TRUE(vector.groups.has(spec::Group::Packet));
    EXPECT_TRUE(vector.groups.has(spec::Group::Base32));
    EXPECT_FALSE(vector.groups.has(spec::Group::Atomic32));
    ASSERT_TRUE(vector.verdict);
    EXPECT_FALSE(vector.verdict->is_accepted);
    EXPECT_EQ(vector.verdict->rule, "V012");
    EXPECT_EQ(vector.verdict->slot, 3U);
    EXPECT_EQ(vector.output_memory->size(), 2U);
    EXPECT_THAT(vector.excluded_engines, ElementsAre("jit"));
    EXPECT_FALSE(vector.is_gpl);
    EXPECT_EQ(vector.result, ~std::uint64_t{0});
    ASSERT_EQ(vector.raw->size(), 8U);
    EXPECT_EQ((*vector.raw)[0], std::byte{0x95});
}

TEST(ParseVectors, SeparatesCases) {
    const auto vectors =
        parse("-- asm\nexit\n-- result 0\n-- case b\n-- raw 0x95\n-- error Truncated @2 imm\n");
    ASSERT_EQ(vectors.size(), 2U);
    EXPECT_EQ(vectors[0].name, "");
    EXPECT_EQ(vectors[1].line, 4U);
    EXPECT_EQ(vectors[1].error->status, "Truncated");
    EXPECT_EQ(vectors[1].error->slot, 2U);
    EXPECT_EQ(vectors[1].error->field, "imm");
}

TEST(ParseVectors, RefusesWhatItDoesNotKnow) {
    EXPECT_EQ(refusal("-- asm\nexit\n-- resultat\n1\n"), "test.bpft:3: unknown section 'resultat'");
    EXPECT_EQ(refusal("-- type none\n"), "test.bpft:1: unknown program type 'none'");
    EXPECT_EQ(refusal("-- groups base128\n"), "test.bpft:1: unknown group 'base128'");
    EXPECT_EQ(refusal("-- maps\nlist 4 4 1\n"), "test.bpft:1: unknown map type 'list'");
}

TEST(ParseVectors, RefusesMalformedSections) {
    EXPECT_EQ(refusal("exit\n"), "test.bpft:1: text before the first section: 'exit'");
    EXPECT_EQ(refusal("-- asm\nexit\n"), "test.bpft:1: no result, error or verdict is expected");
    EXPECT_EQ(refusal("-- result 1\n"), "test.bpft:1: no program");
    EXPECT_EQ(refusal("-- raw xyz\n"), "test.bpft:1: 'xyz' is not a number");
    EXPECT_EQ(refusal("-- mem 0\n"), "test.bpft:1: '0' is not a byte in hexadecimal");
    EXPECT_EQ(refusal("-- result 1 2\n"), "test.bpft:1: a result is one number");
    EXPECT_EQ(refusal("-- verify maybe\n"), "test.bpft:1: a verdict is accept or reject");
    EXPECT_EQ(refusal("-- maps\narray 4 4\n"), "test.bpft:1: a map is TYPE KEY VALUE ENTRIES [FLAGS]");
    EXPECT_EQ(refusal("-- engines jit\n"), "test.bpft:1: 'jit': engines are excluded, -NAME");
    EXPECT_EQ(refusal("-- error\n"), "test.bpft:1: an error has a name");
    EXPECT_EQ(refusal("-- result 99999999999999999999\n"),
              "test.bpft:1: '99999999999999999999' is not a number");
}

TEST(ParseVectors, ReadsMapContentsAndTargets) {
    const auto vectors = parse(
        "-- maps\nhash 2 1 4\nprog_array 4 4 2\n-- map-data 0\n0102 ff # comment\n0a0b 00\n-- output-map "
        "0\n-- "
        "target 1 1\nr0 = 1\nexit\n-- asm\nexit\n-- result 0\n");
    ASSERT_EQ(vectors.size(), 1U);
    ASSERT_EQ(vectors[0].map_data.size(), 1U);
    const MapContents expected{{{std::byte{1}, std::byte{2}}, {std::byte{0xff}}},
                               {{std::byte{0x0a}, std::byte{0x0b}}, {std::byte{0}}}};
    EXPECT_EQ(vectors[0].map_data[0].elements, expected);
    ASSERT_EQ(vectors[0].output_maps.size(), 1U);
    EXPECT_TRUE(vectors[0].output_maps[0].elements.empty());
    ASSERT_EQ(vectors[0].targets.size(), 1U);
    EXPECT_EQ(vectors[0].targets[0].index, 1U);
    EXPECT_THAT(vectors[0].targets[0].assembly, HasSubstr("r0 = 1\nexit"));
}

TEST(ParseVectors, RefusesMapContentsAndTargetsThatDoNotFit) {
    const std::string maps = "-- maps\narray 4 1 4\nprog_array 4 4 2\n";
    EXPECT_THAT(refusal(maps + "-- map-data 2\n"), HasSubstr("map 2 is not among the 2 maps"));
    EXPECT_THAT(refusal(maps + "-- map-data 0\n00000000\n"), HasSubstr("KEY VALUE"));
    EXPECT_THAT(refusal(maps + "-- map-data 0\n000000 01\n"), HasSubstr("3 bytes of key and 1 of value"));
    EXPECT_THAT(refusal(maps + "-- map-data 0\n0000000 01\n"), HasSubstr("'0000000' is not bytes"));
    EXPECT_THAT(refusal(maps + "-- target 0 1\nexit\n"), HasSubstr("map 0 has no program number 1"));
    EXPECT_THAT(refusal(maps + "-- target 1 2\nexit\n"), HasSubstr("map 1 has no program number 2"));
    EXPECT_THAT(refusal(maps + "-- target 1\nexit\n"), HasSubstr("a target is MAP INDEX"));
}

}  // namespace
}  // namespace ebpf::vectors
