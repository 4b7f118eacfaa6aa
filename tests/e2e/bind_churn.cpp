// SPDX-License-Identifier: MIT
// Binds and closes sockets of all kinds in several threads for a while, and says how many binds succeeded,
// how many were refused, and how long they took. Usage: bind_churn THREADS MILLISECONDS
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Counts {
    unsigned long long bound = 0;
    unsigned long long refused = 0;
    std::vector<float> microseconds;  ///< of some of the calls
};

/// Keeps a few sockets open, so that binds and closes do not follow each other at once.
Counts churn(Clock::time_point end) {
    constexpr std::size_t kOpen = 16;
    constexpr std::size_t kMostTimes = 100000;
    std::array<int, kOpen> open{};
    open.fill(-1);
    Counts counts;
    for (std::size_t i = 0; Clock::now() < end; ++i) {
        int& fd = open[i % kOpen];
        if (fd >= 0) close(fd);
        sockaddr_storage address{};
        address.ss_family = i % 2 == 0 ? AF_INET : AF_INET6;
        const socklen_t size = i % 2 == 0 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
        fd = socket(address.ss_family, (i % 3 == 0 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
        const auto before = Clock::now();
        const int result = bind(fd, reinterpret_cast<const sockaddr*>(&address), size);
        const std::chrono::duration<float, std::micro> taken = Clock::now() - before;
        ++(result == 0 ? counts.bound : counts.refused);
        if (counts.microseconds.size() < kMostTimes) counts.microseconds.push_back(taken.count());
    }
    for (const int fd : open) close(fd);
    return counts;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: bind_churn THREADS MILLISECONDS\n");
        return 2;
    }
    const auto end = Clock::now() + std::chrono::milliseconds(std::atoi(argv[2]));
    std::vector<Counts> all(static_cast<std::size_t>(std::max(1, std::atoi(argv[1]))));
    {
        std::vector<std::jthread> threads;
        for (Counts& one : all) threads.emplace_back([&one, end] { one = churn(end); });
    }
    Counts sum;
    for (const Counts& one : all) {
        sum.bound += one.bound;
        sum.refused += one.refused;
        sum.microseconds.insert(sum.microseconds.end(), one.microseconds.begin(), one.microseconds.end());
    }
    std::ranges::sort(sum.microseconds);
    const auto middle = sum.microseconds.empty() ? 0.0F : sum.microseconds[sum.microseconds.size() / 2];
    std::printf("%llu bound %llu refused %.1f us\n", sum.bound, sum.refused, static_cast<double>(middle));
    return 0;
}
