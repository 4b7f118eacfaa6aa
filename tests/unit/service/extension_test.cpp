// SPDX-License-Identifier: MIT
// Extensions: what they say of themselves, their hooks as they come and go, and how long their libraries
// stay. Files are extension_file_test.cpp's business.
#include "service/extensions.hpp"

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/client.hpp"
#include "client/local_backend.hpp"
#include "isa/text/assemble.hpp"
#include "platform/user.hpp"
#include "spec/engines.hpp"

namespace ebpf::service {
namespace {

using client::Client;
using client::Handle;
using client::ObjectKind;
using testing::HasSubstr;

struct Event {
    unsigned char* data;
    unsigned char* data_end;
    std::uint32_t number;
    std::uint32_t answer;
};

std::uint64_t seven(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                    ebpf_invocation*) {
    return 7;
}

std::uint64_t eight(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                    ebpf_invocation*) {
    return 8;
}

/// A hook that runs programs when a test says so.
struct Place {
    int refuses_with = 0;
    const ebpf_hook_dispatch* dispatch = nullptr;
    void* point = nullptr;  // nullptr: not attached
    std::uint32_t number = 0;

    static int attach(void* provider, const ebpf_attach_request* request, const ebpf_hook_dispatch* dispatch,
                      void* point, void** attachment, char*, std::size_t) {
        auto& self = *static_cast<Place*>(provider);
        if (self.refuses_with != 0) return self.refuses_with;
        self.dispatch = dispatch;
        self.point = point;
        self.number = request->ifindex;
        *attachment = &self;
        return 0;
    }
    static void detach(void*, void* attachment) { static_cast<Place*>(attachment)->point = nullptr; }

    std::uint64_t run(std::uint32_t value) const {
        ebpf_hook_thread* thread = nullptr;
        EXPECT_EQ(dispatch->thread_enter(point, &thread), 0);
        Event event{nullptr, nullptr, value, 0};
        dispatch->batch_begin(thread);
        const std::uint64_t result = dispatch->invoke(point, thread, &event);
        dispatch->batch_end(thread);
        dispatch->thread_leave(thread);
        return result;
    }
};

/// An extension "events", for tests to spoil.
struct Description {
    std::vector<ebpf_context_field> fields{EBPF_WRITABLE_DATA(Event, data), EBPF_DATA_END(Event, data_end),
                                           EBPF_NUMBER(Event, number), EBPF_WRITABLE_NUMBER(Event, answer)};
    std::vector<ebpf_helper> helpers{{"event_seven", EBPF_FIRST_OWN_HELPER, 0, seven, {}}};
    ebpf_program_type type{
        EBPF_PROGRAM_TYPE_HEAD, "event", nullptr, "event", sizeof(Event), 0, nullptr, nullptr, 0, 0, 1, 0};
    mutable Place place;  // which the context changes
    ebpf_hook_provider provider{};
    std::vector<const ebpf_program_type*> types{&type};
    std::vector<ebpf_extension_hook> hooks{{"event", &provider}};
    ebpf_extension extension{EBPF_EXTENSION_HEAD, "events", nullptr, nullptr, 0, 0};

    Description() {
        provider.version = EBPF_HOOK_ABI_VERSION;
        provider.size = sizeof(provider);
        provider.name = "events/one";
        provider.provider = &place;
        provider.combine = EBPF_COMBINE_ALL;
        provider.max_programs = 4;
        provider.actions = ~0U;
        provider.attach = Place::attach;
        provider.detach = Place::detach;
        refresh();
    }
    Description(const Description&) = delete;
    Description& operator=(const Description&) = delete;
    ~Description() = default;

    /// Takes up what was changed in the lists.
    void refresh() {
        type.fields = fields.data();
        type.field_count = static_cast<std::uint32_t>(fields.size());
        type.helpers = helpers.data();
        type.helper_count = static_cast<std::uint32_t>(helpers.size());
        extension.types = types.data();
        extension.type_count = static_cast<std::uint32_t>(types.size());
        extension.hooks = hooks.data();
        extension.hook_count = static_cast<std::uint32_t>(hooks.size());
    }
};

class ExtensionTest : public testing::Test {
  protected:
    void SetUp() override { start({}); }

    void start(const client::LocalBackend::Options& options) {
        backend_ = client::LocalBackend::create(options).value();
        client_ = std::make_unique<Client>(*backend_);
    }

