// SPDX-License-Identifier: MIT
// Several programs at one attach point: order, how results combine, joining, leaving, replacing, also under
// load.
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "fixture.hpp"

namespace ebpf::runtime {
namespace {

constexpr std::uint64_t kPass = 2;
constexpr std::uint64_t kDrop = 1;

class Chained : public RuntimeTest {
  protected:
    explicit Chained(std::uint32_t combine = EBPF_COMBINE_CHAIN, std::uint32_t actions = 1U << kPass) {
        provider_.table.combine = combine;
        provider_.table.actions = actions;
        provider_.table.max_programs = 10;
        EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    }

    /// A program that notes its name in `ran_` and returns `result`.
    Ref<ProgramObject> make_named(const char* name, std::uint64_t result, const ChainPlace& place = {}) {
        auto* image = TestImage::make(0);
        image->body = [this, name, result](engine::Invocation&) {
            ran_ += name;
            return result;
        };
        ProgramDefinition definition = program_of(image);
        definition.place = place;
        return *context_->add_program(definition);
    }
    Ref<LinkObject> attach(const Ref<ProgramObject>& program, const ChainPlace& place = {}) {
        auto made = context_->create_link(program, request_of(), reason_, place);
        EXPECT_TRUE(made) << reason_;
        return made ? *made : Ref<LinkObject>();
    }
    Ref<LinkObject> attach(const char* name, std::uint64_t result, const ChainPlace& place = {}) {
        return attach(make_named(name, result), place);
    }
    Status refused(const Ref<ProgramObject>& program, const ebpf_attach_request& request,
                   const ChainPlace& place = {}) {
        const auto made = context_->create_link(program, request, reason_, place);
        return made ? Status::Ok : made.error();
    }
    std::uint64_t fire() {
        ran_.clear();
        return FakeProvider::fire(*provider_.attachments.at(0), &no_packet_);
    }
    static std::vector<std::uint32_t> positions(std::initializer_list<Ref<LinkObject>> links) {
        std::vector<std::uint32_t> all;
        for (const auto& link : links) all.push_back(*link->position());
        return all;
    }

