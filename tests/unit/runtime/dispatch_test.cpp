// SPDX-License-Identifier: MIT
// Invocations: what an Invocation carries, counting, statistics, slots, replacement while hook threads run.
#include <array>
#include <chrono>
#include <set>
#include <thread>

#include "ebpf/contexts.h"
#include "fixture.hpp"
#include "maps/map.hpp"
#include "platform/task.hpp"

namespace ebpf::runtime {
namespace {

class Dispatching : public RuntimeTest {
  protected:
    Dispatching() { EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok); }

    Ref<ProgramObject> make_body(std::function<std::uint64_t(engine::Invocation&)> body,
                                 spec::ProgramType type = spec::ProgramType::Xdp) {
        auto* image = TestImage::make(0);
        image->body = std::move(body);
        ProgramDefinition definition = program_of(image);
        definition.type = type;
        definition.memory_length = type == spec::ProgramType::Memory ? 8 : 0;
        return *context_->add_program(definition);
    }

    FakeProvider provider_{kXdpType, kXdpAttach};
};

TEST_F(Dispatching, GivesProgramsTheirContext) {
    ebpf_xdp_context xdp{};
    const Ref<ProgramObject> program = make_body([&](engine::Invocation& invocation) -> std::uint64_t {
        EXPECT_EQ(invocation.context, &xdp);
        EXPECT_EQ(invocation.packet_data, &xdp.data);
        EXPECT_EQ(invocation.packet_data_end, &xdp.data_end);
        EXPECT_EQ(invocation.r2, 0U);
        EXPECT_LT(invocation.slot, context_->slots());
        EXPECT_EQ(invocation.tail_calls, 0U);
        EXPECT_EQ(invocation.tail_target, nullptr);
        // What one invocation leaves behind must not reach the next.
        invocation.tail_calls = 5;
        return 9;
    });
    EXPECT_EQ(*context_->run(*program, &xdp, 0), 9U);
    const auto attached = link(program);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(FakeProvider::fire(*provider_.attachments[0], &xdp), 9U);
    EXPECT_EQ(program->run_count(), 3U);
    EXPECT_EQ(context_->run(*program, &xdp, 1).error(), Status::InvalidArgument);
}

TEST_F(Dispatching, GoesOnInTailCallTargets) {
    TestImage* last = TestImage::make(11);
    const Ref<ProgramObject> program = make_body([&](engine::Invocation& invocation) -> std::uint64_t {
        invocation.tail_target = last;
        return 9;
    });
    EXPECT_EQ(*context_->run(*program, &no_packet_, 0), 11U);
    context_->set_stats_enabled(true);
    EXPECT_EQ(*context_->run(*program, &no_packet_, 0), 11U);
    last->destroy(last);
}

TEST_F(Dispatching, LetsHookThreadsGoBeforeRequests) {
    const Ref<ProgramObject> busy = make_body([](engine::Invocation&) -> std::uint64_t {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
        while (std::chrono::steady_clock::now() < end) continue;
        return 0;
    });
    const auto attached = link(make_program(7));
    const std::uint32_t requests = context_->slots();
    std::atomic<bool> is_over{false};
    std::vector<std::jthread> threads;
    for (std::uint32_t i = 0; i < requests; ++i) {
        threads.emplace_back([&] {
            while (!is_over) EXPECT_TRUE(context_->run(*busy, &no_packet_, 0));
        });
    }
    while (busy->run_count() < requests) std::this_thread::yield();
    constexpr std::uint64_t kInvocations = 20;
    const std::uint64_t before = busy->run_count();
    for (std::uint64_t i = 0; i < kInvocations; ++i) {
        EXPECT_EQ(FakeProvider::fire(*provider_.attachments[0], &no_packet_), 7U);
    }
    // For each: what was running, and what had just found that no hook waits.
    EXPECT_LE(busy->run_count() - before, kInvocations * 2 * requests);
    is_over = true;
}

TEST_F(Dispatching, GivesMemoryProgramsTheirMemory) {
    FakeProvider memory_hook(static_cast<std::uint32_t>(spec::ProgramType::Memory), kXdpAttach);
    EXPECT_EQ(context_->register_provider(&memory_hook.table), Status::Ok);
    std::uint8_t bytes[8] = {3};
    const Ref<ProgramObject> program = make_body(
        [&](engine::Invocation& invocation) -> std::uint64_t {
            EXPECT_EQ(invocation.context, bytes);
            EXPECT_EQ(invocation.r2, 8U);
            EXPECT_EQ(invocation.packet_data, nullptr);
            return 7;
        },
        spec::ProgramType::Memory);
    EXPECT_EQ(*context_->run(*program, bytes, 8), 7U);
    EXPECT_EQ(context_->run(*program, bytes, 7).error(), Status::InvalidArgument);
    {
        const auto attached = context_->create_link(program, request_of(), reason_);
        ASSERT_TRUE(attached);
        ebpf_memory_context memory{bytes, 8};
        EXPECT_EQ(FakeProvider::fire(*memory_hook.attachments[0], &memory), 7U);
        // A length that the verdict does not hold for: the default action, and the program does not run.
        memory.length = 9;
        EXPECT_EQ(FakeProvider::fire(*memory_hook.attachments[0], &memory), 0U);
        EXPECT_EQ(program->run_count(), 2U);
    }
    EXPECT_EQ(context_->unregister_provider(&memory_hook.table), Status::Ok);
}

TEST_F(Dispatching, RunsProgramsOfSeveralTypesInABatch) {
    std::uint8_t bytes[8] = {};
    ebpf_xdp_context xdp{};
    std::set<std::uint32_t> slots;
    const Ref<ProgramObject> of_packets = make_body([&](engine::Invocation& invocation) -> std::uint64_t {
        EXPECT_EQ(invocation.context, &xdp);
        EXPECT_EQ(invocation.packet_data, &xdp.data);
        EXPECT_EQ(invocation.r2, 0U) << "the memory's length is gone";
        slots.insert(invocation.slot);
        return 1;
    });
    const Ref<ProgramObject> of_memory = make_body(
        [&](engine::Invocation& invocation) -> std::uint64_t {
            EXPECT_EQ(invocation.context, bytes);
            EXPECT_EQ(invocation.r2, 8U);
            EXPECT_EQ(invocation.packet_data, nullptr) << "the packet is gone";
            slots.insert(invocation.slot);
            return 2;
        },
        spec::ProgramType::Memory);
    {
        Batch batch(*context_);
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(*batch.run(*of_packets, &xdp, 0), 1U);
            EXPECT_EQ(*batch.run(*of_memory, bytes, 8), 2U);
        }
        EXPECT_EQ(batch.run(*of_packets, &xdp, 8).error(), Status::InvalidArgument);
        EXPECT_EQ(batch.run(*of_memory, bytes, 0).error(), Status::InvalidArgument);
    }
    EXPECT_EQ(slots.size(), 1U);
    EXPECT_EQ(of_packets->run_count(), 3U);
    EXPECT_EQ(*context_->run(*of_packets, &xdp, 0), 1U) << "the batch gave its slot back";
}