    Result<std::string> add(const Description& description, std::shared_ptr<void> library = nullptr) {
        return backend_->service().extensions().add(&description.extension, "/events.so", std::move(library));
    }
    Result<void> unload() { return backend_->service().extensions().unload("events"); }

    std::uint32_t type_number() { return client_->program_types().value().at(0).type; }

    Result<client::Offered> offer(const std::string& text, const std::string& engine = "auto") {
        protocol::ProgramLoadRequest request;
        const auto types = client_->program_types().value();
        request.type = types.empty() ? EBPF_FIRST_EXTENSION_NUMBER : types[0].type;
        request.engine = static_cast<std::uint32_t>(spec::find_engine(engine)->engine);
        request.name = "program";
        request.bytecode = isa::assemble(text).value();
        return client_->offer(request, {});
    }
    Handle load(const std::string& text, const std::string& engine = "auto") {
        auto offered = offer(text, engine);
        EXPECT_TRUE(offered) << offered.error().message();
        EXPECT_FALSE(offered->program.is_empty()) << offered->report.failures.at(0).message;
        return std::move(offered->program);
    }
    Result<Handle> attach(const Handle& program, std::uint32_t place = 0) {
        client::LinkTarget target;
        target.hook = "events/one";
        target.place = place;
        return client_->create_link(program, target);
    }
    protocol::LinkDetails details(const Handle& link) { return client_->link_info(link).value(); }

    std::unique_ptr<client::LocalBackend> backend_;
    std::unique_ptr<Client> client_;
};

constexpr const char* kNumber = "r0 = *(u32 *)(r1 +16)\nexit";
constexpr const char* kSeven = "call 0x1000000\nexit";

TEST_F(ExtensionTest, BringsTypesAndHooks) {
    const Description description;
    EXPECT_EQ(add(description).value(), "events");
    const auto listed = client_->extensions().value();
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed[0].name, "events");
    EXPECT_EQ(listed[0].path, "/events.so");
    ASSERT_EQ(listed[0].types.size(), 1U);
    EXPECT_EQ(listed[0].types[0].type, EBPF_FIRST_EXTENSION_NUMBER);
    EXPECT_EQ(listed[0].types[0].section, "event");
    EXPECT_EQ(listed[0].types[0].info.fields.size(), 4U);
    ASSERT_EQ(listed[0].hooks.size(), 1U);
    EXPECT_EQ(listed[0].hooks[0].name, "events/one");
    EXPECT_EQ(listed[0].hooks[0].attach_type, EBPF_FIRST_EXTENSION_NUMBER);

