// SPDX-License-Identifier: MIT
// What the jail denies, each tried in a process of its own.
#include "service/linux/jail/jail.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

namespace ebpf::service {
namespace {

constexpr int kNoJail = 99;

/// Runs `attempt` in a jailed child. Returns what waitpid() says of it.
int in_jail(const std::function<int()>& attempt) {
    const pid_t child = fork();
    if (child == 0) {
        if (!enter_jail({})) _exit(kNoJail);
        _exit(attempt());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

bool is_killed(int status) {
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

TEST(Jail, LetsComputeAndTakeMemory) {
    const int status = in_jail([] {
        void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return page == MAP_FAILED ? 1 : 7;
    });
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(Jail, DeniesOpeningFiles) {
    EXPECT_TRUE(is_killed(in_jail([] { return open("/etc/passwd", O_RDONLY); })));
}

TEST(Jail, DeniesSockets) {
    EXPECT_TRUE(is_killed(in_jail([] { return socket(AF_UNIX, SOCK_STREAM, 0); })));
    EXPECT_TRUE(is_killed(in_jail([] { return socket(AF_INET, SOCK_DGRAM, 0); })));
}

TEST(Jail, DeniesProcesses) {
    EXPECT_TRUE(is_killed(in_jail([] { return fork(); })));
    EXPECT_TRUE(is_killed(in_jail([] { return execl("/bin/true", "true", nullptr); })));
    EXPECT_TRUE(is_killed(in_jail([] { return kill(getppid(), 0); })));
}

TEST(Jail, DeniesExecutableMemory) {
    EXPECT_TRUE(is_killed(in_jail([] {
        return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
               nullptr;
    })));
    EXPECT_TRUE(is_killed(in_jail([] {
        void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return mprotect(page, 4096, PROT_READ | PROT_EXEC);
    })));
}

#if !defined(EBPF_ADDRESS_SANITIZER)
TEST(Jail, BoundsMemory) {
    const int status = in_jail([] {
        constexpr std::size_t kTooMuch = std::size_t{3} << 30U;
        void* memory = mmap(nullptr, kTooMuch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return memory == MAP_FAILED ? 7 : 1;
    });
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
}
#endif

}  // namespace
}  // namespace ebpf::service
