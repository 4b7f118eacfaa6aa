// SPDX-License-Identifier: MIT
// What running a program through a hook of one's own costs above the program: median of rounds, in
// nanoseconds.
//
// Usage: embed-bench own_hook.o (of tests/objects)
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <vector>

#include "ebpf/embed.hpp"
#include "own_hook.h"

namespace {

namespace embed = ebpf::embed;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 64;
constexpr std::size_t kRuns = kBatch * 2000;
constexpr int kRounds = 101;

std::uint64_t called(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                     ebpf_invocation*) {
    return 7;
}

/// What the program `one` does, as the compiler of the service would do it.
[[gnu::noinline]] std::uint64_t one(struct probe* probe) {
    probe->answer = 1;
    return 1;
}

template <typename Work>
double nanoseconds(Work work) {
    std::vector<double> rounds;
    for (int i = 0; i < kRounds; ++i) {
        const auto begin = Clock::now();
        work();
        const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
        rounds.push_back(took.count() / kRuns);
    }
    std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
    return rounds[kRounds / 2];
}

void measure(const char* object_path) {
    embed::Context context;
    const embed::ProgramType<struct probe> type(
        "probe", "probe",
        {EBPF_WRITABLE_DATA(struct probe, data), EBPF_DATA_END(struct probe, data_end),
         EBPF_NUMBER(struct probe, number), EBPF_WRITABLE_NUMBER(struct probe, answer)},
        {{"probe_called",
          PROBE_CALLED,
          0,
          called,
          {EBPF_ARGUMENT_CONTEXT, EBPF_ARGUMENT_NUMBER, EBPF_ARGUMENT_READ_MEMORY,
           EBPF_ARGUMENT_SIZE_NON_ZERO, EBPF_ARGUMENT_NONE}}});
    auto hook = context.define_hook(type, 0);
    const embed::Object object = context.open(object_path);
    const embed::Thread thread(context.get());
    struct probe probe{};
    std::array<void*, kBatch> arguments{};
    arguments.fill(&probe);
    std::array<std::uint64_t, kBatch> results{};
    std::uint64_t sum = 0;

    std::uint64_t (*volatile native)(struct probe*) = one;
    const double plain = nanoseconds([&] {
        for (std::size_t i = 0; i < kRuns; ++i) sum += native(&probe);
    });
    std::printf("%-44s %6.2f ns\n", "the same function of the service, by pointer", plain);
    const double none = nanoseconds([&] {
        const embed::Batch batch(thread);
        for (std::size_t i = 0; i < kRuns; ++i) sum += ebpf_invoke(hook.get(), thread.get(), &probe);
    });
    std::printf("%-44s %6.2f ns\n", "ebpf_invoke without a program", none);
    hook.attach(object, "one");
    const double all = nanoseconds([&] {
        for (std::size_t i = 0; i < kRuns; i += kBatch) {
            ebpf_run_all(hook.get(), thread.get(), arguments.data(), results.data(), kBatch);
            sum += results[0];
        }
    });
    std::printf("%-44s %6.2f ns, %.0f M/s\n", "ebpf_run_all of 64", all, 1000 / all);
    const double invoked = nanoseconds([&] {
        for (std::size_t i = 0; i < kRuns; i += kBatch) {
            embed::Batch batch(thread);
            for (std::size_t k = 0; k < kBatch; ++k) sum += batch.invoke(hook.get(), probe);
        }
    });
    std::printf("%-44s %6.2f ns\n", "ebpf_invoke in batches of 64", invoked);
    const double alone = nanoseconds([&] {
        for (std::size_t i = 0; i < kRuns; ++i) sum += hook.run(thread, probe);
    });
    std::printf("%-44s %6.2f ns\n", "ebpf_run", alone);
    if (sum == 0) std::printf("nothing ran\n");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: embed-bench own_hook.o\n");
        return 2;
    }
    try {
        measure(argv[1]);
        return 0;
    } catch (const embed::Error& error) {
        std::fprintf(stderr, "embed-bench: %s\n", error.what());
        return 1;
    }
}
