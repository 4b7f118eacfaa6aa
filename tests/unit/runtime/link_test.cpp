// SPDX-License-Identifier: MIT
// Links and providers: attach, detach, refusals, versions, counters, unregistering.
#include <thread>

#include "fixture.hpp"

namespace ebpf::runtime {
namespace {

class Links : public RuntimeTest {
  protected:
    Links() { EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok); }

    FakeProvider provider_{kXdpType, kXdpAttach};
};

using Providers = RuntimeTest;

TEST_F(Links, RunTheirProgramAndEndWithTheLastReference) {
    auto made = link(make_program(42));
    ASSERT_TRUE(made);
    Ref<LinkObject> attached = std::move(*made);
    EXPECT_EQ(attached->id(), 1U);
    EXPECT_TRUE(attached->is_attached());
    EXPECT_EQ(attached->request().ifindex, 1U);
    EXPECT_EQ(attached->program()->id(), 1U);
    ASSERT_EQ(provider_.attachments.size(), 1U);
    EXPECT_EQ(FakeProvider::fire(*provider_.attachments[0], &no_packet_), 42U);
    EXPECT_EQ(attached->program()->run_count(), 1U);

    const Ref<LinkObject> second = attached;
    attached.reset();
    EXPECT_EQ(provider_.detach_calls, 0);
    attached = second;
    const_cast<Ref<LinkObject>&>(second).reset();
    attached.reset();
    EXPECT_EQ(provider_.detach_calls, 1);
    EXPECT_FALSE(context_->find_link(1));
    EXPECT_FALSE(context_->find_program(1)) << "the link held it";
}

TEST_F(Links, DetachOnRequestOnce) {
    const auto made = link(make_program());
    ASSERT_TRUE(made);
    EXPECT_EQ(context_->detach(**made), Status::Ok);
    EXPECT_EQ(provider_.detach_calls, 1);
    EXPECT_FALSE((*made)->is_attached());
    EXPECT_EQ(context_->detach(**made), Status::NotAttached);
    EXPECT_TRUE(context_->find_link(1)) << "a detached link is there until its last reference goes";
    EXPECT_TRUE((*made)->program()) << "and keeps its program";
    ebpf_hook_counter counters[1];
    EXPECT_EQ((*made)->counters(counters).error(), Status::NotAttached);
    EXPECT_EQ(context_->update_link(**made, make_program()), Status::NotAttached);
}

TEST_F(Links, PinKeepsThemAttached) {
    EXPECT_EQ(context_->pin("/link", *link(make_program())), Status::Ok);
    EXPECT_TRUE((*context_->find_link(1))->is_attached());
    EXPECT_EQ(context_->unpin("/link"), Status::Ok);
    EXPECT_EQ(provider_.detach_calls, 1);
}

TEST_F(Links, PassCountersOn) {
    const auto made = link(make_program());
    ASSERT_TRUE(made);
    ebpf_hook_counter counters[3] = {};
    EXPECT_EQ(*(*made)->counters(counters), 2U);
    EXPECT_STREQ(counters[1].name, "dropped");
    EXPECT_EQ(counters[1].value, 101U);
    EXPECT_EQ(*(*made)->counters({}), 2U);
}

TEST_F(Links, ProviderWithoutCountersHasNone) {
    provider_.table.counters = nullptr;
    const auto made = link(make_program());
    ASSERT_TRUE(made);
    EXPECT_EQ(*(*made)->counters({}), 0U);
}

TEST_F(Links, RefusalOfTheProviderLeavesNothing) {
    const Ref<ProgramObject> program = make_program();
    provider_.refuse_with = 16;
    provider_.refusal = "interface 1 has a program";
    EXPECT_EQ(link(program).error(), Status::Busy);
    EXPECT_STREQ(reason_, "interface 1 has a program");
    provider_.refusal = "";
    EXPECT_EQ(link(program).error(), Status::Busy);
    EXPECT_STREQ(reason_, "hook 'fake' refused with errno 16");
    provider_.refuse_with = 9999;
    EXPECT_EQ(link(program).error(), Status::Environment);
    EXPECT_EQ(context_->create_link(program, request_of(), {}).error(), Status::Environment)
        << "no room for a reason";
    EXPECT_FALSE(context_->next_id(ObjectKind::Link, 0));
    EXPECT_EQ(program->references(), 1U);
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok) << "no link is left over";
}

TEST_F(Links, LinkIsNotFoundBeforeItIsAttached) {
    provider_.during_attach = [this] {
        EXPECT_EQ(context_->find_link(1).error(), Status::NotFound);
        EXPECT_FALSE(context_->next_id(ObjectKind::Link, 0));
        EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Busy);
    };
    EXPECT_TRUE(link(make_program()));
    provider_.during_attach = nullptr;
    EXPECT_EQ(link(make_program()).error(), Status::NotSupported) << "it is closing";
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
}

