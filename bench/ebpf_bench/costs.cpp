// SPDX-License-Identifier: MIT
#include "costs.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <span>
#include <string>

#include "base/try.hpp"
#include "ebpf/contexts.h"
#include "ebpf/hook_provider.h"
#include "helpers/helpers.hpp"
#include "image_runner.hpp"
#include "interp/interp.hpp"
#include "interp/run.hpp"
#include "isa/decode.hpp"
#include "runner.hpp"
#include "runtime/context.hpp"
#include "spec/helpers.hpp"
#include "vectors/test_host.hpp"

namespace ebpf::bench {
namespace {

constexpr std::size_t kBurst = 64;

/// Takes samples of operations and keeps their medians. An operation does its work `count` times.
class Stopwatch {
  public:
    explicit Stopwatch(unsigned rounds) : rounds_(rounds) {}

    void add(std::string what, auto&& operation) {
        constexpr std::uint64_t kCount = 200'000;
        std::vector<double> samples;
        operation(kCount / 10);
        for (unsigned round = 0; round < rounds_; ++round) {
            const std::uint64_t start = thread_time_ns();
            operation(kCount);
            samples.push_back(static_cast<double>(thread_time_ns() - start) / static_cast<double>(kCount));
        }
        costs_.push_back({std::move(what), median(std::move(samples))});
    }
    [[nodiscard]] std::vector<Cost> take() { return std::move(costs_); }

  private:
    unsigned rounds_;
    std::vector<Cost> costs_;
};

struct CountSteps {
    static constexpr bool kWatches = true;
    std::uint64_t steps = 0;
    bool before(const interp::Observation&) {
        ++steps;
        return true;
    }
};

/// r0 = 2; exit
Result<isa::Code> empty_code() {
    const std::array<std::uint64_t, 2> slots{0x00000002000000b7, 0x0000000000000095};
    auto code = isa::decode(std::as_bytes(std::span(slots)), spec::kAllGroups);
    if (!code) return fail(Status::Internal, "the empty program does not decode");
    return *std::move(code);
}

/// A hook that does nothing but hand out its dispatch table.
struct Hook {
    const ebpf_hook_dispatch* dispatch = nullptr;
    void* link = nullptr;

    static int attach(void* provider, const ebpf_attach_request*, const ebpf_hook_dispatch* dispatch,
                      void* link, void** attachment, char*, std::size_t) {
        auto& hook = *static_cast<Hook*>(provider);
        hook.dispatch = dispatch;
        hook.link = link;
        *attachment = provider;
        return 0;
    }
    static void detach(void*, void*) {}
};

struct ContextDeleter {
    void operator()(runtime::Context* context) const noexcept { runtime::Context::destroy(context); }
};

std::uint64_t invoke_batches(const Hook& hook, ebpf_hook_thread* thread, ebpf_xdp_context& packet,
                             std::uint64_t count, std::uint64_t batch) {
    std::uint64_t sum = 0;
    for (std::uint64_t done = 0; done < count; done += batch) {
        hook.dispatch->batch_begin(thread);
        for (std::uint64_t i = 0; i < batch; ++i) sum += hook.dispatch->invoke(hook.link, thread, &packet);
        hook.dispatch->batch_end(thread);
    }
    return sum;
}

Result<void> add_entries(Stopwatch& stopwatch, const std::string& engine, const PlainCompile& compile) {
    EBPF_TRY(const auto code, empty_code());
    auto made = runtime::Context::create({});
    if (!made) return fail(made.error(), "context");
    const std::unique_ptr<runtime::Context, ContextDeleter> context(*made);
    EBPF_TRY(engine::Image* const image, compile(code, {{}, helpers::bindings()}));
    runtime::ProgramDefinition definition;
    definition.name = "empty";
    definition.type = spec::ProgramType::Xdp;
    definition.image = image;
    auto program = context->add_program(definition);
    if (!program) return fail(program.error(), "program");

    std::array<std::uint8_t, 64> bytes{};
    ebpf_xdp_context packet{bytes.data(),
                            bytes.data() + bytes.size(),
                            bytes.data(),
                            bytes.data(),
                            bytes.data() + bytes.size(),
                            1,
                            0};
    volatile std::uint64_t sink = 0;
    stopwatch.add(fmt::format("empty program, {}: the image alone", engine), [&](std::uint64_t count) {
        engine::Invocation invocation;
        invocation.context = &packet;
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < count; ++i) sum += image->run(*image, invocation);
        sink = sum;
    });
    stopwatch.add(fmt::format("empty program, {}: Context::run()", engine), [&](std::uint64_t count) {
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < count; ++i) sum += *context->run(**program, &packet, 0);
        sink = sum;
    });

    stopwatch.add(fmt::format("empty program, {}: Batch::run()", engine), [&](std::uint64_t count) {
        constexpr std::uint64_t kBatch = 64;
        std::uint64_t sum = 0;
        for (std::uint64_t done = 0; done < count; done += kBatch) {
            runtime::Batch batch(*context);
            for (std::uint64_t i = 0; i < kBatch; ++i) sum += *batch.run(**program, &packet, 0);
        }
        sink = sum;
    });

    std::array<void*, kBurst> contexts{};
    contexts.fill(&packet);
    std::array<std::uint64_t, kBurst> results{};
    stopwatch.add(fmt::format("empty program, {}: Batch::run_all() on {}", engine, kBurst),
                  [&](std::uint64_t count) {
                      for (std::uint64_t done = 0; done < count; done += kBurst) {
                          runtime::Batch batch(*context);
                          static_cast<void>(batch.run_all(**program, contexts, 0, results));
                      }
                      sink = results[0];
                  });