TEST_F(Dispatching, ServesHelpers) {
    const Ref<ProgramObject> program = make_body([](engine::Invocation& invocation) -> std::uint64_t {
        const engine::Services& services = *invocation.services;
        EXPECT_EQ(services.monotonic_ns(services.owner), 555U);
        EXPECT_EQ(services.trace, nullptr) << "no sink was given";
        engine::Task task;
        services.current_task(services.owner, engine::TaskPart::Ids, task);
        services.current_task(services.owner, engine::TaskPart::User, task);
        services.current_task(services.owner, engine::TaskPart::Name, task);
        EXPECT_EQ(task.pid_tgid, platform::thread_ids());
        EXPECT_EQ(task.uid_gid, platform::user_ids());
        EXPECT_STREQ(task.name, "f") << "the fake host's";
        return services.random_u32(services.owner, invocation);
    });
    platform::fake::set_time(555);
    std::set<std::uint64_t> numbers;
    for (int i = 0; i < 100; ++i) numbers.insert(*context_->run(*program, &no_packet_, 0));
    EXPECT_GE(numbers.size(), 99U);
}

TEST_F(Dispatching, HooksSayForWhomProgramsRun) {
    const Ref<ProgramObject> program = make_body([](engine::Invocation& invocation) -> std::uint64_t {
        return invocation.task == nullptr ? 1 : invocation.task->pid_tgid;
    });
    const auto attached = link(program);
    const FakeProvider::Attachment& hook = *provider_.attachments[0];
    ebpf_hook_thread* thread = nullptr;
    ASSERT_EQ(hook.dispatch->thread_enter(hook.link, &thread), 0);
    const auto run = [&] {
        hook.dispatch->batch_begin(thread);
        const std::uint64_t result = hook.dispatch->invoke(hook.link, thread, &no_packet_);
        hook.dispatch->batch_end(thread);
        return result;
    };
    EXPECT_EQ(run(), 1U);
    const ebpf_task task{.pid_tgid = 77, .uid_gid = 0, .name = "other"};
    hook.dispatch->run_for(thread, &task);
    EXPECT_EQ(run(), 77U);
    hook.dispatch->run_for(thread, nullptr);
    EXPECT_EQ(run(), 1U);
    hook.dispatch->thread_leave(thread);
}

