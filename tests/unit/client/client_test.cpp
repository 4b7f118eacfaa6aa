// SPDX-License-Identifier: MIT
// Requests through the typed client to an in-process context: the life of maps and programs, and what is
// refused.
#include "client/client.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "client/load_object.hpp"
#include "client/local_backend.hpp"
#include "isa/text/assemble.hpp"

namespace ebpf::client {
namespace {

template <typename T>
Bytes bytes_of(T value) {
    Bytes bytes(sizeof(T));
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
}

class ClientTest : public testing::Test {
  protected:
    ClientTest() : backend_(LocalBackend::create({}).value()), client_(*backend_) {}

    static object::MapSpec map_spec(spec::MapType type, std::uint32_t value_size, std::uint32_t entries) {
        object::MapSpec map;
        map.name = "m";
        map.shape = {type, 4, value_size, entries, 0};
        return map;
    }

    static object::ProgramSpec program_spec(const char* text) {
        object::ProgramSpec program;
        program.name = "p";
        program.section = "xdp";
        program.type = spec::ProgramType::Xdp;
        program.attach_type = 37;
        auto bytecode = isa::assemble(text);
        EXPECT_TRUE(bytecode) << bytecode.error().message();
        if (bytecode) program.bytecode = *std::move(bytecode);
        program.lines.push_back(
            {.slot = 0, .file = "p.c", .text = "return XDP_PASS;", .line = 3, .column = 1});
        program.subprograms.push_back({.slot = 0, .name = "p"});
        return program;
    }

    /// Counts its runs in element 0 of map 0.
    static object::ObjectSpec counting_object() {
        object::ObjectSpec object;
        object.name = "o.o";
        object.licence = "MIT";
        object.maps.push_back(map_spec(spec::MapType::Hash, 8, 4));
        object.maps.push_back(map_spec(spec::MapType::Array, 8, 1));
        object.programs.push_back(
            program_spec("*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[idx:1]\ncall 1\n"
                         "if r0 == 0 goto +2\nr1 = 1\nlock *(u64 *)(r0 +0) += r1\nr0 = 2\nexit"));
        return object;
    }

