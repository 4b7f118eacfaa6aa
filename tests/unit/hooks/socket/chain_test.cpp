// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/chain.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <string>

namespace ebpf::hooks::socket {
namespace {

/// Stands for the programs of an attach point, and what happened to them.
struct FakeLink {
    std::function<std::uint64_t(ebpf_sock_addr_context&)> program;
    int runs = 0;
    bool is_short_of_memory = false;
    ebpf_task task{};  ///< for whom it ran
};

constexpr Task kTask{.thread = 8, .process = 7, .uid = 6, .gid = 5, .name = {"caller"}};

/// What a chain calls of a runtime.
ebpf_hook_dispatch make_dispatch() {
    ebpf_hook_dispatch dispatch{};
    dispatch.version = EBPF_HOOK_ABI_VERSION;
    dispatch.size = sizeof dispatch;
    dispatch.thread_enter = [](void* link, ebpf_hook_thread** thread) {
        *thread = static_cast<ebpf_hook_thread*>(link);
        return static_cast<FakeLink*>(link)->is_short_of_memory ? -ENOMEM : 0;
    };
    dispatch.thread_leave = [](ebpf_hook_thread*) {};
    dispatch.run_for = [](ebpf_hook_thread* thread, const ebpf_task* task) {
        reinterpret_cast<FakeLink*>(thread)->task = *task;
    };
    dispatch.batch_begin = [](ebpf_hook_thread*) {};
    dispatch.batch_end = [](ebpf_hook_thread*) {};
    dispatch.invoke = [](void* link, ebpf_hook_thread*, void* context) {
        auto& fake = *static_cast<FakeLink*>(link);
        ++fake.runs;
        return fake.program(*static_cast<ebpf_sock_addr_context*>(context));
    };
    return dispatch;
}

const ebpf_hook_dispatch& dispatch() {
    static const ebpf_hook_dispatch the_one = make_dispatch();
    return the_one;
}

TEST(Chain, EmptyAllows) {
    Chain chain;
    ebpf_sock_addr_context context{};
    EXPECT_EQ(chain.run(context, kTask), 0);
}

TEST(Chain, RunsWhatIsAttachedForTheCaller) {
    Chain chain;
    FakeLink programs{[](auto& context) {
        context.user_port = 1;
        return 1U;
    }};
    EXPECT_TRUE(chain.is_empty());
    const Attachment* attachment = chain.add(dispatch(), &programs);
    ASSERT_NE(attachment, nullptr);
    EXPECT_FALSE(chain.is_empty());
    FakeLink other{[](auto&) { return 0U; }};
    EXPECT_EQ(chain.add(dispatch(), &other), nullptr);
    ebpf_sock_addr_context context{};
    EXPECT_EQ(chain.run(context, kTask), 0);
    EXPECT_EQ(context.user_port, 1U);
    EXPECT_EQ(programs.task.pid_tgid, 0x0000'0007'0000'0008U);
    EXPECT_EQ(programs.task.uid_gid, 0x0000'0005'0000'0006U);
    EXPECT_STREQ(programs.task.name, "caller");
    EXPECT_EQ(attachment->changes, 1U);
    EXPECT_EQ(chain.run(context, kTask), 0);
    EXPECT_EQ(attachment->changes, 1U);
    EXPECT_EQ(attachment->calls, 2U);
    EXPECT_EQ(attachment->denials, 0U);

    chain.remove(attachment);
    EXPECT_TRUE(chain.is_empty());
    EXPECT_EQ(chain.run(context, kTask), 0);
    EXPECT_EQ(programs.runs, 2);
    attachment = chain.add(dispatch(), &other);
    ASSERT_NE(attachment, nullptr);
    EXPECT_EQ(chain.run(context, kTask), -EPERM);
    EXPECT_EQ(attachment->calls, 1U) << "those of this attachment";
    EXPECT_EQ(attachment->denials, 1U);
}

TEST(Chain, OnlyOneAllows) {
    Chain chain;
    std::uint64_t result = 0;
    FakeLink link{[&](auto&) { return result; }};
    chain.add(dispatch(), &link);
    ebpf_sock_addr_context context{};
    for (const std::uint64_t other : {0ULL, 2ULL, 3ULL, ~0ULL, 1ULL << 32U}) {
        result = other;
        EXPECT_EQ(chain.run(context, kTask), -EPERM) << other;
    }
    result = 1;
    EXPECT_EQ(chain.run(context, kTask), 0);
}

TEST(Chain, WithoutMemoryNothingIsAllowed) {
    Chain chain;
    FakeLink link{[](auto&) { return 1U; }};
    link.is_short_of_memory = true;
    chain.add(dispatch(), &link);
    ebpf_sock_addr_context context{};
    EXPECT_EQ(chain.run(context, kTask), -ENOMEM);
    EXPECT_EQ(link.runs, 0);
}

}  // namespace
}  // namespace ebpf::hooks::socket
