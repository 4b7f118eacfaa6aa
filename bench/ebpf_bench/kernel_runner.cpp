// SPDX-License-Identifier: MIT
// The running Linux kernel, by BPF_PROG_TEST_RUN.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/try.hpp"
#include "kernel_bpf.hpp"
#include "kernel_verdict.hpp"
#include "runner.hpp"

namespace ebpf::bench {
namespace {

class KernelRunner final : public Runner {
  public:
    explicit KernelRunner(const Subject& subject) : subject_(subject) {}

    /// Errors: NotSupported - the kernel refuses map or program.
    Result<void> load() {
        std::vector<int> numbers;
        for (std::size_t i = 0; i < subject_.request.maps.size(); ++i) {
            const verifier::MapInfo& info = subject_.request.maps[i];
            maps_.push_back(support::create_kernel_map(info.shape));
            if (!maps_.back().is_open()) return refused(fmt::format("map '{}'", info.name));
            numbers.push_back(maps_.back().get());
        }
        EBPF_TRY_VOID(reset());
        // Constants are constants to the kernel's verifier, too.
        for (std::size_t i = 0; i < maps_.size(); ++i) {
            if (subject_.request.maps[i].is_frozen) support::freeze_kernel_map(maps_[i]);
        }
        std::string log;
        program_ = support::load_kernel_program(
            {.type = subject_.request.type, .bytecode = subject_.request.bytecode, .maps = numbers}, &log);
        if (!program_.is_open()) return fail(Status::NotSupported, "the kernel refuses: " + tail_of(log));
        code_bytes = support::kernel_code_bytes(program_);
        return {};
    }

    Result<void> reset() override {
        for (std::size_t i = 0; i < maps_.size(); ++i) {
            const verifier::MapInfo& info = subject_.request.maps[i];
            if (program_.is_open() && info.is_frozen) continue;
            if (program_.is_open()) clear(maps_[i], info.shape);
            for (const Element& element : subject_.initial[i]) {
                if (!support::update_kernel_map(maps_[i], element.key.data(), element.value.data()))
                    return refused(fmt::format("element of map '{}'", info.name));
            }
        }
        return {};
    }

    Result<std::uint32_t> run_once(Bytes& packet) override {
        packet = subject_.packet;
        const auto run = support::test_run_in_kernel(program_, packet, 1);
        if (!run) return refused("test run");
        return run->result;
    }

    // The kernel times the runs without the call around them, which takes up to milliseconds more at times;
    // its mean has no fractions of nanoseconds.
    Result<double> measure(std::uint64_t runs) override {
        Bytes packet = subject_.packet;
        const auto run = support::test_run_in_kernel(program_, packet, static_cast<std::uint32_t>(runs));
        if (!run) return refused("test run");
        return static_cast<double>(run->mean_ns);
    }

    std::vector<Contents> contents() override {
        std::vector<Contents> all;
        for (std::size_t i = 0; i < maps_.size(); ++i) {
            all.push_back(contents_of(maps_[i], subject_.request.maps[i].shape));
        }
        return all;
    }

  private:
    static std::unexpected<Error> refused(std::string what) {
        return fail(Status::NotSupported, fmt::format("{}: {}", what, std::strerror(errno)));
    }

    /// The refusal is at the end of the log.
    static std::string tail_of(const std::string& log) {
        constexpr std::size_t kShown = 600;
        return log.size() <= kShown ? log : "..." + log.substr(log.size() - kShown);
    }

    static void clear(const support::FileDescriptor& map, const spec::MapShape& shape) {
        Bytes key(shape.key_size);
        if (shape.type == spec::MapType::Hash) {
            while (support::next_kernel_key(map, nullptr, key.data())) {
                if (!support::erase_kernel_element(map, key.data())) return;
            }
            return;
        }
        const Bytes zeros(shape.value_size);
        for (std::uint32_t i = 0; i < shape.max_entries; ++i)
            support::update_kernel_map(map, &i, zeros.data());
    }

    static Contents contents_of(const support::FileDescriptor& map, const spec::MapShape& shape) {
        Contents contents;
        // The kernel copies values in steps of eight bytes.
        Element element{Bytes(shape.key_size), Bytes(shape.value_size)};
        Bytes next(shape.key_size);
        const std::byte* after = nullptr;
        while (support::next_kernel_key(map, after, next.data())) {
            element.key = next;
            after = element.key.data();
            if (support::look_up_kernel_map(map, after, element.value.data())) contents.push_back(element);
        }
        std::ranges::sort(contents);
        return contents;
    }

    const Subject& subject_;
    std::vector<support::FileDescriptor> maps_;
    support::FileDescriptor program_;
};

}  // namespace

Result<std::unique_ptr<Runner>> prepare_kernel(const Subject& subject) {
    if (const auto closed = support::kernel_is_closed()) return fail(Status::Environment, *closed);
    auto runner = std::make_unique<KernelRunner>(subject);
    EBPF_TRY_VOID(runner->load());
    return std::unique_ptr<Runner>(std::move(runner));
}

}  // namespace ebpf::bench
