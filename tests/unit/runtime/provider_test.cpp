// SPDX-License-Identifier: MIT
// Providers that go and come back: what their links do meanwhile.
#include <thread>

#include "fixture.hpp"
#include "runtime/provider.hpp"

namespace ebpf::runtime {
namespace {

class Leaving : public RuntimeTest {
  protected:
    Leaving() {
        provider_.table.max_programs = 10;
        provider_.table.actions = ~0U;
        EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    }
    Ref<LinkObject> attach(std::uint64_t value, std::uint32_t ifindex = 1) {
        const auto made =
            context_->create_link(make_program(value), request_of(kXdpAttach, ifindex), reason_);
        EXPECT_TRUE(made) << reason_;
        return made ? *made : Ref<LinkObject>();
    }
    std::uint64_t fire(std::size_t place = 0) {
        return FakeProvider::fire(*provider_.attachments.at(place), &no_packet_);
    }

    FakeProvider provider_{kXdpType, kXdpAttach};
};

TEST_F(Leaving, SuspendsItsLinksAndNoOthers) {
    const auto first = attach(1);
    const auto second = attach(1, 2);
    FakeProvider other(kXdpType, 38);
    EXPECT_EQ(context_->register_provider(&other.table), Status::Ok);
    ProgramDefinition definition = program_of(TestImage::make(1));
    definition.attach_type = 38;
    {
        const auto kept = context_->create_link(*context_->add_program(definition), request_of(38), reason_);
        ASSERT_TRUE(kept);
        EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
        EXPECT_EQ(provider_.detach_calls, 2);
        EXPECT_FALSE(first->is_attached());
        EXPECT_TRUE(first->is_suspended());
        EXPECT_TRUE(first->program());
        EXPECT_EQ(first->counters({}).error(), Status::NotAttached);
        EXPECT_TRUE((*kept)->is_attached());
        EXPECT_FALSE((*kept)->is_suspended());
    }
    EXPECT_EQ(link(make_program()).error(), Status::NotSupported);
    EXPECT_STREQ(reason_, "no hook provider for program type 6, attach type 37");
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::NotFound);
    EXPECT_EQ(context_->unregister_provider(nullptr), Status::NotFound);
    EXPECT_EQ(context_->unregister_provider(&other.table), Status::Ok);
}

TEST_F(Leaving, IsFoundByNameUntilThen) {
    const auto found = context_->find_hook("fake");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->program_type, kXdpType);
    EXPECT_EQ(found->attach_type, kXdpAttach);
    EXPECT_EQ(context_->find_hook("fak").error(), Status::NotFound);
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
    EXPECT_EQ(context_->find_hook("fake").error(), Status::NotFound);
}

TEST_F(Leaving, LinksAttachAgainInTheirOrderWhenItReturns) {
    const auto late = attach(4);
    const auto early =
        *context_->create_link(make_program(2), request_of(), reason_, {.priority = 1, .actions = {}});
    EXPECT_EQ(fire(), 4U);
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
    EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    EXPECT_EQ(provider_.attach_calls, 2);
    EXPECT_TRUE(late->is_attached() && early->is_attached());
    EXPECT_EQ(*early->position(), 0U);
    EXPECT_EQ(fire(), 4U);
    EXPECT_EQ(early->run_count(), 2U) << "counting goes on";
    const auto more = attach(8);
    EXPECT_EQ(provider_.attach_calls, 2) << "it joined";
    EXPECT_EQ(fire(), 8U);
}

TEST_F(Leaving, ItMayReturnElsewhereInMemory) {
    const auto link = attach(4);
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
    FakeProvider again(kXdpType, kXdpAttach);
    again.table.max_programs = 10;
    again.table.actions = ~0U;
    EXPECT_EQ(context_->register_provider(&again.table), Status::Ok);
    EXPECT_TRUE(link->is_attached());
    EXPECT_EQ(FakeProvider::fire(*again.attachments[0], &no_packet_), 4U);
    EXPECT_EQ(context_->detach(*link), Status::Ok);
    EXPECT_EQ(context_->unregister_provider(&again.table), Status::Ok);
}

TEST_F(Leaving, LinksDoNotAttachToAChangedOne) {
    const auto link = attach(4);
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
    const ebpf_hook_provider original = provider_.table;
    const auto expect_stranger = [&] {
        EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
        EXPECT_TRUE(link->is_suspended());
        EXPECT_EQ(provider_.attach_calls, 1);
        EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
        provider_.table = original;
    };
    provider_.table.name = "another";
    expect_stranger();
    provider_.table.combine = EBPF_COMBINE_ALL;
    expect_stranger();
    provider_.table.max_programs = 9;
    expect_stranger();
    provider_.table.actions = 1;
    expect_stranger();
    EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    EXPECT_TRUE(link->is_attached());
}

TEST_F(Leaving, SuspendedLinksMayBeUpdatedAndEnded) {
    auto kept = attach(1);
    const auto ended = attach(2);
    auto dropped = attach(3, 2);
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
    EXPECT_EQ(context_->update_link(*kept, make_program(7)), Status::Ok);
    EXPECT_EQ(context_->detach(*ended), Status::Ok);
    EXPECT_FALSE(ended->is_suspended());
    dropped.reset();
    EXPECT_EQ(provider_.detach_calls, 2) << "of the two places, as the provider went";
    EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    EXPECT_EQ(provider_.attachments.size(), 1U);
    EXPECT_EQ(fire(), 7U);
    EXPECT_FALSE(ended->is_attached());
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
    kept.reset();  // the last that waits for it
    EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    EXPECT_TRUE(provider_.attachments.empty());
}

TEST_F(Leaving, LinksThatItRefusesLaterStaySuspended) {
    const auto link = attach(1);
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok);
    provider_.refuse_with = 19;
    provider_.refusal = "gone";
    EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    EXPECT_TRUE(link->is_suspended());
    EXPECT_EQ(context_->create_link(make_program(2), request_of(), reason_).error(), Status::Environment);
    EXPECT_STREQ(reason_, "gone");
    EXPECT_EQ(*link->position(), 0U);
    // The next one that gets in takes it along.
    provider_.refuse_with = 0;
    const auto second = attach(2);
    EXPECT_TRUE(link->is_attached());
    EXPECT_EQ(fire(), 2U);
    EXPECT_EQ(link->run_count(), 1U);
}

TEST_F(Leaving, MayHappenWhileLinksAreMadeAndEnded) {
    std::atomic<bool> is_over{false};
    std::vector<std::thread> threads;
    const auto kept = attach(9);
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            char reason[64];
            while (!is_over) {
                const auto made = context_->create_link(make_program(1), request_of(), reason);
                if (!made) {
                    EXPECT_EQ(made.error(), Status::NotSupported);
                }
            }
        });
    }
    for (int round = 0; round < 300; ++round) {
        Status status = Status::Busy;
        while (status == Status::Busy) status = context_->unregister_provider(&provider_.table);
        EXPECT_EQ(status, Status::Ok);
        EXPECT_TRUE(provider_.attachments.empty());
        EXPECT_TRUE(kept->is_suspended());
        EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
        // The first of those that want in may be attaching it just now.
        while (!kept->is_attached()) std::this_thread::yield();
    }
    is_over = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(provider_.attachments.size(), 1U);
    EXPECT_EQ(fire(), 9U);
}

}  // namespace
}  // namespace ebpf::runtime
