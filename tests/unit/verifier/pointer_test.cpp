// SPDX-License-Identifier: MIT
// Register and stack typing, map values and null, context, helper contracts, what would leak an address.
#include <gmock/gmock.h>

#include "verify_helper.hpp"

namespace ebpf::verifier {
namespace {

/// Looks key 0 of the array up; r0 is the result. Nine slots.
constexpr std::string_view kLookup = R"(
        *(u32 *)(r10 - 4) = 0
        r2 = r10
        r2 += -4
        r1 = map[idx:0]
        call 1
        )";

std::string after_lookup(std::string_view rest) {
    return std::string(kLookup) + std::string(rest);
}

TEST(Pointer, UninitialisedRegistersAreNotRead) {
    expect_refused(make_request("r0 = r3\n exit"), "V009", 0);
    expect_refused(make_request("exit"), "V009", 0);
    expect_refused(make_request("r0 = 0\n call 7\n r0 = r1\n exit"), "V009", 2);
    expect_refused(make_request("r0 = 0\n if r1 == 0 goto +0\n if r5 > 3 goto +0\n exit"), "V009", 2);
}

TEST(Pointer, NumbersAreNotAddresses) {
    expect_refused(make_request("r1 = 4096\n r0 = *(u8 *)(r1 + 0)\n exit"), "V011", 1);
    expect_refused(make_request("r1 = map[idx:0]\n r0 = *(u8 *)(r1 + 0)\n exit"), "V011", 2);
}

TEST(Pointer, MapValueNeedsANullCheck) {
    expect_refused(make_request(after_lookup("r1 = *(u64 *)(r0 + 0)\n r0 = 0\n exit")), "V012", 6);
    expect_accepted(
        make_request(after_lookup("if r0 == 0 goto out\n r1 = *(u64 *)(r0 + 8)\n out: r0 = 0\n exit")));
    expect_accepted(
        make_request(after_lookup("if r0 != 0 goto in\n goto out\n in: r1 = *(u64 *)(r0 + 8)\n"
                                  "out: r0 = 0\n exit")));
    expect_refused(
        make_request(after_lookup("if r0 != 0 goto out\n r1 = *(u64 *)(r0 + 0)\n out: r0 = 0\n exit")),
        "V011", 7);
}

TEST(Pointer, NullCheckSettlesCopiesAndSpilledCopies) {
    expect_accepted(make_request(after_lookup(R"(
        r6 = r0
        *(u64 *)(r10 - 16) = r0
        if r6 == 0 goto out
        r1 = *(u64 *)(r0 + 0)
        r2 = *(u64 *)(r10 - 16)
        r1 = *(u64 *)(r2 + 8)
        out: r0 = 0
        exit)")));
}

TEST(Pointer, NullCheckOfOneLookupSaysNothingOfAnother) {
    expect_refused(make_request(after_lookup(R"(
        r6 = r0
        r2 = r10
        r2 += -4
        r1 = map[idx:0]
        call 1
        if r6 == 0 goto out
        r1 = *(u64 *)(r0 + 0)
        out: r0 = 0
        exit)")),
                   "V012", 13);
}

// After the branches meet, r6 is a value's address or the constant 0: both sides of its null check can be
// reached.
TEST(Pointer, ValueOrConstantZeroIsFollowedBothWays) {
    Request request = make_request(after_lookup(R"(
        r6 = 0
        if r0 == 0 goto join
        r6 = r0
        join: r7 = 0
        if r6 == 0 goto out
        r7 = *(u64 *)(r6 + 16)
        out: r0 = r7
        exit)"));
    expect_refused(request, "V018", 11);
}

TEST(Pointer, MapValueBounds) {
    expect_refused(
        make_request(after_lookup("if r0 == 0 goto out\n r1 = *(u64 *)(r0 + 9)\n out: r0 = 0\n exit")),
        "V018", 7);
    expect_refused(
        make_request(after_lookup("if r0 == 0 goto out\n r1 = *(u8 *)(r0 - 1)\n out: r0 = 0\n exit")), "V018",
        7);
    const std::string varying = after_lookup(R"(
        if r0 == 0 goto out
        r1 = *(u64 *)(r0 + 0)
        r1 &= 15
        r0 += r1
        )");
    expect_accepted(make_request(varying + "r1 = *(u8 *)(r0 + 0)\n out: r0 = 0\n exit"));
    expect_refused(make_request(varying + "r1 = *(u16 *)(r0 + 0)\n out: r0 = 0\n exit"), "V018", 10);
    expect_refused(make_request(varying + "r0 += -1\n r1 = *(u8 *)(r0 + 0)\n out: r0 = 0\n exit"), "V018",
                   11);
}

TEST(Pointer, SignedIndexNeedsBothBounds) {
    const std::string index = after_lookup(R"(
        if r0 == 0 goto out
        r1 = *(u64 *)(r0 + 0)
        if r1 s> 15 goto out
        )");
    expect_refused(make_request(index + "r0 += r1\n r1 = *(u8 *)(r0 + 0)\n out: r0 = 0\n exit"), "V021", 10);
    expect_accepted(
        make_request(index + "if r1 s< 0 goto out\n r0 += r1\n r1 = *(u8 *)(r0 + 0)\n out: r0 = 0\n exit"));
}

TEST(Pointer, AddressesDoNotLeak) {
    expect_refused(make_request("r0 = r1\n exit"), "V015", 1);
    expect_refused(
        make_request(after_lookup("if r0 == 0 goto out\n *(u64 *)(r0 + 0) = r10\n out: r0 = 0\n exit")),
        "V015", 7);
    expect_refused(make_request("*(u64 *)(r10 - 8) = r1\n r0 = *(u32 *)(r10 - 8)\n exit"), "V026", 1);
    expect_refused(
        make_request("*(u64 *)(r10 - 8) = r1\n *(u8 *)(r10 - 8) = 0\n r0 = *(u64 *)(r10 - 8)\n exit"), "V010",
        2);
    expect_refused(make_request(R"(
        *(u64 *)(r10 - 16) = 0
        *(u64 *)(r10 - 8) = r1
        r2 = r10
        r2 += -16
        *(u32 *)(r10 - 20) = 0
        r3 = r2
        r2 += -4
        r1 = map[idx:0]
        r4 = 0
        call 2
        exit)"),
                   "V015", 10);
}

TEST(Pointer, ArithmeticOnPointers) {
    expect_refused(make_request("r0 = 0\n r1 *= 2\n exit"), "V013", 1);
    expect_refused(make_request("r0 = 0\n w1 += 2\n exit"), "V013", 1);
    expect_refused(make_request("r0 = 0\n w2 = w1\n exit"), "V013", 1);
    expect_refused(make_request("r0 = 0\n r1 += r10\n exit"), "V013", 1);
    expect_refused(make_request("r0 = 5\n r0 -= r1\n exit"), "V013", 1);
    expect_refused(make_request("r0 = 0\n r1 = -r1\n exit"), "V013", 1);
    expect_accepted(make_request("r0 = 0\n r2 = r10\n r2 += -8\n r3 = r10\n r3 -= r2\n r0 = r3\n exit"));
}

TEST(Pointer, ComparisonsOfPointers) {
    expect_refused(make_request("r0 = 0\n if r1 == 5 goto +0\n exit"), "V014", 1);
    expect_refused(make_request("r0 = 0\n if r1 > r10 goto +0\n exit"), "V014", 1);
    expect_refused(make_request("r0 = 0\n if w1 == 0 goto +0\n exit"), "V014", 1);
    expect_accepted(make_request("r0 = 0\n if r1 == 0 goto +0\n exit"));
}

TEST(Stack, BytesAreWrittenBeforeTheyAreRead) {
    expect_refused(make_request("r0 = *(u64 *)(r10 - 8)\n exit"), "V010", 0);
    expect_refused(make_request("*(u32 *)(r10 - 8) = 1\n r0 = *(u64 *)(r10 - 8)\n exit"), "V010", 1);
    expect_accepted(
        make_request("*(u32 *)(r10 - 8) = 1\n *(u32 *)(r10 - 4) = 2\n r0 = *(u64 *)(r10 - 8)\n exit"));
    expect_accepted(make_request("*(u64 *)(r10 - 512) = 1\n r0 = *(u8 *)(r10 - 505)\n exit"));
}

TEST(Stack, Bounds) {
    expect_refused(make_request("r0 = 0\n *(u8 *)(r10 - 513) = 1\n exit"), "V019", 1);
    expect_refused(make_request("r0 = 0\n *(u8 *)(r10 + 0) = 1\n exit"), "V019", 1);
    expect_refused(make_request("r0 = 0\n *(u64 *)(r10 - 4) = 1\n exit"), "V019", 1);
}

TEST(Stack, SpilledValuesKeepWhatIsKnown) {
    expect_accepted(make_request(R"(
        *(u64 *)(r10 - 8) = r1
        r2 = *(u64 *)(r10 - 8)
        r0 = *(u32 *)(r2 + 12)
        exit)"));
    expect_refused(make_request(R"(
        *(u64 *)(r10 - 8) = r1
        *(u64 *)(r10 - 8) = 7
        r2 = *(u64 *)(r10 - 8)
        r0 = *(u32 *)(r2 + 12)
        exit)"),
                   "V011", 3);
    expect_accepted(make_request(R"(
        r2 = *(u32 *)(r1 + 12)
        *(u64 *)(r10 - 8) = r2
        if r2 > 7 goto out
        r3 = *(u64 *)(r10 - 8)
        r4 = r10
        r4 -= r3
        *(u64 *)(r10 - 16) = 0
        r0 = *(u8 *)(r4 - 9)
        out: r0 = 0
        exit)"));
}

TEST(Stack, VaryingOffsets) {
    const std::string index = R"(
        r2 = *(u32 *)(r1 + 12)
        r2 &= 7
        r3 = r10
        r3 += -16
        *(u64 *)(r10 - 16) = 0
        r3 += r2
        )";
    expect_accepted(make_request(index + "*(u8 *)(r3 + 0) = 9\n r0 = *(u64 *)(r10 - 16)\n exit"));
    expect_refused(make_request(index + "*(u8 *)(r3 + 8) = 9\n r0 = *(u64 *)(r10 - 8)\n exit"), "V010", 7);
    expect_accepted(make_request(index + "r0 = *(u8 *)(r3 + 0)\n exit"));
    expect_refused(make_request(index + "*(u64 *)(r3 + 0) = r1\n r0 = 0\n exit"), "V026", 6);
    // A write somewhere into the eight bytes ends what was known of them.
    expect_refused(make_request(index + R"(
        *(u8 *)(r3 + 0) = 9
        r4 = *(u64 *)(r10 - 16)
        r5 = map[idx:0]
        if r4 == 0 goto out
        r0 = r9
        out: r0 = 0
        exit)"),
                   "V009", 11);
}

TEST(Stack, AnOverwrittenPointerCannotBeReadThroughAVaryingWrite) {
    expect_refused(make_request(R"(
        r2 = *(u32 *)(r1 + 12)
        r2 &= 7
        r3 = r10
        r3 += -16
        r3 += r2
        *(u64 *)(r10 - 16) = r1
        *(u64 *)(r10 - 8) = 0
        *(u64 *)(r3 + 0) = 0
        r0 = *(u64 *)(r10 - 16)
        exit)"),
                   "V010", 8);
}

TEST(Context, FieldsOnlyWholeAndAsPermitted) {
    expect_accepted(make_request("r0 = *(u32 *)(r1 + 12)\n exit"));
    expect_accepted(make_request("r0 = *(u16 *)(r1 + 14)\n exit"));
    expect_refused(make_request("r0 = *(u64 *)(r1 + 12)\n exit"), "V022", 0);
    expect_refused(make_request("r0 = *(u16 *)(r1 + 13)\n exit"), "V022", 0);
    expect_refused(make_request("r2 = *(u16 *)(r1 + 0)\n r0 = 0\n exit"), "V022", 0);
    expect_refused(make_request("r2 = *(u64 *)(r1 + 0)\n r0 = 0\n exit"), "V022", 0);
    expect_refused(make_request("r0 = 0\n *(u32 *)(r1 + 12) = 1\n exit"), "V022", 1);
    expect_refused(make_request("r0 = *(u32 *)(r1 + 24)\n exit"), "V022", 0);
    expect_refused(make_request("r1 += 4\n r0 = *(u32 *)(r1 + 8)\n exit"), "V023", 1);
    expect_accepted(make_request("r0 = 0\n *(u32 *)(r1 + 48) = 1\n exit", spec::ProgramType::SocketFilter));
}

TEST(Context, AnInstructionIsForContextOrOtherMemory) {
    expect_refused(make_request(R"(
        r2 = *(u32 *)(r1 + 12)
        r3 = r1
        *(u64 *)(r10 - 8) = 0
        if r2 == 0 goto use
        r3 = r10
        r3 += -20
        use: r0 = *(u32 *)(r3 + 12)
        exit)"),
                   "V016", 6);
}

TEST(Helper, Contracts) {
    expect_refused(make_request("call 4711\n exit"), "V029", 0);
    expect_refused(make_request("r2 = 0\n call 44\n exit", spec::ProgramType::SocketFilter), "V030", 1);
    expect_refused(
        make_request("*(u64 *)(r10 - 8) = 0\n r1 = r10\n r1 += -8\n r2 = 8\n r3 = 0\n r4 = 0\n r5 = 0\n"
                     "call 6\n exit"),
        "V031", 7);
    expect_refused(make_request("r2 = r10\n r1 = 5\n call 1\n r0 = 0\n exit"), "V032", 2);
    expect_refused(make_request("r1 = map[idx:0]\n r2 = r10\n r2 += -4\n call 1\n r0 = 0\n exit"), "V010", 4);
    expect_refused(make_request("r3 = 0\n r2 = map[idx:0]\n call 12\n r0 = 0\n exit"), "V033", 3);
    expect_refused(make_request("r1 = map[idx:5]\n r0 = 0\n exit"), "V036", 0);
    expect_refused(make_request("r1 = map[idx:0][0]+0\n r0 = 0\n exit"), "V036", 0);
}

TEST(Helper, KeyMemoryNeedsBothBounds) {
    const std::string key = R"(
        r6 = *(u32 *)(r1 + 12)
        *(u64 *)(r10 - 16) = 0
        *(u64 *)(r10 - 8) = 0
        r2 = r10
        r2 += -16
        )";
    const std::string call = "r1 = map[idx:0]\n call 1\n r0 = 0\n exit";
    expect_accepted(make_request(key + "r6 &= 12\n r2 += r6\n" + call));
    expect_refused(make_request(key + "r6 &= 15\n r2 += r6\n" + call), "V019", 9);
    expect_refused(make_request(key + "r2 += r6\n" + call), "V021", 8);
}

TEST(Helper, SizesAreBounded) {
    const std::string prefix = R"(
        r6 = *(u32 *)(r1 + 12)
        *(u64 *)(r10 - 16) = 0
        *(u64 *)(r10 - 8) = 0
        r1 = r10
        r1 += -16
        r3 = 0
        r4 = 0
        r5 = 0
        )";
    const auto with = [&](std::string_view size) {
        Request request = make_request(prefix + std::string(size) + "call 6\n r0 = 0\n exit");
        request.is_gpl = true;
        return request;
    };
    expect_accepted(with("r2 = 16\n"));
    expect_accepted(with("r2 = r6\n r2 &= 15\n r2 += 1\n"));
    expect_refused(with("r2 = r6\n r2 &= 15\n"), "V034", 10);
    expect_refused(with("r2 = r6\n r2 += 1\n"), "V034", 10);
    expect_refused(with("r2 = 17\n"), "V019", 9);
    expect_refused(with("r2 = 16\n r3 = r10\n"), "V015", 10);
}

TEST(Maps, FlagsAndFrozenContents) {
    Request request = make_request(
        "r1 = map[idx:2][0]+4\n r0 = *(u32 *)(r1 + 0)\n if r0 == 7 goto out\n r0 = r9\n"
        "out: r0 = 0\n exit");
    MapInfo constants;
    constants.name = ".rodata";
    constants.shape = {spec::MapType::Array, 4, 8, 1, 0};
    constants.is_frozen = true;
    constants.contents.resize(8);
    constants.contents[4] = std::byte{7};
    request.maps.push_back(constants);
    expect_accepted(request);
    request.maps[2].is_frozen = false;
    expect_refused(request, "V009", 4);
    request = make_request("r1 = map[idx:2][0]+4\n r0 = 0\n *(u32 *)(r1 + 0) = r0\n exit");
    request.maps.push_back(constants);
    expect_refused(request, "V024", 3);
    request.maps[2].is_frozen = false;
    expect_accepted(request);
    request.maps[2].shape.flags = spec::kMapReadOnlyProgram;
    expect_refused(request, "V024", 3);
    request = make_request("r1 = map[idx:2][0]+4\n r0 = *(u32 *)(r1 + 0)\n exit");
    request.maps.push_back(constants);
    request.maps[2].shape.flags = spec::kMapWriteOnlyProgram;
    expect_refused(request, "V025", 2);
}

TEST(Atomic, TargetsAndAlignment) {
    expect_accepted(make_request("*(u64 *)(r10 - 8) = 1\n r0 = 1\n lock *(u64 *)(r10 - 8) += r0\n exit"));
    expect_refused(make_request("*(u64 *)(r10 - 16) = 1\n *(u64 *)(r10 - 8) = 1\n r0 = 1\n"
                                "lock *(u64 *)(r10 - 12) += r0\n exit"),
                   "V028", 3);
    expect_refused(make_request("r0 = 1\n lock *(u32 *)(r1 + 12) += r0\n exit"), "V027", 1);
    expect_refused(make_request("r0 = 1\n lock *(u64 *)(r10 - 8) += r0\n exit"), "V010", 1);
    expect_refused(make_request("*(u64 *)(r10 - 8) = 1\n r0 = 1\n lock *(u64 *)(r10 - 8) += r1\n exit"),
                   "V015", 2);
    expect_refused(make_request("*(u64 *)(r10 - 8) = r1\n r0 = 1\n lock *(u64 *)(r10 - 8) += r0\n exit"),
                   "V026", 2);
}

TEST(Memory, LengthIsTheRegions) {
    Request request = make_request("r0 = *(u64 *)(r1 + 8)\n exit", spec::ProgramType::Memory);
    request.memory_length = 16;
    expect_accepted(request);
    request.memory_length = 15;
    expect_refused(request, "V020", 0);
}

}  // namespace
}  // namespace ebpf::verifier
