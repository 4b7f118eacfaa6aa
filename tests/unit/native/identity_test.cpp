// SPDX-License-Identifier: MIT
#include "native/identity.hpp"

#include "programs.hpp"

namespace ebpf::native {
namespace {

platform::Sha256 hash_of(const verifier::Request& request) {
    return prepare(request).identity.hash;
}

constexpr spec::MapShape kRodata{spec::MapType::Array, 4, 8, 1, spec::kMapReadOnlyProgram};

/// Reads a constant, and the memory at it.
verifier::Request indexed(std::byte index) {
    auto request =
        request_for("r2 = map[idx:0][0]+0\nr2 = *(u64 *)(r2 +0)\nr1 += r2\nr0 = *(u8 *)(r1 +0)\nexit\n", 16);
    request.maps.push_back({".rodata", kRodata, true, std::vector<std::byte>(8)});
    request.maps[0].contents[0] = index;
    return request;
}

verifier::Request plain() {
    auto request = request_for("r2 = map[idx:0][0]+0\nr0 = *(u64 *)(r2 +0)\nexit\n", 16);
    request.maps.push_back({".rodata", kRodata, true, std::vector<std::byte>(8)});
    return request;
}

TEST(Identity, ChangesWithWhatTheCodeDependsOn) {
    const auto hash = hash_of(plain());
    auto other = plain();
    other.attach_type = 1;
    EXPECT_NE(hash_of(other), hash);
    other = plain();
    other.memory_length = 17;
    EXPECT_NE(hash_of(other), hash);
    other = plain();
    other.is_gpl = true;
    EXPECT_NE(hash_of(other), hash);
    other = plain();
    other.type = spec::ProgramType::SocketFilter;
    other.memory_length = 0;
    EXPECT_NE(hash_of(other), hash);
    other = plain();
    other.maps[0].shape.value_size = 16;
    other.maps[0].contents.resize(16);
    EXPECT_NE(hash_of(other), hash);
    other = plain();
    other.bytecode.back() = std::byte{0};
    other.bytecode[8 + 4] = std::byte{0};
    other.bytecode[16 + 2] = std::byte{0};
    EXPECT_EQ(hash_of(other), hash) << "the bytes were zero already";
    other.bytecode[24 - 8 + 0] = std::byte{0x71};  // a narrower load
    EXPECT_NE(hash_of(other), hash);
}

// A test run asks for as much memory as it has data, whatever the type.
TEST(Identity, LeavesOutTheLengthOfMemoryThatAProgramDoesNotGet) {
    auto filter = plain();
    filter.type = spec::ProgramType::SocketFilter;
    filter.memory_length = 0;
    const auto hash = hash_of(filter);
    filter.memory_length = 64;
    EXPECT_EQ(hash_of(filter), hash);
}

TEST(Identity, LeavesOutNamesLinesAndLimits) {
    auto other = plain();
    other.program_name = "another";
    other.lines = {{0, 1, 1, "a.c", "text"}};
    other.subprograms = {{0, "another"}};
    other.limits.instructions = 7777;
    other.maps[0].name = "renamed";
    EXPECT_EQ(hash_of(other), hash_of(plain()));
}

TEST(Identity, ServesAnyContentsWhereTheVerdictNeedsNone) {
    auto other = plain();
    other.maps[0].contents[3] = std::byte{9};
    EXPECT_EQ(hash_of(other), hash_of(plain()));
    EXPECT_FALSE(prepare(plain()).verified.request.maps[0].is_frozen);
}

TEST(Identity, CoversContentsThatTheVerdictNeeds) {
    const Prepared three = prepare(indexed(std::byte{3}));
    EXPECT_TRUE(three.verified.request.maps[0].is_frozen);
    EXPECT_NE(hash_of(indexed(std::byte{4})), three.identity.hash);
    const auto refused = verify_for_image(indexed(std::byte{16}), verify_here);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->report.verdict, verifier::Verdict::Reject);
}

TEST(Identity, CoversTheHostsStructures) {
    auto request = request_for("r0 = *(u32 *)(r1 +4)\nexit\n");
    request.type = spec::ProgramType::SocketFilter;
    const Prepared prepared = prepare(request);
    // The field lies elsewhere in the host's structure: lowered code is part of the hash.
    EXPECT_NE(prepared.identity.code[0].offset, 4);
}

}  // namespace
}  // namespace ebpf::native
