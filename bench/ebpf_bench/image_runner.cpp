// SPDX-License-Identifier: MIT
#include "image_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/try.hpp"

namespace ebpf::bench {
namespace {

// As a hook does: a batch of runs is one visit of the epoch, so that what maps let go is freed in between.
constexpr std::uint64_t kBatch = 64;

void clear(maps::Map& map) {
    Bytes key(map.shape().key_size);
    const Bytes zeros(map.shape().value_size);
    if (map.shape().type == spec::MapType::Hash) {
        while (map.next_key(nullptr, key.data()) == Status::Ok) static_cast<void>(map.erase(key.data()));
        return;
    }
    Bytes next(key.size());
    for (Status status = map.next_key(nullptr, next.data()); status == Status::Ok;
         status = map.next_key(key.data(), next.data())) {
        key = next;
        static_cast<void>(map.update(key.data(), zeros.data(), spec::kUpdateAny));
    }
}

Contents contents_of(maps::Map& map) {
    Contents contents;
    Element element{Bytes(map.shape().key_size), Bytes(map.shape().value_size)};
    Bytes next(map.shape().key_size);
    for (Status status = map.next_key(nullptr, next.data()); status == Status::Ok;
         status = map.next_key(element.key.data(), next.data())) {
        element.key = next;
        if (map.read(element.key.data(), element.value.data()) == Status::Ok) contents.push_back(element);
    }
    std::ranges::sort(contents);
    return contents;
}

class ImageRunner final : public Runner {
  public:
    ImageRunner(const Subject& subject, std::unique_ptr<vectors::TestHost> host)
        : subject_(subject), host_(std::move(host)) {}
    ~ImageRunner() override {
        if (image_ != nullptr) image_->destroy(image_);
    }
    ImageRunner(const ImageRunner&) = delete;
    ImageRunner& operator=(const ImageRunner&) = delete;

    Result<void> compile(const Compile& compile_function) {
        constexpr std::size_t kMost = 101;
        constexpr std::uint64_t kEnough = 100'000'000;
        std::vector<double> times;
        const std::uint64_t begin = thread_time_ns();
        while (times.size() < kMost && thread_time_ns() - begin < kEnough) {
            const std::uint64_t start = thread_time_ns();
            EBPF_TRY(engine::Image* const image, compile_function(subject_, host_->bindings(), code_bytes));
            times.push_back(static_cast<double>(thread_time_ns() - start));
            if (image_ != nullptr) image_->destroy(image_);
            image_ = image;
        }
        compile_ns = median(times);
        return {};
    }

    Result<void> reset() override {
        host_->inside([&] {
            for (maps::Map* map : host_->maps()) clear(*map);
        });
        return fill_maps(subject_, *host_);
    }

    Result<std::uint32_t> run_once(Bytes& packet) override {
        engine::Invocation invocation = host_->start();
        const std::uint64_t result = host_->run(*image_, invocation);
        packet.assign(host_->memory().begin(), host_->memory().end());
        return static_cast<std::uint32_t>(result);
    }

    Result<double> measure(std::uint64_t runs) override {
        engine::Invocation invocation = host_->start();
        const engine::Image& image = *image_;
        std::uint64_t sum = 0;
        const std::uint64_t start = thread_time_ns();
        for (std::uint64_t left = runs; left != 0;) {
            const std::uint64_t batch = std::min(left, kBatch);
            sum += host_->inside([&] {
                std::uint64_t of_batch = 0;
                for (std::uint64_t i = 0; i < batch; ++i) of_batch += image.run(image, invocation);
                return of_batch;
            });
            left -= batch;
        }
        const std::uint64_t end = thread_time_ns();
        sink_ = sum;
        return static_cast<double>(end - start) / static_cast<double>(runs);
    }

    std::vector<Contents> contents() override {
        return host_->inside([&] {
            std::vector<Contents> all;
            for (maps::Map* map : host_->maps()) all.push_back(contents_of(*map));
            return all;
        });
    }

  private:
    const Subject& subject_;
    std::unique_ptr<vectors::TestHost> host_;
    engine::Image* image_ = nullptr;
    volatile std::uint64_t sink_ = 0;
};

}  // namespace

Result<void> fill_maps(const Subject& subject, vectors::TestHost& host) {
    return host.inside([&]() -> Result<void> {
        for (std::size_t i = 0; i < host.maps().size(); ++i) {
            for (const Element& element : subject.initial[i]) {
                const Status status =
                    host.maps()[i]->update(element.key.data(), element.value.data(), spec::kUpdateAny);
                if (status != Status::Ok)
                    return fail(status, fmt::format("map '{}'", subject.request.maps[i].name));
            }
        }
        return {};
    });
}

Result<std::unique_ptr<Runner>> prepare_image(const Subject& subject, const Compile& compile) {
    const auto shapes = subject.shapes();
    EBPF_TRY(auto host, vectors::TestHost::create(spec::ProgramType::Xdp, subject.packet, shapes));
    auto runner = std::make_unique<ImageRunner>(subject, std::move(host));
    EBPF_TRY_VOID(runner->compile(compile));
    return std::unique_ptr<Runner>(std::move(runner));
}

}  // namespace ebpf::bench
