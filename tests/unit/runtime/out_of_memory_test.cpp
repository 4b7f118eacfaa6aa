// SPDX-License-Identifier: MIT
// Every request for memory fails once: the operation says OutOfMemory, nothing leaks, nothing is half done.
#include "fixture.hpp"

namespace ebpf::runtime {
namespace {

/// Calls `operation` with its 1st, 2nd, ... request for memory failing, until it gets through; `check` runs
/// after each failure. Returns how many requests the operation makes.
template <typename Operation, typename Check>
std::uint64_t fail_each(Operation operation, Check check) {
    for (std::uint64_t nth = 1;; ++nth) {
        platform::fake::fail_allocation(nth);
        const Status status = operation();
        const bool has_failed = platform::fake::has_failed();
        platform::fake::fail_allocation(0);
        if (!has_failed) {
            EXPECT_EQ(status, Status::Ok);
            return nth - 1;
        }
        EXPECT_EQ(status, Status::OutOfMemory) << "request " << nth;
        check();
        if (nth > 100) {
            ADD_FAILURE() << "no end of requests";
            return nth;
        }
    }
}

template <typename T>
Status status_of(const StatusOr<T>& result) {
    return result ? Status::Ok : result.error();
}

class OutOfMemory : public RuntimeTest {
  protected:
    FakeProvider provider_{kXdpType, kXdpAttach};
};

TEST_F(OutOfMemory, CreateContext) {
    const platform::fake::Usage before = platform::fake::usage();
    Context* made = nullptr;
    const std::uint64_t requests = fail_each(
        [&] {
            const auto context = Context::create({});
            if (context) made = *context;
            return status_of(context);
        },
        [&] { EXPECT_EQ(platform::fake::usage(), before); });
    EXPECT_GE(requests, 3U);
    Context::destroy(made);

    platform::fake::fail_random(true);
    EXPECT_EQ(Context::create({}).error(), Status::Environment);
    platform::fake::fail_random(false);
    EXPECT_EQ(platform::fake::usage(), before);
}

TEST_F(OutOfMemory, CreateMap) {
    for (const spec::MapType type : {spec::MapType::Array, spec::MapType::Hash, spec::MapType::ProgArray}) {
        const platform::fake::Usage before = platform::fake::usage();
        const std::uint64_t requests = fail_each(
            [&] {
                const auto map = context_->create_map(shape_of(type), "map", 0);
                if (map) {
                    EXPECT_EQ(*context_->next_id(ObjectKind::Map, 0), (*map)->id());
                }
                return status_of(map);
            },
            [&] {
                EXPECT_FALSE(context_->next_id(ObjectKind::Map, 0));
                EXPECT_EQ(platform::fake::usage(), before);
            });
        EXPECT_GE(requests, 3U);
    }
}

TEST_F(OutOfMemory, AddProgram) {
    const Ref<MapObject> maps[] = {make_map(), make_map(spec::MapType::ProgArray)};
    const std::byte bytecode[16] = {};
    const platform::fake::Usage before = platform::fake::usage();
    const std::uint64_t requests = fail_each(
        [&] {
            ProgramDefinition definition = program_of(TestImage::make(1), maps);
            definition.bytecode = bytecode;
            return status_of(context_->add_program(definition));
        },
        [&] {
            EXPECT_FALSE(context_->next_id(ObjectKind::Program, 0));
            EXPECT_EQ(TestImage::alive.load(), images_before_);
            EXPECT_EQ(platform::fake::usage(), before);
            EXPECT_EQ(maps[0]->references(), 1U);
        });
    EXPECT_EQ(requests, 5U) << "object, counters, bytecode, maps, registry";
}

// A program that failed for want of memory has not made the prog array its own.
TEST_F(OutOfMemory, AddProgramLeavesProgArraysFree) {
    const Ref<MapObject> maps[] = {make_map(spec::MapType::ProgArray)};
    platform::fake::fail_allocation(4);  // the registry's
    EXPECT_EQ(context_->add_program(program_of(TestImage::make(1), maps)).error(), Status::OutOfMemory);
    platform::fake::fail_allocation(0);
    ProgramDefinition other = program_of(TestImage::make(1), maps);
    other.type = spec::ProgramType::SocketFilter;
    EXPECT_TRUE(context_->add_program(other));
}

TEST_F(OutOfMemory, CreateLink) {
    ASSERT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    const Ref<ProgramObject> program = make_program();
    const platform::fake::Usage before = platform::fake::usage();
    const std::uint64_t requests = fail_each([&] { return status_of(link(program)); },
                                             [&] {
                                                 EXPECT_FALSE(context_->next_id(ObjectKind::Link, 0));
                                                 EXPECT_EQ(provider_.attach_calls, 0)
                                                     << "nothing fails after it";
                                                 EXPECT_EQ(program->references(), 1U);
                                                 EXPECT_EQ(platform::fake::usage(), before);
                                                 EXPECT_STREQ(reason_, "out of memory");
                                             });
    EXPECT_EQ(requests, 4U) << "object, attach point, counters, registry";
    EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::Ok) << "no link is counted still";
}

TEST_F(OutOfMemory, Pin) {
    const Ref<MapObject> map = make_map();
    const platform::fake::Usage before = platform::fake::usage();
    const std::uint64_t requests = fail_each([&] { return context_->pin("/pin", map); },
                                             [&] {
                                                 EXPECT_EQ(map->pins(), 0U);
                                                 EXPECT_EQ(map->references(), 1U);
                                                 EXPECT_FALSE(context_->find_pin("/pin"));
                                                 EXPECT_EQ(platform::fake::usage(), before);
                                             });
    EXPECT_EQ(requests, 2U) << "text, table";
    EXPECT_EQ(context_->unpin("/pin"), Status::Ok);
}

TEST_F(OutOfMemory, RegisterProvider) {
    EXPECT_EQ(
        fail_each([&] { return context_->register_provider(&provider_.table); },
                  [&] { EXPECT_EQ(context_->unregister_provider(&provider_.table), Status::NotFound); }),
        1U);
}

TEST_F(OutOfMemory, EnterThread) {
    ASSERT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    const auto attached = link(make_program());
    ASSERT_TRUE(attached);
    const FakeProvider::Attachment& hook = *provider_.attachments[0];
    platform::fake::fail_allocation(1);
    ebpf_hook_thread* thread = nullptr;
    EXPECT_EQ(hook.dispatch->thread_enter(hook.link, &thread), -12);
    platform::fake::fail_allocation(0);
    EXPECT_EQ(FakeProvider::fire(hook, &no_packet_), 1U);
}

// Once made, objects can always be used, detached and freed without memory.
TEST_F(OutOfMemory, EndingNeedsNone) {
    ASSERT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    Ref<MapObject> maps[] = {make_map(spec::MapType::ProgArray)};
    Ref<ProgramObject> program = make_program(1, maps);
    auto attached = link(program);
    const Ref<ProgramObject> other = make_program(2);
    ASSERT_EQ(context_->pin("/link", *attached), Status::Ok);
    platform::fake::fail_allocation(1);
    EXPECT_EQ(maps[0]->put_program(0, program), Status::Ok);
    EXPECT_EQ(context_->update_link(**attached, other), Status::Ok);
    EXPECT_EQ(*context_->run(*program, &no_packet_, 0), 1U);
    EXPECT_EQ(context_->detach(**attached), Status::Ok);
    attached->reset();
    EXPECT_EQ(context_->unpin("/link"), Status::Ok);
    program.reset();
    maps[0].reset();
    EXPECT_FALSE(context_->find_program(1));
    EXPECT_FALSE(platform::fake::has_failed());
    platform::fake::fail_allocation(0);
}

}  // namespace
}  // namespace ebpf::runtime
