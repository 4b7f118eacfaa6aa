// SPDX-License-Identifier: MIT
// Programs of a type that a provider has registered: what its context and its helpers allow, what not, and
// which descriptions are refused.
#include <gmock/gmock.h>

#include <functional>

#include "verify_helper.hpp"

namespace ebpf::verifier {
namespace {

using spec::ArgKind;
using spec::FieldMeaning;
using spec::FieldPermission;
using testing::HasSubstr;

RegisteredTypeInfo description() {
    RegisteredTypeInfo info;
    info.name = "dns";
    info.return_min = 0;
    info.return_max = 2;
    info.context = "dns_query";
    info.context_bytes = 40;
    info.fields = {
        {.name = "data", .offset = 0, .size = 8, .meaning = FieldMeaning::PacketStart},
        {.name = "data_end", .offset = 8, .size = 8, .meaning = FieldMeaning::PacketEnd},
        {.name = "source", .offset = 16, .size = 4},
        {.name = "port", .offset = 20, .size = 2},
        {.name = "answer", .offset = 24, .size = 4, .permission = FieldPermission::ReadWrite},
        {.name = "cookie", .offset = 32, .size = 8, .permission = FieldPermission::ReadWrite},
    };
    info.helpers = {
        {.id = 0x1000000,
         .name = "dns_name",
         .arguments = {ArgKind::Context, ArgKind::WriteMemory, ArgKind::SizeNonZero}},
        {.id = 0x1000001, .name = "dns_sum", .arguments = {ArgKind::ReadMemory, ArgKind::Size}},
        {.id = 0x1000002, .name = "dns_seconds"},
        {.id = 0x1000003,
         .name = "dns_cut",
         .arguments = {ArgKind::Context, ArgKind::Scalar},
         .moves_packet = true},
    };
    return info;
}

Request request_for(std::string_view assembly, RegisteredTypeInfo info = description()) {
    Request request = make_request(assembly, static_cast<spec::ProgramType>(spec::kFirstRegisteredType));
    request.registered.push_back(std::move(info));
    return request;
}

void expect_message(std::string_view assembly, std::string_view rule, const std::string& part,
                    const RegisteredTypeInfo& info = description()) {
    const std::string failure = failure_of(verify(request_for(assembly, info)));
    EXPECT_THAT(failure, testing::StartsWith(std::string(rule) + " ")) << assembly;
    EXPECT_THAT(failure, HasSubstr(part)) << assembly;
}

TEST(RegisteredType, FieldsAreReadAndWrittenAsDescribed) {
    for (const char* access : {"r0 = *(u32 *)(r1 + 16)", "r0 = *(u16 *)(r1 + 20)", "r0 = *(u8 *)(r1 + 19)",
                               "r0 = *(u16 *)(r1 + 18)", "r0 = *(s16 *)(r1 + 20)", "*(u32 *)(r1 + 24) = 7",
                               "r2 = 7\n*(u64 *)(r1 + 32) = r2", "r0 = *(u64 *)(r1 + 32)"}) {
        expect_accepted(request_for(std::string(access) + "\nr0 = 0\nexit"));
    }
}

TEST(RegisteredType, EverythingElseOfTheContextIsRefused) {
    expect_message("r0 = *(u32 *)(r1 + 28)\nexit", "V022",
                   "read of 4 bytes at offset 28 of struct dns_query: there is no such field");
    expect_message("r0 = *(u8 *)(r1 + 22)\nexit", "V022", "there is no such field");
    expect_message("r0 = *(u64 *)(r1 + 40)\nexit", "V022", "there is no such field");
    expect_message("r0 = *(u8 *)(r1 - 1)\nexit", "V022", "there is no such field");
    expect_message("r0 = *(u64 *)(r1 + 16)\nexit", "V022", "there is no such field");
    expect_message("*(u32 *)(r1 + 16) = 7\nr0 = 0\nexit", "V022", "field source: the field may only be read");
    expect_message("*(u64 *)(r1 + 0) = 7\nr0 = 0\nexit", "V022", "field data: the field may only be read");
    expect_message("*(u16 *)(r1 + 24) = 7\nr0 = 0\nexit", "V022", "field answer: fields are written whole");
    expect_message("r0 = *(u16 *)(r1 + 17)\nexit", "V022", "natural alignment");
    expect_message("r0 = *(u32 *)(r1 + 0)\nexit", "V022",
                   "field data: the field is an address and is read whole");
    expect_message("r2 = r1\n*(u64 *)(r1 + 32) = r2\nr0 = 0\nexit", "V015", "leak");
    expect_message("r2 = 1\nlock *(u64 *)(r1 + 32) += r2\nr0 = 0\nexit", "V027", "atomic");
    expect_message("r1 += 8\nr0 = *(u64 *)(r1 + 24)\nexit", "V023", "unmoved context");
}

constexpr const char* kFourBytes = R"(
    r6 = r1
    r2 = *(u64 *)(r1 + 0)
    r3 = *(u64 *)(r1 + 8)
    r4 = r2
    r4 += 4
    r0 = 0
    if r4 > r3 goto out
    )";

TEST(RegisteredType, DataIsCheckedAgainstItsEnd) {
    expect_accepted(request_for(std::string(kFourBytes) + "r5 = *(u32 *)(r2 + 0)\nout: exit"));
    expect_message(std::string(kFourBytes) + "r5 = *(u32 *)(r2 + 1)\nout: exit", "V017", "needs 5 bytes");
    expect_message("r2 = *(u64 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 0)\nexit", "V017", "0 bytes proven safe");
}

TEST(RegisteredType, DataIsWrittenOnlyWhereDeclared) {
    const std::string program = std::string(kFourBytes) + "*(u32 *)(r2 + 0) = 7\nout: exit";
    expect_message(program, "V024", "may not write the packet");
    RegisteredTypeInfo writable = description();
    writable.may_write_packet = true;
    expect_accepted(request_for(program, writable));
    const std::string filled = std::string(kFourBytes) + "r1 = r6\nr3 = 4\ncall 0x1000000\nr0 = 0\nout: exit";
    expect_accepted(request_for(filled, writable));
    expect_message(filled, "V024", "argument 2 of dns_name");
}

TEST(RegisteredType, OwnHelpersTakeWhatTheyDeclare) {
    expect_accepted(
        request_for("r2 = r10\nr2 += -8\nr3 = 8\ncall 0x1000000\nr0 = *(u8 *)(r10 - 3)\nr0 &= 1\nexit"));
    expect_accepted(request_for("call 0x1000002\nr0 &= 1\nexit"));
    expect_accepted(request_for("call 5\nr0 &= 1\nexit"));
    expect_accepted(request_for("r1 = 0\nr2 = 0\ncall 0x1000001\nr0 = 0\nexit"));
    expect_message("r2 = r10\nr2 += -8\nr3 = 9\ncall 0x1000000\nr0 = 0\nexit", "V019",
                   "argument 2 of dns_name");
    expect_message("r2 = r10\nr2 += -8\nr3 = 0\ncall 0x1000000\nr0 = 0\nexit", "V034", "dns_name");
    expect_message("r1 = r10\nr2 = r10\nr2 += -8\nr3 = 8\ncall 0x1000000\nr0 = 0\nexit", "V032",
                   "argument 1 of dns_name: r1 is a pointer to the stack, expected the context");
    expect_message("r1 += 4\nr2 = r10\nr2 += -8\nr3 = 8\ncall 0x1000000\nr0 = 0\nexit", "V023", "dns_name");
    expect_message("r1 = r10\nr1 += -8\nr2 = 8\ncall 0x1000001\nr0 = 0\nexit", "V010",
                   "argument 1 of dns_sum");
    expect_message("call 0x1000003\nr0 = 0\nexit", "V009", "argument 2 of dns_cut");
    expect_message("call 0x1000004\nr0 = 0\nexit", "V029", "there is no helper 16777220");
}

TEST(RegisteredType, HelpersOfOtherTypesAreNotItsOwn) {
    expect_message("r2 = 0\ncall 44\nr0 = 0\nexit", "V030",
                   "programs of type dns may not call bpf_xdp_adjust_head");
    expect_refused(make_request("call 0x1000002\nr0 = 2\nexit"), "V029", 0);
}

TEST(RegisteredType, HelperThatMovesDataInvalidatesAddresses) {
    expect_message(std::string(kFourBytes) +
                       "r7 = r2\nr1 = r6\nr2 = 1\ncall 0x1000003\nr5 = *(u8 *)(r7 + 0)\n"
                       "r0 = 0\nout: exit",
                   "V009", "r7 is not initialised");
}

TEST(RegisteredType, ReturnsWhatTheTypeAllows) {
    expect_accepted(request_for("r0 = 2\nexit"));
    expect_message("r0 = 3\nexit", "V039", "it must be in 0..2");
    expect_message("r0 = *(u32 *)(r1 + 16)\nexit", "V039", "it must be in 0..2");
}

TEST(RegisteredType, PacketInstructionsAreForSocketFilters) {
    expect_message("r6 = r1\nr0 = *(u8 *)skb[0]\nr0 = 0\nexit", "V040", "no such access");
}

TEST(RegisteredType, IsNeitherKnownByItselfNorInPlaceOfAnother) {
    Request bare = request_for("r0 = 0\nexit");
    bare.registered.clear();
    EXPECT_THAT(failure_of(verify(bare)), HasSubstr("program type 17825792 is not known"));
    Request twice = request_for("r0 = 0\nexit");
    twice.registered.push_back(description());
    EXPECT_THAT(failure_of(verify(twice)), HasSubstr("does not need 2 descriptions"));
    Request xdp = request_for("r0 = 0\nexit");
    xdp.type = spec::ProgramType::Xdp;
    EXPECT_THAT(failure_of(verify(xdp)), HasSubstr("program type 6 does not need 1 descriptions"));
}

struct Fault {
    std::function<void(RegisteredTypeInfo&)> make;
    const char* message;
};

const Fault faults[] = {
    {[](auto& info) { info.name = ""; }, "program type '': the name is no identifier"},
    {[](auto& info) { info.name = "a b"; }, "program type 'a b': the name is no identifier"},
    {[](auto& info) { info.name.assign(64, 'a'); }, "the name is no identifier"},
    {[](auto& info) { info.name = "xdp"; }, "program type 'xdp' is a built-in one"},
    {[](auto& info) { info.context = "9"; }, "context '9': the name is no identifier"},
    {[](auto& info) { info.context_bytes = 0; }, "has 0 bytes"},
    {[](auto& info) { info.context_bytes = 5000; }, "has 5000 bytes, at least 1 and at most 4096"},
    {[](auto& info) { info.fields[2].name = "so-urce"; }, "field 'so-urce': the name is no identifier"},
    {[](auto& info) { info.fields[3].name = "source"; }, "field 'source' is described twice"},
    {[](auto& info) { info.fields[2].offset = 38; }, "not aligned at offset 38"},
    {[](auto& info) { info.fields[2].offset = 40; },
     "'source' of 4 bytes at offset 40 does not lie within the 40"},
    {[](auto& info) { info.fields[2].offset = 0xfffffffc; }, "does not lie within"},
    {[](auto& info) { info.fields[2].size = 3; }, "field 'source' has 3 bytes, a number has 1, 2, 4 or 8"},
    {[](auto& info) { info.fields[2].size = 0; }, "field 'source' has 0 bytes"},
    {[](auto& info) { info.fields[2].offset = 24; }, "fields 'source' and 'answer' overlap at offset 24"},
    {[](auto& info) { info.fields[3].offset = 34; }, "fields 'port' and 'cookie' overlap at offset 34"},
    {[](auto& info) { info.fields[2].meaning = FieldMeaning::PacketMeta; },
     "field 'source': kind 4 is neither"},
    {[](auto& info) { info.fields[2].meaning = FieldMeaning::PacketStart; }, "has 4 bytes, an address has 8"},
    {[](auto& info) { info.fields[0].permission = FieldPermission::ReadWrite; },
     "field 'data': programs may write numbers only"},
    {[](auto& info) { info.fields[5].meaning = FieldMeaning::PacketEnd, info.fields[5].permission = {}; },
     "fields 'data_end' and 'cookie' are the same end of the data"},
    {[](auto& info) { info.fields.erase(info.fields.begin() + 1); }, "has only the start of its data"},
    {[](auto& info) { info.fields.erase(info.fields.begin()); }, "has only the end of its data"},
    {[](auto& info) {
         info.fields.erase(info.fields.begin(), info.fields.begin() + 2);
         info.may_write_packet = true;
     },
     "has no data that programs could write"},
    {[](auto& info) { info.fields.resize(1000); }, "has more than 128 fields"},
    {[](auto& info) { info.helpers.resize(1000); }, "has more than 128 helpers"},
    {[](auto& info) { info.helpers[0].id = 1; }, "helper 'dns_name' has the id 0x1"},
    {[](auto& info) { info.helpers[0].id = 0x80000000; }, "helper 'dns_name' has the id 0x80000000"},
    {[](auto& info) { info.helpers[1].id = 0x1000000; }, "helpers 'dns_name' and 'dns_sum' have the same id"},
    {[](auto& info) { info.helpers[1].name = "dns_name"; }, "helper 'dns_name' is described twice"},
    {[](auto& info) { info.helpers[1].name = "dns sum"; }, "helper 'dns sum': the name is no identifier"},
    {[](auto& info) { info.helpers[0].returns = spec::ReturnKind::MapValueOrNull; }, "only numbers"},
    {[](auto& info) { info.helpers[0].arguments[2] = ArgKind::Scalar; },
     "the size of argument 2 must follow it"},
    {[](auto& info) { info.helpers[0].arguments[4] = ArgKind::ReadMemory; }, "argument 5"},
    {[](auto& info) { info.helpers[1].arguments[0] = ArgKind::Scalar; },
     "argument 2 is the size of no memory"},
    {[](auto& info) { info.helpers[2].arguments[1] = ArgKind::Scalar; },
     "argument 2 follows one that is not there"},
    {[](auto& info) { info.helpers[2].arguments[0] = ArgKind::Callback; }, "argument 1 has a kind"},
    {[](auto& info) { info.helpers[2].arguments[0] = ArgKind::MapKey; }, "argument 1 has a kind"},
    {[](auto& info) { info.fields.erase(info.fields.begin(), info.fields.begin() + 2); },
     "helper 'dns_cut' moves data that context 'dns_query' has not"},
};

TEST(RegisteredType, DescriptionsThatMakeNoSenseAreRefused) {
    EXPECT_EQ(fault_of(description()), "");
    for (const Fault& fault : faults) {
        RegisteredTypeInfo info = description();
        fault.make(info);
        EXPECT_THAT(fault_of(info), HasSubstr(fault.message));
        expect_message("r0 = 0\nexit", "V042", fault.message, info);
    }
}

}  // namespace
}  // namespace ebpf::verifier
