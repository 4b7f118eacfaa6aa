// SPDX-License-Identifier: MIT
// The interpreter's time per instruction, beside native code and the Linux kernel (BPF_PROG_TEST_RUN) where
// it lets us. Needs no privileges; without them the kernel's rows say why they are missing.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "../tests/oracle/kernel.hpp"
#include "../tests/oracle/observer.hpp"
#include "interp/interp.hpp"
#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"
#include "lower/lower.hpp"
#include "native.hpp"

namespace ebpf::bench {
namespace {

constexpr std::uint32_t kValueBytes = 1024;
constexpr std::uint64_t kRounds = 1000;

// Every program counts the same in native.cpp.
constexpr const char* kArithmetic = R"(
    r0 = 0
    r1 = 1000
again:
    r0 += r1
    r0 ^= 7
    r0 *= 3
    r2 = r0
    r2 >>= 3
    r0 += r2
    r1 += -1
    if r1 != 0 goto again
    exit
)";
constexpr const char* kChecksum = R"(
    r6 = map[idx:0][0]+0
    r0 = 0
    r1 = 0
again:
    r2 = r6
    r2 += r1
    r3 = *(u16 *)(r2 +0)
    r0 += r3
    r1 += 2
    if r1 < 1024 goto again
    r1 = r0
    r1 >>= 16
    r0 &= 0xffff
    r0 += r1
    r1 = r0
    r1 >>= 16
    r0 &= 0xffff
    r0 += r1
    exit
)";
constexpr const char* kParse = R"(
    r0 = 2
    r2 = *(u32 *)(r1 +0)
    r3 = *(u32 *)(r1 +4)
    r4 = r2
    r4 += 42
    if r4 > r3 goto out
    r5 = *(u16 *)(r2 +12)
    if r5 != 0x0008 goto out
    r5 = *(u8 *)(r2 +14)
    if r5 != 0x45 goto out
    r5 = *(u8 *)(r2 +23)
    if r5 != 17 goto out
    r5 = *(u16 *)(r2 +36)
    if r5 != 0x3500 goto out
    r5 = *(u16 *)(r2 +38)
    if r5 != 0x0800 goto out
    r0 = 1
out:
    exit
)";

struct CountSteps {
    static constexpr bool kWatches = true;
    std::uint64_t steps = 0;
    bool before(const interp::Observation&) {
        ++steps;
        return true;
    }
};

/// A program, verified, lowered and compiled, with its host.
class Subject {
  public:
    explicit Subject(const char* text) {
        program_.type = spec::ProgramType::Xdp;
        program_.map = {.type = spec::MapType::Array,
                        .key_size = 4,
                        .value_size = kValueBytes,
                        .max_entries = 1,
                        .flags = 0};
        for (std::uint32_t i = 0; i < kValueBytes; ++i)
            program_.map_value.push_back(static_cast<std::byte>(i * 37));
        make_packet();
        const auto bytes = isa::assemble(text);
        if (!bytes) throw std::runtime_error(bytes.error().message());
        auto code = isa::decode(*bytes, spec::kAllGroups);
        if (!code) throw std::runtime_error("program does not decode");
        program_.code.assign(code->begin(), code->end());
        const verifier::Report report = verifier::verify(request());
        if (report.verdict != verifier::Verdict::Accept)
            throw std::runtime_error(report.failures.at(0).message);
        if (!lower::lower(*code, program_.type, report.accesses)) throw std::runtime_error("lowering failed");
        const std::array shapes{program_.map};
        host_ = *vectors::TestHost::create(program_.type, program_.memory, shapes);
        const std::uint32_t key = 0;
        host_->inside(
            [&] { return host_->maps()[0]->update(&key, program_.map_value.data(), spec::kUpdateAny); });
        image_ = *interp::compile(*code, host_->bindings());
        auto* observed = *interp::compile(*code, host_->bindings(), {interp::Dispatch::Stepping, nullptr});
        CountSteps counter;
        engine::Invocation invocation = host_->start();
        interp::run_observed(*observed, invocation, counter);
        observed->destroy(observed);
        steps_ = counter.steps;
    }
    ~Subject() { image_->destroy(image_); }
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;

