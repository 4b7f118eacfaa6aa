// SPDX-License-Identifier: MIT
// The program as the host's clang compiled it, with maps as C data structures.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "base/try.hpp"
#include "runner.hpp"
#include "vectors/test_host.hpp"

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names.
extern const bench_map* const __start_bench_maps[];
extern const bench_map* const __stop_bench_maps[];
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
}

namespace ebpf::bench {
namespace {

Bytes copy_bytes(const void* from, std::size_t bytes) {
    Bytes copy(bytes);
    std::memcpy(copy.data(), from, bytes);
    return copy;
}

std::uint64_t read_clock(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

class NativeRunner final : public Runner {
  public:
    NativeRunner(const Subject& subject, std::unique_ptr<vectors::TestHost> host)
        : subject_(subject), host_(std::move(host)) {}

    /// Finds the native map of each of the subject's. Errors: NotFound, Internal - sizes differ.
    Result<void> find_maps() {
        for (const verifier::MapInfo& info : subject_.request.maps) {
            const bench_map* found = nullptr;
            for (const bench_map* const* map = __start_bench_maps; map != __stop_bench_maps; ++map) {
                if (subject_.name() == (*map)->program && info.name == (*map)->name) found = *map;
            }
            if (found == nullptr && info.contents.empty())
                return fail(Status::NotFound, fmt::format("native map '{}'", info.name));
            if (found != nullptr &&
                (found->key_bytes != info.shape.key_size || found->value_bytes != info.shape.value_size))
                return fail(Status::Internal, fmt::format("native map '{}' has other sizes", info.name));
            maps_.push_back(found);
        }
        return {};
    }

    Result<void> reset() override {
        for (std::size_t i = 0; i < maps_.size(); ++i) {
            if (maps_[i] == nullptr) continue;
            maps_[i]->clear();
            for (const Element& element : subject_.initial[i]) {
                if (maps_[i]->store(element.key.data(), element.value.data()) != 0)
                    return fail(Status::TooBig, fmt::format("native map '{}' is full", maps_[i]->name));
            }
        }
        return {};
    }

    Result<std::uint32_t> run_once(Bytes& packet) override {
        const engine::Invocation invocation = host_->start();
        const int result = subject_.native->run(static_cast<xdp_md*>(invocation.context));
        packet.assign(host_->memory().begin(), host_->memory().end());
        return static_cast<std::uint32_t>(result);
    }

    Result<double> measure(std::uint64_t runs) override {
        const engine::Invocation invocation = host_->start();
        auto* context = static_cast<xdp_md*>(invocation.context);
        int (*const run)(xdp_md*) = subject_.native->run;
        std::uint32_t sum = 0;
        const std::uint64_t start = thread_time_ns();
        for (std::uint64_t i = 0; i < runs; ++i) sum += static_cast<std::uint32_t>(run(context));
        const std::uint64_t end = thread_time_ns();
        sink_ = sum;
        return static_cast<double>(end - start) / static_cast<double>(runs);
    }

    std::vector<Contents> contents() override {
        std::vector<Contents> all;
        for (std::size_t i = 0; i < maps_.size(); ++i) {
            if (maps_[i] == nullptr) {
                all.push_back(subject_.initial[i]);  // constants
                continue;
            }
            all.push_back(contents_of(*maps_[i]));
        }
        return all;
    }

  private:
    static Contents contents_of(const bench_map& map) {
        Contents contents;
        const void* key = nullptr;
        const void* value = nullptr;
        for (unsigned at = 0;; ++at) {
            const int state = map.element(at, &key, &value);
            if (state == 0) break;
            if (state > 0)
                contents.push_back({copy_bytes(key, map.key_bytes), copy_bytes(value, map.value_bytes)});
        }
        std::ranges::sort(contents);
        return contents;
    }

    const Subject& subject_;
    std::unique_ptr<vectors::TestHost> host_;
    std::vector<const bench_map*> maps_;
    volatile std::uint32_t sink_ = 0;
};

}  // namespace

std::uint64_t thread_time_ns() {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

std::uint64_t wall_time_ns() {
    return read_clock(CLOCK_MONOTONIC);
}

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    const std::size_t middle = values.size() / 2;
    std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(middle));
    return values[middle];
}

Result<std::unique_ptr<Runner>> prepare_native(const Subject& subject) {
    EBPF_TRY(auto host, vectors::TestHost::create(spec::ProgramType::Xdp, subject.packet, {}));
    auto runner = std::make_unique<NativeRunner>(subject, std::move(host));
    EBPF_TRY_VOID(runner->find_maps());
    return std::unique_ptr<Runner>(std::move(runner));
}

}  // namespace ebpf::bench