TEST_F(Dispatching, MeasuresTimeOnlyOnRequest) {
    platform::fake::set_time(0);
    std::uint64_t now = 0;
    const Ref<ProgramObject> program = make_body([&](engine::Invocation&) -> std::uint64_t {
        platform::fake::set_time(now += 250);
        return 0;
    });
    EXPECT_TRUE(context_->run(*program, &no_packet_, 0));
    EXPECT_EQ(program->run_time_ns(), 0U);
    EXPECT_FALSE(context_->is_stats_enabled());
    context_->set_stats_enabled(true);
    EXPECT_TRUE(context_->run(*program, &no_packet_, 0));
    EXPECT_TRUE(context_->run(*program, &no_packet_, 0));
    context_->set_stats_enabled(false);
    EXPECT_TRUE(context_->run(*program, &no_packet_, 0));
    EXPECT_EQ(program->run_time_ns(), 500U);
    EXPECT_EQ(program->run_count(), 4U);
}

// More threads than slots: each batch gets a slot of its own, and none is lost.
TEST_F(Dispatching, ThreadsShareTheSlots) {
    constexpr int kThreads = 6;
    constexpr int kBatches = 500;
    std::atomic<int> inside[platform::fake::kCpus] = {};
    const Ref<ProgramObject> program = make_body([&](engine::Invocation& invocation) -> std::uint64_t {
        EXPECT_EQ(inside[invocation.slot].fetch_add(1), 0) << "two threads in slot " << invocation.slot;
        inside[invocation.slot].fetch_sub(1);
        return 0;
    });
    const auto attached = link(program);
    ASSERT_TRUE(attached);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
            for (int j = 0; j < kBatches; ++j) FakeProvider::fire(*provider_.attachments[0], &no_packet_);
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(program->run_count(), std::uint64_t{kThreads} * kBatches);
}