    FakeProvider provider_{kXdpType, kXdpAttach};
    std::string ran_;
};

class AllRun : public Chained {
  protected:
    AllRun() : Chained(EBPF_COMBINE_ALL, 1U << 1U | 1U << 3U) {}
};

TEST_F(Chained, RunByPriorityThenInOrderOfAttachment) {
    const auto b = attach("b", kPass);
    const auto c = attach("c", kPass, {.priority = 50, .actions = {}});
    const auto a = attach("a", kPass, {.priority = 0, .actions = {}});
    const auto d = attach("d", kPass, {.priority = 0xffffffff, .actions = {}});
    EXPECT_EQ(fire(), kPass);
    EXPECT_EQ(ran_, "abcd");
    EXPECT_EQ(positions({a, b, c, d}), (std::vector<std::uint32_t>{0, 1, 2, 3}));
    EXPECT_EQ(b->priority(), kDefaultPriority);
    EXPECT_EQ(a->priority(), 0U);
    EXPECT_STREQ(a->hook(), "fake");
}

TEST_F(Chained, ProgramsSayWhereTheyRunUnlessTheLinkDoes) {
    const auto wish = make_named("w", 7, {.priority = 10, .actions = 1U << 7U});
    const auto other = attach("o", kDrop);
    {
        const auto link = attach(wish);
        EXPECT_EQ(link->priority(), 10U);
        EXPECT_EQ(link->actions(), 1U << 7U);
        EXPECT_EQ(fire(), kDrop);
        EXPECT_EQ(ran_, "wo");
    }
    const auto link = attach(wish, {.priority = 60, .actions = 0});
    EXPECT_EQ(link->priority(), 60U);
    EXPECT_EQ(link->actions(), 0U);
    EXPECT_EQ(other->actions(), 1U << kPass);
}

TEST_F(Chained, TheNextRunsAfterChainCallActionsOnly) {
    std::uint64_t result = 0;
    auto* image = TestImage::make(0);
    image->body = [&](engine::Invocation&) { return result; };
    const auto first =
        attach(*context_->add_program(program_of(image)), {.priority = 1, .actions = 0x80000006});
    const auto last = attach("n", 5);
    for (result = 0; result < 70; ++result) {
        const bool goes_on = result == 1 || result == 2 || result == 31;
        EXPECT_EQ(fire(), goes_on ? 5 : result);
        EXPECT_EQ(ran_, goes_on ? "n" : "") << result;
    }
    EXPECT_EQ(first->run_count(), 70U);
    EXPECT_EQ(first->ended_count(), 67U);
    EXPECT_EQ(last->run_count(), 3U);
    EXPECT_EQ(last->ended_count(), 3U);
    // Verdicts have 32 bits.
    result = (std::uint64_t{1} << 32U) + 1;
    EXPECT_EQ(fire(), 5U);
}

TEST_F(Chained, BatchesGoThroughTheChainOneByOne) {
    std::vector<std::pair<char, void*>> runs;
    const auto add = [&](char name, std::uint64_t result_of_odd) {
        auto* image = TestImage::make(0);
        image->body = [&runs, name, result_of_odd](engine::Invocation& invocation) {
            runs.emplace_back(name, invocation.context);
            const auto* packet = static_cast<const ebpf_xdp_context*>(invocation.context);
            return packet->ingress_ifindex % 2 == 1 ? result_of_odd : kPass;
        };
        return attach(*context_->add_program(program_of(image)));
    };
    const auto a = add('a', kDrop);
    const auto b = add('b', 9);
    std::array<ebpf_xdp_context, 3> packets{};
    std::array<void*, 3> contexts{};
    for (std::uint32_t i = 0; i < packets.size(); ++i) {
        packets[i].ingress_ifindex = i;
        contexts[i] = &packets[i];
    }
    std::array<std::uint64_t, 3> results{};
    const FakeProvider::Attachment& hook = *provider_.attachments[0];
    ebpf_hook_thread* thread = nullptr;
    ASSERT_EQ(hook.dispatch->thread_enter(hook.link, &thread), 0);
    hook.dispatch->batch_begin(thread);
    hook.dispatch->invoke_all(hook.link, thread, contexts.data(), results.data(), results.size());
    hook.dispatch->batch_end(thread);
    EXPECT_EQ(results, (std::array<std::uint64_t, 3>{kPass, kDrop, kPass}));
    using Runs = std::vector<std::pair<char, void*>>;
    EXPECT_EQ(runs, (Runs{{'a', contexts[0]},
                          {'b', contexts[0]},
                          {'a', contexts[1]},
                          {'a', contexts[2]},
                          {'b', contexts[2]}}));
    EXPECT_EQ(a->run_count(), 3U);
    EXPECT_EQ(a->ended_count(), 1U);
    EXPECT_EQ(b->run_count(), 2U);
    EXPECT_EQ(b->ended_count(), 0U);

    // And with one program left.
    EXPECT_EQ(context_->detach(*b), Status::Ok);
    hook.dispatch->batch_begin(thread);
    hook.dispatch->invoke_all(hook.link, thread, contexts.data(), results.data(), results.size());
    hook.dispatch->batch_end(thread);
    hook.dispatch->thread_leave(thread);
    EXPECT_EQ(results, (std::array<std::uint64_t, 3>{kPass, kDrop, kPass}));
    EXPECT_EQ(a->run_count(), 6U);
    EXPECT_EQ(a->ended_count(), 2U);
}

TEST_F(AllRun, OneRefusalIsEnoughAndLaterProgramsStillCount) {
    const auto a = attach("a", 1);
    const auto b = attach("b", 0);
    const auto c = attach("c", 7);
    const auto d = attach("d", 1);
    EXPECT_EQ(fire(), 0U) << "what the first one said that refused";
    EXPECT_EQ(ran_, "abcd");
    for (const auto& link : {a, b, c, d}) EXPECT_EQ(link->run_count(), 1U);
    EXPECT_EQ(a->ended_count() + d->ended_count(), 0U);
    EXPECT_EQ(b->ended_count(), 1U);
    EXPECT_EQ(c->ended_count(), 1U);
    EXPECT_EQ(context_->detach(*b), Status::Ok);
    EXPECT_EQ(fire(), 7U);
    EXPECT_EQ(context_->detach(*c), Status::Ok);
    EXPECT_EQ(fire(), 1U);
    EXPECT_EQ(ran_, "ad");
    EXPECT_EQ(a->combine(), EBPF_COMBINE_ALL);
}

TEST_F(AllRun, PermissionsAreCombinedByOr) {
    const auto a = attach("a", 1);
    const auto b = attach("b", 3);
    EXPECT_EQ(fire(), 3U);
    const auto c = attach("c", (std::uint64_t{1} << 32U) + 1);
    EXPECT_EQ(static_cast<std::uint32_t>(fire()), 3U) << "results have 32 bits";
}

TEST_F(AllRun, KnowsNoChainCallActions) {
    EXPECT_EQ(refused(make_program(), request_of(), {.priority = {}, .actions = 1}), Status::InvalidArgument);
    EXPECT_STREQ(reason_, "hook 'fake' runs every program: it knows no chain-call actions");
    const auto link = attach(make_named("a", 1, {.priority = {}, .actions = 0}));
    EXPECT_EQ(link->actions(), 1U << 1U | 1U << 3U) << "what a program says of XDP means nothing here";
}

TEST_F(Chained, TheProviderIsAskedOnceForAPlace) {
    auto a = attach("a", kPass);
    auto b = attach("b", kPass);
    auto c = attach("c", kPass);
    EXPECT_EQ(provider_.attach_calls, 1);
    const auto elsewhere = context_->create_link(make_program(), request_of(kXdpAttach, 2), reason_);
    EXPECT_EQ(provider_.attach_calls, 2);
    ebpf_hook_counter counters[2];
    EXPECT_EQ(*b->counters(counters), 2U);
    EXPECT_EQ(context_->detach(*b), Status::Ok);
    EXPECT_EQ(b->counters(counters).error(), Status::NotAttached);
    EXPECT_EQ(b->position().error(), Status::NotAttached);
    EXPECT_EQ(fire(), kPass);
    EXPECT_EQ(ran_, "ac");
    a.reset();
    EXPECT_EQ(fire(), kPass);
    EXPECT_EQ(ran_, "c");
    EXPECT_EQ(provider_.detach_calls, 0);
    c.reset();
    EXPECT_EQ(provider_.detach_calls, 1);
    EXPECT_EQ(b->run_count(), 0U) << "a detached link still tells";
    const auto again = attach("d", kPass);
    EXPECT_EQ(provider_.attach_calls, 3);
}

TEST_F(Chained, ReplacingKeepsThePlace) {
    const auto a = attach("a", kPass);
    const auto b = attach("b", kPass, {.priority = 50, .actions = 1U << 9U | 1U << kPass});
    const auto c = attach("c", kPass);
    EXPECT_EQ(context_->update_link(*b, make_named("B", 9, {.priority = 1, .actions = 0})), Status::Ok);
    EXPECT_EQ(fire(), kPass);
    EXPECT_EQ(ran_, "aBc");
    EXPECT_EQ(b->priority(), 50U);
    EXPECT_EQ(*b->position(), 1U);
    EXPECT_EQ(b->run_count(), 1U);
    EXPECT_EQ(context_->update_link(*b, a->program()), Status::AlreadyExists);
    EXPECT_EQ(context_->update_link(*b, b->program()), Status::Ok);
    EXPECT_EQ(fire(), kPass);
    EXPECT_EQ(ran_, "aBc");
}

TEST_F(Chained, RefuseWhatDoesNotFit) {
    const auto program = make_named("a", kPass);
    const auto a = attach(program);
    EXPECT_EQ(refused(program, request_of()), Status::AlreadyExists);
    EXPECT_STREQ(reason_, "it is attached already there, by link 1");
    ebpf_attach_request flags = request_of();
    flags.flags = 4;
    EXPECT_EQ(refused(make_program(), flags), Status::InvalidArgument);
    EXPECT_STREQ(reason_, "flags 4 differ from those of the programs that are there, 0");
    std::vector<Ref<LinkObject>> links;
    for (int i = 1; i < 10; ++i) links.push_back(attach("b", kPass));
    EXPECT_EQ(refused(make_program(), request_of()), Status::LimitExceeded);
    EXPECT_STREQ(reason_, "hook 'fake' takes at most 10 programs at a place, and there are 10");
    links.pop_back();
    EXPECT_TRUE(attach("c", kPass));
    EXPECT_EQ(program->references(), 2U);
    EXPECT_EQ(provider_.attach_calls, 1);
}

using Limits = RuntimeTest;

TEST_F(Limits, AreThoseOfTheProvider) {
    FakeProvider single(kXdpType, kXdpAttach);
    FakeProvider many(kXdpType, 38);
    many.table.max_programs = EBPF_HOOK_MAX_PROGRAMS;
    many.table.combine = EBPF_COMBINE_ALL;
    many.table.actions = 1U << 1U;
    EXPECT_EQ(context_->register_provider(&single.table), Status::Ok);
    EXPECT_EQ(context_->register_provider(&many.table), Status::Ok);
    {
        const auto only = link(make_program());
        EXPECT_TRUE(only);
        EXPECT_EQ(link(make_program()).error(), Status::Busy);
        EXPECT_STREQ(reason_, "hook 'fake' takes one program at a place, and another one is attached");
        std::vector<Ref<LinkObject>> links;
        const auto add = [&] {
            ProgramDefinition definition = program_of(TestImage::make(1));
            definition.attach_type = 38;
            auto made = context_->create_link(*context_->add_program(definition), request_of(38), reason_);
            if (made) links.push_back(*std::move(made));
            return links.size();
        };
        for (std::size_t i = 1; i <= EBPF_HOOK_MAX_PROGRAMS; ++i) EXPECT_EQ(add(), i);
        EXPECT_EQ(add(), EBPF_HOOK_MAX_PROGRAMS);
        EXPECT_STREQ(reason_, "hook 'fake' takes at most 64 programs at a place, and there are 64");
        EXPECT_EQ(FakeProvider::fire(*many.attachments[0], &no_packet_), 1U);
        EXPECT_EQ(links.back()->run_count(), 1U);
    }
    EXPECT_EQ(context_->unregister_provider(&single.table), Status::Ok);
    EXPECT_EQ(context_->unregister_provider(&many.table), Status::Ok);
    many.table.max_programs = EBPF_HOOK_MAX_PROGRAMS + 1;
    EXPECT_EQ(context_->register_provider(&many.table), Status::InvalidArgument);
    many.table.max_programs = 1;
    many.table.combine = 2;
    EXPECT_EQ(context_->register_provider(&many.table), Status::InvalidArgument);
}

/// Threads that invoke until told to stop.
class Load {
  public:
    Load(const FakeProvider::Attachment& hook, int threads) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this, &hook] { invoke(hook); });
    }
    std::uint64_t stop() {
        is_over_ = true;
        for (std::thread& thread : threads_) thread.join();
        return invocations_;
    }
    [[nodiscard]] std::uint64_t invocations() const { return invocations_; }

  private:
    void invoke(const FakeProvider::Attachment& hook) {
        constexpr std::size_t kMost = 16;
        ebpf_hook_thread* thread = nullptr;
        ASSERT_EQ(hook.dispatch->thread_enter(hook.link, &thread), 0);
        std::array<ebpf_xdp_context, kMost> packets{};
        std::array<void*, kMost> contexts{};
        for (std::size_t i = 0; i < kMost; ++i) contexts[i] = &packets[i];
        std::array<std::uint64_t, kMost> results{};
        while (!is_over_.load(std::memory_order_relaxed)) {
            hook.dispatch->batch_begin(thread);
            for (const std::size_t count : {std::size_t{1}, kMost}) {
                hook.dispatch->invoke_all(hook.link, thread, contexts.data(), results.data(), count);
                for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(results[i], kPass);
            }
            EXPECT_EQ(hook.dispatch->invoke(hook.link, thread, contexts[0]), kPass);
            hook.dispatch->batch_end(thread);
            invocations_ += kMost + 2;
        }
        hook.dispatch->thread_leave(thread);
    }

    std::atomic<bool> is_over_{false};
    std::atomic<std::uint64_t> invocations_{0};
    std::vector<std::thread> threads_;
};