    const Handle program = load(kNumber);
    EXPECT_EQ(client_->program_info(program).value().type_name, "event");
    const Handle link = attach(program, 9).value();
    EXPECT_EQ(description.place.number, 9U);
    EXPECT_EQ(description.place.run(5), 5U);
    EXPECT_EQ(details(link).run_count, 1U);
    EXPECT_EQ(details(link).type_name, "event");
    EXPECT_EQ(add(description).error().status(), Status::AlreadyExists);
}

TEST_F(ExtensionTest, HelpersAreCalledByEveryEngine) {
    for (const char* engine : {"interpreter", "jit"}) {
        const Description description;
        ASSERT_TRUE(add(description));
        {
            const Handle program = load(kSeven, engine);
            const Handle link = attach(program).value();
            EXPECT_EQ(description.place.run(5), 7U) << engine;
        }
        ASSERT_TRUE(unload());
    }
}

TEST_F(ExtensionTest, ProgramsAreVerifiedAgainstItsTypes) {
    const Description description;
    ASSERT_TRUE(add(description));
    EXPECT_TRUE(offer("r0 = *(u64 *)(r1 +24)\nexit")->program.is_empty()) << "behind the structure";
    EXPECT_TRUE(offer("*(u32 *)(r1 +16) = 1\nr0 = 0\nexit")->program.is_empty()) << "may only be read";
    EXPECT_TRUE(offer("call 0x1000001\nexit")->program.is_empty()) << "no such helper";
}

struct Fault {
    const char* what;
    std::function<void(Description&)> spoil;
    Status status;
    const char* text;
};

const std::vector<Fault>& faults() {
    static const std::vector<Fault> all{
        {"version", [](Description& d) { d.extension.version = 2; }, Status::VersionMismatch,
         "extension ABI: version 2 with 48 bytes, expected is version 1 with 48"},
        {"size", [](Description& d) { d.extension.size = 55; }, Status::VersionMismatch,
         "version 1 with 55 bytes, expected is version 1 with 48"},
        {"hook size", [](Description& d) { d.extension.hook_size = 24; }, Status::VersionMismatch,
         "hooks of 24 bytes, expected are 16"},
        {"reserved", [](Description& d) { d.extension.reserved = 1; }, Status::InvalidArgument, "reserved"},
        {"no name", [](Description& d) { d.extension.name = nullptr; }, Status::InvalidArgument,
         "the extension has no name"},
        {"bad name", [](Description& d) { d.extension.name = "a b"; }, Status::InvalidArgument,
         "'a b' cannot be its name"},
        {"empty name", [](Description& d) { d.extension.name = ""; }, Status::InvalidArgument, "''"},
        {"no types", [](Description& d) { d.extension.type_count = 0; }, Status::InvalidArgument,
         "no program types"},
        {"no list", [](Description& d) { d.extension.types = nullptr; }, Status::InvalidArgument,
         "counted and missing"},
        {"no hooks", [](Description& d) { d.extension.hooks = nullptr; }, Status::InvalidArgument,
         "counted and missing"},
        {"many types", [](Description& d) { d.extension.type_count = 65; }, Status::TooBig, "at most 64"},
        {"many hooks", [](Description& d) { d.extension.hook_count = 65; }, Status::TooBig, "at most 64"},
        {"null type", [](Description& d) { d.types[0] = nullptr; }, Status::InvalidArgument, "is missing"},
        {"type version", [](Description& d) { d.type.version = 9; }, Status::VersionMismatch, "version 9"},
        {"type size", [](Description& d) { d.type.size = 8; }, Status::VersionMismatch, "with 8"},
        {"type flags", [](Description& d) { d.type.flags = 2; }, Status::InvalidArgument, "flags 0x2"},
        {"type name", [](Description& d) { d.type.name = nullptr; }, Status::InvalidArgument,
         "program type ''"},
        {"built-in type", [](Description& d) { d.type.name = "xdp"; }, Status::InvalidArgument, "built-in"},
        {"built-in section", [](Description& d) { d.type.section = "xdp"; }, Status::InvalidArgument,
         "section 'xdp'"},
        {"field name", [](Description& d) { d.fields[2].name = nullptr; }, Status::InvalidArgument,
         "a field has no name"},
        {"overlap", [](Description& d) { d.fields[3].offset = d.fields[2].offset; }, Status::InvalidArgument,
         "fields 'number' and 'answer' overlap"},
        {"field twice", [](Description& d) { d.fields[3].name = "number"; }, Status::InvalidArgument,
         "described twice"},
        {"helper", [](Description& d) { d.helpers[0].function = nullptr; }, Status::InvalidArgument,
         "has no function"},
        {"helper id", [](Description& d) { d.helpers[0].id = 1; }, Status::InvalidArgument, "has the id 0x1"},
        {"no provider", [](Description& d) { d.hooks[0].provider = nullptr; }, Status::InvalidArgument,
         "a hook has no provider"},
        {"provider version", [](Description& d) { d.provider.version = 3; }, Status::VersionMismatch,
         "hook provider ABI: version 3 with "},
        {"provider size", [](Description& d) { d.provider.size = 4; }, Status::VersionMismatch,
         "with 4 bytes, expected"},
        {"hook name", [](Description& d) { d.provider.name = nullptr; }, Status::InvalidArgument,
         "a hook has no name"},
        {"hook of no type", [](Description& d) { d.hooks[0].program_type = nullptr; },
         Status::InvalidArgument, "names no program type"},
        {"hook of another type", [](Description& d) { d.hooks[0].program_type = "xdp"; },
         Status::InvalidArgument, "has no program type 'xdp'"},
        {"own number", [](Description& d) { d.provider.attach_type = 37; }, Status::InvalidArgument,
         "numbered by the context"},
        {"no attach", [](Description& d) { d.provider.attach = nullptr; }, Status::InvalidArgument,
         "attach or detach is missing"},
        {"combine", [](Description& d) { d.provider.combine = 7; }, Status::InvalidArgument, "combine is 7"},
        {"hook twice", [](Description& d) { d.hooks.push_back(d.hooks[0]); }, Status::AlreadyExists,
         "hook 'events/one' exists already"},
        {"type twice", [](Description& d) { d.types.push_back(d.types[0]); }, Status::AlreadyExists,
         "program type 'event' exists already"},
    };
    return all;
}

TEST_F(ExtensionTest, WhatIsWrongIsNamedAndNothingStays) {
    for (const Fault& fault : faults()) {
        Description description;
        fault.spoil(description);
        if (description.extension.types != nullptr && description.extension.hooks != nullptr &&
            description.extension.type_count == 1 && description.extension.hook_count == 1)
            description.refresh();
        const auto added = add(description);
        ASSERT_FALSE(added) << fault.what;
        EXPECT_EQ(added.error().status(), fault.status) << fault.what << ": " << added.error().message();
        EXPECT_THAT(added.error().message(), HasSubstr(fault.text)) << fault.what;
        EXPECT_TRUE(client_->program_types().value().empty()) << fault.what;
        EXPECT_TRUE(client_->extensions().value().empty()) << fault.what;
    }
    EXPECT_EQ(backend_->service().extensions().add(nullptr, "", nullptr).error().status(),
              Status::NotSupported);
    const Description description;
    EXPECT_TRUE(add(description));
}

TEST_F(ExtensionTest, HooksAreChosenByNameAndType) {
    const Description description;
    ASSERT_TRUE(add(description));
    const Handle program = load(kNumber);
    client::LinkTarget target;
    target.hook = "none";
    EXPECT_THAT(client_->create_link(program, target).error().message(),
                HasSubstr("there is no hook 'none'"));
    target.hook = "events/one";
    target.attach_type = 1;
    EXPECT_EQ(client_->create_link(program, target).error().status(), Status::InvalidArgument);
    protocol::ProgramLoadRequest request;
    request.type = static_cast<std::uint32_t>(spec::ProgramType::Xdp);
    request.name = "other";
    request.bytecode = isa::assemble("r0 = 2\nexit").value();
    const auto other = client_->offer(request, {});
    EXPECT_THAT(attach(other->program).error().message(), HasSubstr("of another type"));
}

TEST_F(ExtensionTest, LinksWaitWhileItIsAwayAndGoOn) {
    auto description = std::make_unique<Description>();
    ASSERT_TRUE(add(*description));
    const std::uint32_t number = type_number();
    const Handle program = load(kNumber);
    const Handle second = load("r0 = 1\nexit");
    const Handle link = attach(program).value();
    const Handle other = attach(second).value();
    EXPECT_EQ(description->place.run(6), 7U);

    ASSERT_TRUE(unload());
    EXPECT_EQ(description->place.point, nullptr);
    EXPECT_EQ(details(link).is_attached, 0U);
    EXPECT_EQ(details(link).is_suspended, 1U);
    EXPECT_EQ(client_->program_info(program).value().is_type_gone, 1U);
    EXPECT_EQ(client_->program_info(program).value().type_name, "event");
    EXPECT_EQ(attach(program).error().status(), Status::NotFound);
    EXPECT_EQ(offer(kNumber).error().status(), Status::NotSupported);
    EXPECT_EQ(unload().error().status(), Status::NotFound);
    ASSERT_TRUE(client_->detach(other)) << "also while it waits";

    description = std::make_unique<Description>();
    description->place.refuses_with = -EBUSY;
    ASSERT_TRUE(add(*description));
    EXPECT_EQ(details(link).is_suspended, 1U) << "the provider refused";
    ASSERT_TRUE(unload());
    description->place.refuses_with = 0;
    ASSERT_TRUE(add(*description));
    EXPECT_EQ(type_number(), number);
    EXPECT_EQ(details(link).is_attached, 1U);
    EXPECT_EQ(client_->program_info(program).value().is_type_gone, 0U);
    EXPECT_EQ(description->place.run(8), 8U);
    EXPECT_EQ(details(link).run_count, 2U);
    EXPECT_EQ(client_->program_info(program).value().run_count, 2U);
}

TEST_F(ExtensionTest, AnotherShapeWaitsForTheLastProgram) {
    auto description = std::make_unique<Description>();
    ASSERT_TRUE(add(*description));
    const std::uint32_t number = type_number();
    Handle program = load(kNumber);
    ASSERT_TRUE(unload());

    const std::vector<std::function<void(Description&)>> changes{
        [](Description& d) { d.fields.pop_back(); },
        [](Description& d) { d.type.return_max = 5, d.type.return_min = 0; },
        [](Description& d) { d.type.section = "other"; },
        [](Description& d) { d.helpers[0].function = eight; },
        [](Description& d) { d.type.flags = EBPF_PROGRAM_TYPE_TEST_RUNS; },
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        Description changed;
        changes[i](changed);
        changed.refresh();
        const auto added = add(changed);
        ASSERT_FALSE(added) << i;
        EXPECT_EQ(added.error().status(), Status::Busy) << i;
        EXPECT_THAT(added.error().message(), HasSubstr("programs are loaded of another one")) << i;
    }
    program = Handle();
    Description changed;
    changes[0](changed);
    changed.refresh();
    ASSERT_TRUE(add(changed));
    EXPECT_EQ(type_number(), number) << "names keep their numbers";
    EXPECT_TRUE(offer("r0 = *(u32 *)(r1 +20)\nexit")->program.is_empty()) << "the field has gone";
    ASSERT_TRUE(unload());
}

TEST_F(ExtensionTest, ALibraryStaysAsLongAsProgramsMayCallIt) {
    const Description description;
    auto library = std::make_shared<int>(0);
    const std::weak_ptr<int> watched = library;
    ASSERT_TRUE(add(description, std::move(library)));
    Handle program = load(kSeven);
    Handle link = attach(program).value();
    ASSERT_TRUE(unload());
    EXPECT_FALSE(watched.expired());
    program = Handle();
    EXPECT_FALSE(watched.expired()) << "the link has the program";
    ASSERT_TRUE(client_->detach(link));
    link = Handle();
    EXPECT_TRUE(client_->ids(ObjectKind::Program).value().empty());
    EXPECT_TRUE(watched.expired());
}

TEST_F(ExtensionTest, NothingOutlivesTheContext) {
    auto library = std::make_shared<int>(0);
    const std::weak_ptr<int> watched = library;
    const Description description;
    ASSERT_TRUE(add(description, std::move(library)));
    {
        const Handle program = load(kSeven);
        ASSERT_TRUE(client_->create_link(program, {.hook = "events/one"}));
        ASSERT_TRUE(backend_->service().context().pin(
                        "kept", backend_->service().context().find_program(1).value()) == Status::Ok);
    }
    client_.reset();
    backend_.reset();
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(description.place.point, nullptr);
}

TEST_F(ExtensionTest, TestRunsAreForTypesThatProvideForThem) {
    {
        const Description description;
        ASSERT_TRUE(add(description));
        const Handle program = load(kNumber);
        const auto run = client_->test_run(program, {}, 1);
        EXPECT_EQ(run.error().status(), Status::NotSupported);
        EXPECT_THAT(run.error().message(), HasSubstr("'event' does not provide for test runs"));
    }
    ASSERT_TRUE(unload());
    Description description;
    description.type.flags = EBPF_PROGRAM_TYPE_TEST_RUNS;
    ASSERT_TRUE(add(description));
    const Handle program = load(
        "r2 = *(u64 *)(r1 +0)\nr3 = *(u64 *)(r1 +8)\nr0 = *(u32 *)(r1 +16)\nr4 = r2\nr4 += 2\n"
        "if r4 > r3 goto out\nr0 = *(u8 *)(r2 +0)\n*(u8 *)(r2 +1) = 9\nout: exit");
    const std::array<std::byte, 3> data{std::byte{4}, std::byte{5}, std::byte{6}};
    const auto run = client_->test_run(program, data, 3);
    ASSERT_TRUE(run) << run.error().message();
    EXPECT_EQ(run->result, 4U);
    EXPECT_EQ(run->data, (client::Bytes{std::byte{4}, std::byte{9}, std::byte{6}}));
    const auto empty = client_->test_run(program, {}, 1);
    ASSERT_TRUE(empty) << empty.error().message();
    EXPECT_EQ(empty->result, 0U);
    ASSERT_TRUE(unload());
    EXPECT_THAT(client_->test_run(program, data, 1).error().message(), HasSubstr("no loaded extension"));
}

TEST_F(ExtensionTest, OnlyTheOwnerAndRootLoad) {
    const Caller other{platform::user_id() + 1000};
    protocol::ExtensionLoadRequest load;
    load.path = "/nowhere.so";
    protocol::ExtensionUnloadRequest remove;
    remove.name = "events";
    EXPECT_EQ(backend_->service().handle(other, load, {}).error().status(), Status::NoPermission);
    EXPECT_EQ(backend_->service().handle(other, remove, {}).error().status(), Status::NoPermission);
}

TEST_F(ExtensionTest, NoneIsLoadedUnderCodeIntegrity) {
    start({.code_policy = {.is_code_integrity_enforced = true}});
    const auto loaded = client_->load_extension("/nowhere.so");
    EXPECT_EQ(loaded.error().status(), Status::NoPermission);
    EXPECT_THAT(loaded.error().message(), HasSubstr("code integrity"));
}

}  // namespace
}  // namespace ebpf::service