TEST_F(Dispatching, RunsOnManyContextsInOrder) {
    constexpr std::size_t kCount = 5;
    std::array<ebpf_xdp_context, kCount> packets{};
    std::array<void*, kCount> contexts{};
    for (std::size_t i = 0; i < kCount; ++i) {
        packets[i].ingress_ifindex = static_cast<std::uint32_t>(i);
        contexts[i] = &packets[i];
    }
    std::uint64_t runs = 0;
    const Ref<ProgramObject> program = make_body([&](engine::Invocation& invocation) -> std::uint64_t {
        const auto& packet = *static_cast<ebpf_xdp_context*>(invocation.context);
        EXPECT_EQ(packet.ingress_ifindex, runs++ % kCount);
        EXPECT_EQ(invocation.packet_data, &packet.data);
        EXPECT_EQ(invocation.tail_calls, 0U);
        invocation.tail_calls = 5;
        return 100 + packet.ingress_ifindex;
    });
    const std::array<std::uint64_t, kCount> expected{100, 101, 102, 103, 104};
    std::array<std::uint64_t, kCount> results{};
    {
        Batch batch(*context_);
        EXPECT_EQ(batch.run_all(*program, contexts, 0, results), Status::Ok);
        EXPECT_EQ(results, expected);
        EXPECT_EQ(batch.run_all(*program, contexts, 1, results), Status::InvalidArgument);
        EXPECT_EQ(batch.run_all(*program, contexts, 0, std::span(results).first(2)), Status::InvalidArgument);
    }
    EXPECT_EQ(program->run_count(), kCount);
    const auto attached = link(program);
    const FakeProvider::Attachment& hook = *provider_.attachments[0];
    ebpf_hook_thread* thread = nullptr;
    ASSERT_EQ(hook.dispatch->thread_enter(hook.link, &thread), 0);
    for (const bool is_timed : {false, true}) {
        context_->set_stats_enabled(is_timed);
        results = {};
        hook.dispatch->batch_begin(thread);
        hook.dispatch->invoke_all(hook.link, thread, contexts.data(), results.data(), kCount);
        hook.dispatch->batch_end(thread);
        EXPECT_EQ(results, expected);
    }
    hook.dispatch->thread_leave(thread);
    EXPECT_EQ(program->run_count(), 3 * kCount);
}

TEST_F(Dispatching, RunsOnManyMemories) {
    FakeProvider memory_hook(static_cast<std::uint32_t>(spec::ProgramType::Memory), kXdpAttach);
    EXPECT_EQ(context_->register_provider(&memory_hook.table), Status::Ok);
    std::uint8_t bytes[3][8] = {{1}, {2}, {3}};
    const Ref<ProgramObject> program = make_body(
        [&](engine::Invocation& invocation) -> std::uint64_t {
            EXPECT_EQ(invocation.r2, 8U);
            EXPECT_EQ(invocation.packet_data, nullptr);
            return *static_cast<std::uint8_t*>(invocation.context);
        },
        spec::ProgramType::Memory);
    void* const memories[] = {bytes[0], bytes[1], bytes[2]};
    std::array<std::uint64_t, 3> results{};
    EXPECT_EQ(Batch(*context_).run_all(*program, memories, 8, results), Status::Ok);
    EXPECT_EQ(results, (std::array<std::uint64_t, 3>{1, 2, 3}));
    {
        const auto attached = context_->create_link(program, request_of(), reason_);
        ASSERT_TRUE(attached);
        const FakeProvider::Attachment& hook = *memory_hook.attachments[0];
        ebpf_memory_context contexts[] = {{bytes[0], 8}, {bytes[1], 9}, {bytes[2], 8}};
        void* const addresses[] = {&contexts[0], &contexts[1], &contexts[2]};
        ebpf_hook_thread* thread = nullptr;
        ASSERT_EQ(hook.dispatch->thread_enter(hook.link, &thread), 0);
        hook.dispatch->batch_begin(thread);
        hook.dispatch->invoke_all(hook.link, thread, addresses, results.data(), results.size());
        hook.dispatch->batch_end(thread);
        hook.dispatch->thread_leave(thread);
        // The second has a length that the verdict does not hold for.
        EXPECT_EQ(results, (std::array<std::uint64_t, 3>{1, 0, 3}));
    }
    EXPECT_EQ(context_->unregister_provider(&memory_hook.table), Status::Ok);
}