    [[nodiscard]] const oracle::Generated& program() const { return program_; }
    [[nodiscard]] const engine::Image& image() const { return *image_; }
    [[nodiscard]] std::uint64_t steps() const { return steps_; }
    [[nodiscard]] engine::Invocation start() { return host_->start(); }
    [[nodiscard]] std::span<const std::byte> packet() const { return host_->memory(); }

  private:
    void make_packet() {
        program_.memory.resize(64);
        const auto put = [&](std::size_t at, unsigned value) {
            program_.memory[at] = static_cast<std::byte>(value);
        };
        put(12, 0x08);
        put(14, 0x45);
        put(23, 17);
        put(37, 53);
        put(39, 8);
    }
    verifier::Request request() const {
        verifier::Request result = program_.request();
        result.wants_invariants = false;
        result.limits = {};
        return result;
    }

    oracle::Generated program_;
    std::unique_ptr<vectors::TestHost> host_;
    engine::Image* image_ = nullptr;
    std::uint64_t steps_ = 0;
};

void report(benchmark::State& state, std::uint64_t steps) {
    using benchmark::Counter;
    state.counters["instructions"] = static_cast<double>(steps);
    state.counters["per_instruction"] =
        Counter(static_cast<double>(steps), Counter::kIsIterationInvariantRate | Counter::kInvert);
}

void interpret(benchmark::State& state, const char* text) {
    Subject subject(text);
    engine::Invocation invocation = subject.start();
    for (auto _ : state) {
        std::uint64_t result = subject.image().run(subject.image(), invocation);
        benchmark::DoNotOptimize(result);
    }
    report(state, subject.steps());
}

void in_kernel(benchmark::State& state, const char* text) {
    constexpr std::uint32_t kRepeat = 20000;
    if (const auto reason = oracle::kernel_refuses()) return state.SkipWithError(reason->c_str());
    const Subject subject(text);
    for (auto _ : state) {
        const oracle::KernelRun run = oracle::run_in_kernel(subject.program(), true, kRepeat);
        if (!run.is_loaded || !run.failure.empty())
            return state.SkipWithError((run.log + run.failure).c_str());
        state.SetIterationTime(static_cast<double>(run.run_ns) * 1e-9);
    }
    report(state, subject.steps());
}

void native(benchmark::State& state, const char* text) {
    Subject subject(text);
    engine::Invocation invocation = subject.start();
    const auto* packet = *invocation.packet_data;
    const auto* packet_end = *invocation.packet_data_end;
    const auto* value = reinterpret_cast<const unsigned char*>(subject.program().map_value.data());
    std::uint64_t rounds = kRounds;
    for (auto _ : state) {
        benchmark::DoNotOptimize(rounds);
        std::uint64_t result = text == kArithmetic ? arithmetic(rounds)
                               : text == kChecksum ? checksum(value, kValueBytes)
                                                   : parse(packet, packet_end);
        benchmark::DoNotOptimize(result);
    }
    report(state, subject.steps());
}

BENCHMARK_CAPTURE(interpret, arithmetic, kArithmetic);
BENCHMARK_CAPTURE(interpret, checksum, kChecksum);
BENCHMARK_CAPTURE(interpret, packet_parse, kParse);
BENCHMARK_CAPTURE(native, arithmetic, kArithmetic);
BENCHMARK_CAPTURE(native, checksum, kChecksum);
BENCHMARK_CAPTURE(native, packet_parse, kParse);
// The kernel times itself; the few iterations are loads of the program.
BENCHMARK_CAPTURE(in_kernel, arithmetic, kArithmetic)->UseManualTime()->Iterations(5);
BENCHMARK_CAPTURE(in_kernel, checksum, kChecksum)->UseManualTime()->Iterations(5);
BENCHMARK_CAPTURE(in_kernel, packet_parse, kParse)->UseManualTime()->Iterations(5);

}  // namespace
}  // namespace ebpf::bench

BENCHMARK_MAIN();