    Hook hook;
    const ebpf_hook_provider provider{
        .version = EBPF_HOOK_ABI_VERSION,
        .size = sizeof(ebpf_hook_provider),
        .name = "bench",
        .program_type = static_cast<std::uint32_t>(spec::ProgramType::Xdp),
        .attach_type = 0,
        .combine = EBPF_COMBINE_CHAIN,
        .max_programs = 1,
        .actions = 0,
        .provider = &hook,
        .attach = Hook::attach,
        .detach = Hook::detach,
        .counters = nullptr,
    };
    if (const Status status = context->register_provider(&provider); status != Status::Ok)
        return fail(status, "hook");
    {
        std::array<char, 64> reason{};
        const ebpf_attach_request request{EBPF_HOOK_ABI_VERSION, sizeof(ebpf_attach_request), 0, 1, 0};
        auto link = context->create_link(*program, request, reason);
        if (!link) return fail(link.error(), "link");
        ebpf_hook_thread* thread = nullptr;
        if (hook.dispatch->thread_enter(hook.link, &thread) != 0) return fail(Status::OutOfMemory, "thread");
        for (const std::uint64_t batch : {1U, 8U, 64U}) {
            stopwatch.add(
                fmt::format("empty program, {}: hook dispatch, batches of {}", engine, batch),
                [&](std::uint64_t count) { sink = invoke_batches(hook, thread, packet, count, batch); });
        }
        for (const std::size_t batch : {std::size_t{8}, kBurst}) {
            stopwatch.add(fmt::format("empty program, {}: hook dispatch, invoke_all() on {}", engine, batch),
                          [&](std::uint64_t count) {
                              for (std::uint64_t done = 0; done < count; done += batch) {
                                  hook.dispatch->batch_begin(thread);
                                  hook.dispatch->invoke_all(hook.link, thread, contexts.data(),
                                                            results.data(), batch);
                                  hook.dispatch->batch_end(thread);
                              }
                              sink = results[0];
                          });
        }
        hook.dispatch->thread_leave(thread);
    }
    static_cast<void>(context->unregister_provider(&provider));
    return {};
}

engine::HelperFunction helper_of(spec::HelperId id) {
    for (const engine::HelperBinding& binding : helpers::bindings()) {
        if (binding.id == static_cast<std::uint32_t>(id)) return binding.function;
    }
    return nullptr;
}

std::uint64_t address(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

Result<void> add_helpers(Stopwatch& stopwatch, spec::MapType type, std::uint32_t key_bytes) {
    constexpr std::uint32_t kEntries = 1024;
    const std::array shapes{spec::MapShape{
        .type = type, .key_size = key_bytes, .value_size = 8, .max_entries = kEntries, .flags = 0}};
    EBPF_TRY(auto host, vectors::TestHost::create(spec::ProgramType::Xdp, {}, shapes));
    maps::Map& map = *host->maps()[0];
    std::array<std::uint64_t, 8> key{};
    const std::uint64_t value = 1;
    host->inside([&] {
        for (key[0] = 0; key[0] < kEntries / 2; ++key[0]) map.update(key.data(), &value, spec::kUpdateAny);
    });
    engine::Invocation invocation = host->start();
    const std::uint64_t handle = helpers::bind_map(map).handle;
    const std::string name =
        type == spec::MapType::Array ? "array" : fmt::format("hash, key of {} bytes", key_bytes);
    volatile std::uint64_t sink = 0;
    // Batches as a hook makes them, so that what updates let go is freed in between.
    const auto in_batches = [&](std::uint64_t count, auto&& once) {
        constexpr std::uint64_t kBatch = 64;
        for (std::uint64_t done = 0; done < count; done += kBatch) {
            host->inside([&] {
                for (std::uint64_t i = 0; i < kBatch; ++i) {
                    key[0] = (done + i) * 7 % (kEntries / 2);
                    once();
                }
            });
        }
    };
    const auto lookup = helper_of(spec::HelperId::map_lookup_elem);
    stopwatch.add(fmt::format("lookup helper, {}", name), [&](std::uint64_t count) {
        in_batches(count, [&] { sink = lookup(handle, address(key.data()), 0, 0, 0, invocation); });
    });
    const auto update = helper_of(spec::HelperId::map_update_elem);
    stopwatch.add(fmt::format("update helper, {}", name), [&](std::uint64_t count) {
        in_batches(count,
                   [&] { sink = update(handle, address(key.data()), address(&value), 0, 0, invocation); });
    });
    return {};
}

}  // namespace

Result<std::uint64_t> count_executed(const Subject& subject) {
    const auto shapes = subject.shapes();
    EBPF_TRY(auto host, vectors::TestHost::create(subject.request.type, subject.packet, shapes));
    EBPF_TRY_VOID(fill_maps(subject, *host));
    auto image = interp::compile(subject.code, host->bindings(), {interp::Dispatch::Stepping, nullptr});
    if (!image) return fail(image.error(), "counting instructions");
    CountSteps counter;
    engine::Invocation invocation = host->start();
    host->inside([&] { interp::run_observed(**image, invocation, counter); });
    (*image)->destroy(*image);
    return counter.steps;
}

Result<std::vector<Cost>> measure_costs(unsigned rounds) {
    Stopwatch stopwatch(rounds);
    for (const auto& [title, compile] : image_compilers()) {
        EBPF_TRY_VOID(add_entries(stopwatch, title, compile));
    }
    EBPF_TRY_VOID(add_helpers(stopwatch, spec::MapType::Array, 4));
    for (const std::uint32_t bytes : {4U, 8U, 16U, 24U})
        EBPF_TRY_VOID(add_helpers(stopwatch, spec::MapType::Hash, bytes));
    return stopwatch.take();
}

}  // namespace ebpf::bench