    std::unique_ptr<LocalBackend> backend_;
    Client client_;
};

TEST_F(ClientTest, RingBuffersKeepRecordsUntilTheyAreTaken) {
    object::ObjectSpec object;
    object.name = "o.o";
    object.licence = "MIT";
    object.maps.push_back(map_spec(spec::MapType::RingBuffer, 0, 4096));
    object.maps[0].shape.key_size = 0;
    object.programs.push_back(
        program_spec("*(u64 *)(r10 - 8) = 7\nr2 = r10\nr2 += -8\nr1 = map[idx:0]\n"
                     "r3 = 4\nr4 = 0\ncall bpf_ringbuf_output\nr0 = 2\nexit"));
    const auto loaded = load_object(client_, object, {&object.programs[0]}, {});
    ASSERT_TRUE(loaded) << loaded.error().message();
    const Handle& map = loaded->maps[0];
    EXPECT_EQ(client_.records(map, {.timeout_ms = 1}).value().records.size(), 0U);
    ASSERT_TRUE(client_.test_run(loaded->programs[0].offered.program, Bytes(60), 3));
    const auto one = client_.records(map, {.most = 1}).value();
    ASSERT_EQ(one.records.size(), 1U);
    EXPECT_EQ(one.records[0].data, bytes_of(7U));
    EXPECT_EQ(one.records[0].size, 4U);
    EXPECT_EQ(client_.records(map, {}).value().records.size(), 3U) << "nothing was taken";
    EXPECT_EQ(client_.records(map, {.taken = one.position}).value().records.size(), 2U);
    EXPECT_EQ(client_.records(map, {.taken = one.position + 8}).error().status(), Status::InvalidArgument);
    EXPECT_EQ(client_.lookup(map, {}).error().status(), Status::NotSupported);
    EXPECT_EQ(client_.next_key(map, {}).error().status(), Status::NotSupported);
    const auto array = client_.create_map(map_spec(spec::MapType::Array, 8, 1), {}).value();
    EXPECT_EQ(client_.records(array, {}).error().status(), Status::WrongKind);
}

TEST_F(ClientTest, MapsKeepElements) {
    const auto map = client_.create_map(map_spec(spec::MapType::Hash, 8, 2), {}).value();
    EXPECT_EQ(client_.lookup(map, bytes_of(1U)).error().status(), Status::NotFound);
    ASSERT_TRUE(client_.update(map, bytes_of(1U), bytes_of(std::uint64_t{11}), spec::kUpdateNoExist));
    EXPECT_EQ(
        client_.update(map, bytes_of(1U), bytes_of(std::uint64_t{12}), spec::kUpdateNoExist).error().status(),
        Status::AlreadyExists);
    EXPECT_EQ(client_.lookup(map, bytes_of(1U)).value(), bytes_of(std::uint64_t{11}));
    EXPECT_EQ(client_.next_key(map, {}).value(), bytes_of(1U));
    EXPECT_EQ(client_.next_key(map, bytes_of(1U)).error().status(), Status::NotFound);
    ASSERT_TRUE(client_.erase(map, bytes_of(1U)));
    EXPECT_EQ(client_.lookup(map, bytes_of(1U)).error().status(), Status::NotFound);
    ASSERT_TRUE(client_.freeze(map));
    EXPECT_EQ(client_.update(map, bytes_of(2U), bytes_of(std::uint64_t{1}), 0).error().status(),
              Status::NoPermission);
    EXPECT_EQ(client_.map_info(map).value().is_frozen, 1U);
}

TEST_F(ClientTest, SizesAreChecked) {
    const auto map = client_.create_map(map_spec(spec::MapType::Hash, 8, 2), {}).value();
    const auto refused = client_.lookup(map, bytes_of(std::uint64_t{1}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "map 1 'm': key has 8 bytes, 4 are needed");
    EXPECT_EQ(client_.update(map, bytes_of(1U), bytes_of(1U), 0).error().status(), Status::InvalidArgument);
    EXPECT_FALSE(client_.create_map(map_spec(spec::MapType::Hash, 0, 2), {}));
    EXPECT_FALSE(client_.create_map(map_spec(static_cast<spec::MapType>(99), 8, 2), {}));
}

TEST_F(ClientTest, ObjectsGoWithTheirLastHandle) {
    {
        const auto map = client_.create_map(map_spec(spec::MapType::Array, 8, 1), {}).value();
        EXPECT_EQ(client_.ids(ObjectKind::Map).value().size(), 1U);
        const auto again = client_.open(ObjectKind::Map, client_.map_info(map).value().id);
        EXPECT_TRUE(again);
    }
    EXPECT_TRUE(client_.ids(ObjectKind::Map).value().empty());
    EXPECT_EQ(client_.open(ObjectKind::Map, 1).error().status(), Status::NotFound);
}

TEST_F(ClientTest, ProgramsAreLoadedRunAndDescribed) {
    const auto object = counting_object();
    auto loaded = load_object(client_, object, {&object.programs[0]}, {});
    ASSERT_TRUE(loaded) << loaded.error().message();
    const Offered& offered = loaded->programs[0].offered;
    ASSERT_EQ(offered.report.verdict, verifier::Verdict::Accept)
        << (offered.report.failures.empty() ? "" : offered.report.failures[0].message);

    const auto run = client_.test_run(offered.program, Bytes(60), 5);
    ASSERT_TRUE(run) << run.error().message();
    EXPECT_EQ(run->result, 2U);
    EXPECT_EQ(run->data.size(), 60U);
    EXPECT_EQ(client_.lookup(loaded->maps[1], bytes_of(0U)).value(), bytes_of(std::uint64_t{5}));

    const auto info = client_.program_info(offered.program).value();
    EXPECT_EQ(info.name, "p");
    EXPECT_EQ(info.run_count, 5U);
    EXPECT_EQ(info.is_gpl_compatible, 0U);
    ASSERT_EQ(info.maps.size(), 1U) << "only the map that it uses";
    EXPECT_EQ(info.maps[0].id, client_.map_info(loaded->maps[1]).value().id);
    const auto code = client_.code(offered.program).value();
    EXPECT_EQ(code.bytecode.size(), object.programs[0].bytecode.size());
    ASSERT_EQ(code.lines.size(), 1U);
    EXPECT_EQ(code.lines[0].text, "return XDP_PASS;");
    EXPECT_FALSE(client_.test_run(offered.program, Bytes(13), 1)) << "shorter than an Ethernet header";
}

TEST_F(ClientTest, RefusedProgramsAreNotLoaded) {
    object::ObjectSpec object;
    object.programs.push_back(program_spec("r0 = *(u8 *)(r1 +100)\nexit"));
    const auto loaded = load_object(client_, object, {&object.programs[0]}, {});
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_TRUE(loaded->programs[0].offered.program.is_empty());
    ASSERT_FALSE(loaded->programs[0].offered.report.failures.empty());
    EXPECT_EQ(loaded->programs[0].offered.report.failures[0].slot, 0U);
    EXPECT_TRUE(client_.ids(ObjectKind::Program).value().empty());
    const auto report = client_.verify(verification_request(object, object.programs[0], 0)).value();
    EXPECT_EQ(report.verdict, verifier::Verdict::Reject);
}

TEST_F(ClientTest, ProgramsThatNeedOtherGroupsAreRefusedByInstructionAndName) {
    auto backend = LocalBackend::create({.groups = spec::kAllGroups.without(spec::Group::DivMul64)}).value();
    Client client(*backend);
    object::ObjectSpec object;
    object.programs.push_back(program_spec("r0 = 6\nr0 *= 7\nexit"));
    object.programs.push_back(program_spec("r0 = 6\nw0 *= 7\nexit"));
    const auto narrow = load_object(client, object, {&object.programs[1]}, {});
    ASSERT_TRUE(narrow) << narrow.error().message();
    EXPECT_FALSE(narrow->programs[0].offered.program.is_empty());
    const auto wide = load_object(client, object, {&object.programs[0]}, {});
    ASSERT_TRUE(wide) << wide.error().message();
    const Offered& offered = wide->programs[0].offered;
    EXPECT_TRUE(offered.program.is_empty());
    ASSERT_EQ(offered.report.failures.size(), 1U);
    EXPECT_EQ(offered.report.failures[0].slot, 1U);
    EXPECT_EQ(offered.report.failures[0].message,
              "instruction 1: instruction belongs to a conformance group that is not supported: opcode 0x27 "
              "needs group divmul64");
}

TEST_F(ClientTest, CannotAskForMoreGroupsThanTheContextHas) {
    auto backend = LocalBackend::create({.groups = spec::GroupSet{}.with(spec::Group::Base32)}).value();
    Client client(*backend);
    object::ObjectSpec object;
    object.programs.push_back(program_spec("r0 = 2\nexit"));
    auto request = verification_request(object, object.programs[0], 0);
    EXPECT_EQ(request.groups.bits, spec::kAllGroups.bits);
    const auto report = client.verify(request);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->verdict, verifier::Verdict::Reject);
}

TEST_F(ClientTest, PinsNeedALastingContext) {
    const auto map = client_.create_map(map_spec(spec::MapType::Array, 8, 1), {}).value();
    const auto refused = client_.pin(map, "a");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status(), Status::NotSupported);
}

TEST_F(ClientTest, HandlesAreCheckedByKindAndOwner) {
    const auto map = client_.create_map(map_spec(spec::MapType::Array, 8, 1), {}).value();
    EXPECT_EQ(client_.detach(map).error().status(), Status::WrongKind);
    EXPECT_EQ(client_.code(map).error().message(), "handle 'program' is a map, a program is needed");
    EXPECT_EQ(client_.freeze(Handle()).error().status(), Status::BadHandle);
    const auto direct = backend_->call(protocol::MapFreezeRequest{.map = 3}, {});
    ASSERT_FALSE(direct);
    EXPECT_EQ(direct.error().status(), Status::BadHandle);
    EXPECT_FALSE(backend_->call(protocol::AnyRequest{}, {}));
}

TEST_F(ClientTest, AttachingWithoutAHookSaysSo) {
    const auto object = counting_object();
    const auto loaded = load_object(client_, object, {&object.programs[0]}, {});
    ASSERT_TRUE(loaded);
    const auto link = client_.create_link(loaded->programs[0].offered.program,
                                          {.attach_type = 37, .interface = {}, .flags = 0});
    ASSERT_FALSE(link);
    EXPECT_EQ(link.error().status(), Status::NotSupported);
    const auto missing = client_.create_link(loaded->programs[0].offered.program,
                                             {.attach_type = 37, .interface = "nosuchif0", .flags = 0});
    EXPECT_EQ(missing.error().status(), Status::NotFound);
}

/// A hook that nothing ever happens at.
ebpf_hook_provider quiet_hook() {
    ebpf_hook_provider provider{};
    provider.version = EBPF_HOOK_ABI_VERSION;
    provider.size = sizeof provider;
    provider.name = "quiet";
    provider.program_type = static_cast<std::uint32_t>(spec::ProgramType::Xdp);
    provider.attach_type = 37;
    provider.combine = EBPF_COMBINE_CHAIN;
    provider.max_programs = 2;
    provider.actions = 1U << 2U;
    provider.attach = [](void*, const ebpf_attach_request*, const ebpf_hook_dispatch*, void*, void**, char*,
                         std::size_t) { return 0; };
    provider.detach = [](void*, void*) {};
    return provider;
}

TEST_F(ClientTest, LinksOfOnePlaceAreDescribedAndUpdated) {
    const ebpf_hook_provider hook = quiet_hook();
    runtime::Context& context = backend_->service().context();
    ASSERT_EQ(context.register_provider(&hook), Status::Ok);
    object::ObjectSpec object = counting_object();
    object.programs[0].run_priority = 7;
    object.programs[0].chain_actions = 1U << 1U;
    object.programs.push_back(program_spec("r0 = 2\nexit"));
    object.programs.push_back(program_spec("r0 = 1\nexit"));
    const auto loaded =
        load_object(client_, object, {&object.programs[0], &object.programs[1], &object.programs[2]}, {});
    ASSERT_TRUE(loaded);
    const auto program = [&](std::size_t index) -> const Handle& {
        return loaded->programs[index].offered.program;
    };
    const auto second = client_.create_link(program(1), {.attach_type = 37}).value();
    const auto first = client_.create_link(program(0), {.attach_type = 37}).value();
    auto info = client_.link_info(first).value();
    EXPECT_EQ(info.hook, "quiet");
    EXPECT_EQ(info.priority, 7U);
    EXPECT_EQ(info.actions, 1U << 1U);
    EXPECT_EQ(info.position, 0U);
    EXPECT_EQ(info.is_attached, 1U);
    info = client_.link_info(second).value();
    EXPECT_EQ(info.priority, 50U);
    EXPECT_EQ(info.actions, 1U << 2U);
    EXPECT_EQ(info.position, 1U);

    const auto full = client_.create_link(program(2), {.attach_type = 37});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().status(), Status::LimitExceeded);
    EXPECT_EQ(full.error().message(),
              "program 3 'p': hook 'quiet' takes at most 2 programs at a place, and there are 2");
    const auto twice = client_.update_link(second, program(0));
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().message(), "link 1 and program 1 'p': another link has the program at this hook");
    EXPECT_TRUE(client_.update_link(second, program(2)));
    EXPECT_EQ(client_.link_info(second).value().program_id, 3U);

    EXPECT_TRUE(client_.detach(first));
    const auto placed =
        client_.create_link(program(0), {.attach_type = 37, .priority = 60, .actions = 0}).value();
    info = client_.link_info(placed).value();
    EXPECT_EQ(info.priority, 60U);
    EXPECT_EQ(info.actions, 0U);
    EXPECT_EQ(info.position, 1U);

    EXPECT_EQ(context.unregister_provider(&hook), Status::Ok);
    info = client_.link_info(placed).value();
    EXPECT_EQ(info.is_attached, 0U);
    EXPECT_EQ(info.is_suspended, 1U);
    EXPECT_EQ(client_.link_info(first).value().is_suspended, 0U) << "it was detached before";
    EXPECT_EQ(context.register_provider(&hook), Status::Ok);
    EXPECT_EQ(client_.link_info(placed).value().is_attached, 1U);
}