// A batch keeps what it sees: the replaced program is freed only when the batch has ended.
TEST_F(Dispatching, ReplacedProgramOutlivesTheBatch) {
    const auto attached = link(make_program(1));
    ASSERT_TRUE(attached);
    const FakeProvider::Attachment& hook = *provider_.attachments[0];
    ebpf_hook_thread* thread = nullptr;
    ASSERT_EQ(hook.dispatch->thread_enter(hook.link, &thread), 0);
    hook.dispatch->batch_begin(thread);
    EXPECT_EQ(hook.dispatch->invoke(hook.link, thread, &no_packet_), 1U);
    std::thread([&] { EXPECT_EQ(context_->update_link(**attached, make_program(2)), Status::Ok); }).join();
    EXPECT_EQ(TestImage::alive.load(), images_before_ + 2);
    EXPECT_EQ(hook.dispatch->invoke(hook.link, thread, &no_packet_), 2U);
    hook.dispatch->batch_end(thread);
    EXPECT_FALSE(context_->find_program(1));
    EXPECT_EQ(TestImage::alive.load(), images_before_ + 1);
    hook.dispatch->thread_leave(thread);
}

// Elements deleted in a batch wait in their map's memory: the map must go after them, whoever collects.
TEST_F(Dispatching, DeletedElementsGoBeforeTheirMap) {
    for (int round = 0; round < 50; ++round) {
        Ref<MapObject> maps[] = {make_map(spec::MapType::Hash)};
        maps::Map& map = maps[0]->map();
        auto* image = TestImage::make(0);
        image->body = [&map](engine::Invocation&) -> std::uint64_t {
            for (std::uint32_t key = 0; key < 4; ++key) {
                const std::uint64_t value = key;
                EXPECT_EQ(map.update(&key, &value, spec::kUpdateAny), Status::Ok);
                EXPECT_EQ(map.erase(&key), Status::Ok);
            }
            return 0;
        };
        auto attached = link(*context_->add_program(program_of(image, maps)));
        ASSERT_TRUE(attached);
        const FakeProvider::Attachment hook = *provider_.attachments[0];
        ebpf_hook_thread* thread = nullptr;
        ASSERT_EQ(hook.dispatch->thread_enter(hook.link, &thread), 0);
        hook.dispatch->batch_begin(thread);
        EXPECT_EQ(hook.dispatch->invoke(hook.link, thread, &no_packet_), 0U);
        EXPECT_EQ(context_->update_link(**attached, make_program(1)), Status::Ok);
        maps[0].reset();
        EXPECT_GT(platform::fake::usage().blocks, before_.blocks);
        hook.dispatch->batch_end(thread);
        hook.dispatch->thread_leave(thread);
        attached->reset();
        EXPECT_FALSE(context_->next_id(ObjectKind::Map, 0));
    }
}

// While programs are replaced, every invocation runs exactly one that is alive, and never an older one than
// before.
TEST_F(Dispatching, ReplacementIsAtomic) {
    constexpr std::uint64_t kUpdates = 2000;
    const auto attached = link(make_program(1));
    ASSERT_TRUE(attached);
    const FakeProvider::Attachment& hook = *provider_.attachments[0];
    std::atomic<bool> is_done{false};
    std::atomic<std::uint64_t> newest{1};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            ebpf_hook_thread* thread = nullptr;
            ASSERT_EQ(hook.dispatch->thread_enter(hook.link, &thread), 0);
            std::uint64_t last = 0;
            while (!is_done.load(std::memory_order_relaxed)) {
                hook.dispatch->batch_begin(thread);
                for (int j = 0; j < 16; ++j) {
                    const std::uint64_t least = newest.load(std::memory_order_acquire);
                    const std::uint64_t result = hook.dispatch->invoke(hook.link, thread, &no_packet_);
                    EXPECT_GE(result, least) << "begun after update_link() returned";
                    EXPECT_GE(result, last);
                    EXPECT_LE(result, kUpdates);
                    last = result;
                }
                hook.dispatch->batch_end(thread);
            }
            hook.dispatch->thread_leave(thread);
        });
    }
    for (std::uint64_t value = 2; value <= kUpdates; ++value) {
        ASSERT_EQ(context_->update_link(**attached, make_program(value)), Status::Ok);
        newest.store(value, std::memory_order_release);
    }
    is_done.store(true);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(FakeProvider::fire(hook, &no_packet_), kUpdates);
}

}  // namespace
}  // namespace ebpf::runtime