// Programs of one place of the chain count alike, whichever runs: no invocation may see none or two of them.
TEST_F(Chained, ReplacementUnderLoadLosesAndDoublesNothing) {
    std::array<std::atomic<std::uint64_t>, 3> counts{};
    const auto make_counting = [&](std::size_t place) {
        auto* image = TestImage::make(0);
        image->body = [&counts, place](engine::Invocation& invocation) {
            // The place of the run is left for the next program, which checks it.
            auto* packet = static_cast<ebpf_xdp_context*>(invocation.context);
            EXPECT_EQ(packet->ingress_ifindex, place);
            packet->ingress_ifindex = static_cast<std::uint32_t>((place + 1) % counts.size());
            ++counts[place];
            return kPass;
        };
        return *context_->add_program(program_of(image));
    };
    std::array<Ref<LinkObject>, 3> links;
    for (std::size_t place = 0; place < links.size(); ++place) links[place] = attach(make_counting(place));
    Load load(*provider_.attachments[0], 3);
    for (int round = 0; round < 600; ++round) {
        const auto place = static_cast<std::size_t>(round) % links.size();
        EXPECT_EQ(context_->update_link(*links[place], make_counting(place)), Status::Ok);
        if (round % 50 == 0) {
            const std::uint64_t before = load.invocations();
            while (load.invocations() == before) std::this_thread::yield();
        }
    }
    const std::uint64_t invocations = load.stop();
    EXPECT_GT(invocations, 0U);
    for (const auto& count : counts) EXPECT_EQ(count, invocations);
    for (const auto& link : links) {
        EXPECT_EQ(link->run_count(), invocations);
        EXPECT_EQ(link->ended_count(), 0U);
    }
}