/// Answers another request than it was asked.
class LyingVerifier final : public service::VerifierRunner {
  public:
    Result<protocol::BoundReport> run(const verifier::Request& request) override {
        auto answer = truthful_.run(request);
        answer->request[0] ^= std::byte{1};
        return answer;
    }

  private:
    service::InProcessVerifier truthful_;
};

TEST(Service, BelievesOnlyReportsForTheExactRequest) {
    LyingVerifier verifier;
    auto service = service::Service::create({.verifier = &verifier, .context = {}}).value();
    protocol::ProgramLoadRequest request;
    request.type = static_cast<std::uint32_t>(spec::ProgramType::Xdp);
    request.bytecode = isa::assemble("r0 = 2\nexit").value();
    const auto answer = service->handle({}, request, {});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().status(), Status::Internal);
    EXPECT_EQ(service->context().next_id(runtime::ObjectKind::Program, 0).error(), Status::NotFound);
}

TEST(Service, ForgetsTheTypesOfMapsThatAreGone) {
    service::InProcessVerifier verifier;
    auto service = service::Service::create({.verifier = &verifier, .context = {}}).value();
    protocol::MapCreateRequest request;
    request.type = static_cast<std::uint32_t>(spec::MapType::Array);
    request.key_size = 4;
    request.value_size = 8;
    request.max_entries = 1;
    const auto create = [&](std::uint8_t content) {
        request.types.assign(16, std::byte{content});
        return service->handle({}, request, {}).value().handles.at(0);
    };
    const auto kept = create(1);
    const std::uint32_t first_gone = create(2)->id();
    for (std::uint8_t i = 3; i < 40; ++i) create(i);
    EXPECT_EQ(service->notes().map(first_gone).types, nullptr);
    ASSERT_NE(service->notes().map(kept->id()).types, nullptr);
    EXPECT_EQ(service->notes().map(kept->id()).types->at(0), std::byte{1});
}

}  // namespace
}  // namespace ebpf::client