TEST_F(Links, CheckTheRequest) {
    const Ref<ProgramObject> program = make_program();
    ebpf_attach_request request = request_of();
    request.version = 1;
    EXPECT_EQ(context_->create_link(program, request, reason_).error(), Status::VersionMismatch);
    EXPECT_STREQ(reason_, "attach request of version 1 and 20 bytes, expected 4 and 20");
    request = request_of();
    request.size = 8;
    EXPECT_EQ(context_->create_link(program, request, reason_).error(), Status::VersionMismatch);
    EXPECT_EQ(context_->create_link(program, request_of(38), reason_).error(), Status::InvalidArgument);
    EXPECT_STREQ(reason_, "program 'test' is for attach type 37, not 38");
    EXPECT_EQ(context_->create_link({}, request_of(), reason_).error(), Status::InvalidArgument);
    EXPECT_EQ(provider_.attach_calls, 0);

    ProgramDefinition definition = program_of(TestImage::make(1));
    definition.type = spec::ProgramType::SocketFilter;
    const auto filter = context_->add_program(definition);
    EXPECT_EQ(context_->create_link(*filter, request_of(), reason_).error(), Status::NotSupported);
    EXPECT_STREQ(reason_, "no hook provider for program type 1, attach type 37");
}

TEST_F(Links, ProgramWithoutAttachTypeFitsAny) {
    ProgramDefinition definition = program_of(TestImage::make(1));
    definition.attach_type = 0;
    EXPECT_TRUE(context_->create_link(*context_->add_program(definition), request_of(), reason_));
}

TEST_F(Links, UpdateChecksTheProgram) {
    const auto made = link(make_program(1));
    ASSERT_TRUE(made);
    EXPECT_EQ(context_->update_link(**made, {}), Status::InvalidArgument);
    ProgramDefinition other = program_of(TestImage::make(1));
    other.attach_type = 0;
    EXPECT_EQ(context_->update_link(**made, *context_->add_program(other)), Status::InvalidArgument);
    other = program_of(TestImage::make(1));
    other.type = spec::ProgramType::SocketFilter;
    EXPECT_EQ(context_->update_link(**made, *context_->add_program(other)), Status::InvalidArgument);
    EXPECT_EQ(FakeProvider::fire(*provider_.attachments[0], &no_packet_), 1U);

    EXPECT_EQ(context_->update_link(**made, make_program(2)), Status::Ok);
    EXPECT_EQ(FakeProvider::fire(*provider_.attachments[0], &no_packet_), 2U);
    EXPECT_FALSE(context_->find_program(1)) << "the old one is gone";
    EXPECT_EQ(provider_.attach_calls, 1);
    const Ref<ProgramObject> same = (*made)->program();
    EXPECT_EQ(context_->update_link(**made, same), Status::Ok);
    EXPECT_EQ(same->references(), 2U);
}

TEST_F(Links, EndOfTheContextDetaches) {
    EXPECT_EQ(context_->pin("/link", *link(make_program())), Status::Ok);
    Context::destroy(context_);
    EXPECT_EQ(provider_.detach_calls, 1);
    context_ = *Context::create({});
}

TEST_F(Links, UnregisterIsBusyWhileAnotherThreadDetaches) {
    auto made = link(make_program());
    ASSERT_TRUE(made);
    provider_.during_detach = [this] {
        EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Busy);
        EXPECT_EQ((*context_->find_link(1))->counters({}).error(), Status::NotAttached);
    };
    EXPECT_EQ(context_->detach(**made), Status::Ok);
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
}

TEST_F(Providers, AreChecked) {
    FakeProvider provider(kXdpType, kXdpAttach);
    const ebpf_hook_provider good = provider.table;
    EXPECT_EQ(context_->register_provider(nullptr), Status::InvalidArgument);
    provider.table.version = EBPF_HOOK_ABI_VERSION + 1;
    EXPECT_EQ(context_->register_provider(&provider.table), Status::VersionMismatch);
    provider.table = good;
    provider.table.size = sizeof(ebpf_hook_provider) - 8;
    EXPECT_EQ(context_->register_provider(&provider.table), Status::VersionMismatch);
    provider.table = good;
    provider.table.attach = nullptr;
    EXPECT_EQ(context_->register_provider(&provider.table), Status::InvalidArgument);
    provider.table = good;
    provider.table.detach = nullptr;
    EXPECT_EQ(context_->register_provider(&provider.table), Status::InvalidArgument);
    provider.table = good;
    provider.table.name = nullptr;
    EXPECT_EQ(context_->register_provider(&provider.table), Status::InvalidArgument);
    provider.table = good;
    EXPECT_EQ(context_->register_provider(&provider.table), Status::Ok);
    FakeProvider rival(kXdpType, kXdpAttach);
    EXPECT_EQ(context_->register_provider(&rival.table), Status::AlreadyExists);
    EXPECT_EQ(context_->unregister_provider(&rival.table), Status::NotFound);
}

}  // namespace
}  // namespace ebpf::runtime