// Others come and go in front, between and behind; the two that stay see every invocation.
TEST_F(Chained, JoiningAndLeavingUnderLoadDisturbsNobody) {
    const auto first = attach(make_program(kPass), {.priority = 10, .actions = {}});
    const auto last = attach(make_program(kPass), {.priority = 20, .actions = {}});
    Load load(*provider_.attachments[0], 3);
    for (std::uint32_t round = 0; round < 60; ++round) {
        const auto guest = attach(make_program(kPass), {.priority = round % 31, .actions = {}});
        const std::uint64_t before = load.invocations();
        while (round % 30 == 0 && load.invocations() == before) std::this_thread::yield();
        EXPECT_EQ(context_->detach(*guest), Status::Ok);
        const std::uint64_t runs = guest->run_count();
        if (round % 30 == 0) std::this_thread::yield();
        EXPECT_EQ(guest->run_count(), runs) << "it ran after detach() had returned";
    }
    const std::uint64_t invocations = load.stop();
    EXPECT_EQ(first->run_count(), invocations);
    EXPECT_EQ(last->run_count(), invocations);
}

TEST_F(Chained, LinksOfOnePlaceMayBeMadeAndEndedByManyThreads) {
    std::vector<std::thread> threads;
    std::atomic<int> made{0};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            char reason[64];
            for (int round = 0; round < 200; ++round) {
                const auto link = context_->create_link(make_program(kPass), request_of(), reason);
                EXPECT_TRUE(link) << reason;
                if (round % 2 == 0 && link) {
                    EXPECT_EQ(context_->detach(**link), Status::Ok);
                }
                ++made;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(made, 800);
    EXPECT_EQ(provider_.attach_calls, provider_.detach_calls);
    EXPECT_TRUE(provider_.attachments.empty());
}

}  // namespace
}  // namespace ebpf::runtime
