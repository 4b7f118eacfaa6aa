// SPDX-License-Identifier: MIT
// A context on the fake platform, images that tell when they are freed, and a hook provider that tests drive.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "ebpf/contexts.h"
#include "platform/fake/fake.hpp"
#include "runtime/context.hpp"

namespace ebpf::runtime {

/// An image that returns a constant or what `body` returns. Counts how many exist.
struct TestImage : engine::Image {
    std::uint64_t value = 0;
    std::function<std::uint64_t(engine::Invocation&)> body;
    static inline std::atomic<int> alive{0};

    static TestImage* make(std::uint64_t value) {
        auto* image = new TestImage;
        image->value = value;
        image->bytes = sizeof *image;
        image->run = [](const engine::Image& self, engine::Invocation& invocation) noexcept -> std::uint64_t {
            const auto& test = static_cast<const TestImage&>(self);
            return test.body ? test.body(invocation) : test.value;
        };
        image->destroy = [](engine::Image* self) noexcept {
            --alive;
            auto* test = static_cast<TestImage*>(self);
            test->value = 0xdead;  // so that a run after the end shows
            delete test;
        };
        ++alive;
        return image;
    }
};

/// A provider whose hook runs when a test says so.
struct FakeProvider {
    struct Attachment {
        const ebpf_hook_dispatch* dispatch = nullptr;
        void* link = nullptr;
    };

    ebpf_hook_provider table{};
    int refuse_with = 0;
    std::string refusal;
    std::vector<Attachment*> attachments;  // those that are attached
    int attach_calls = 0;
    int detach_calls = 0;
    std::function<void()> during_attach;
    std::function<void()> during_detach;

    FakeProvider(std::uint32_t program_type, std::uint32_t attach_type) {
        table.version = EBPF_HOOK_ABI_VERSION;
        table.size = sizeof table;
        table.name = "fake";
        table.program_type = program_type;
        table.attach_type = attach_type;
        table.provider = this;
        table.attach = attach;
        table.detach = detach;
        table.counters = counters;
    }

    static int attach(void* provider, const ebpf_attach_request* request, const ebpf_hook_dispatch* dispatch,
                      void* link, void** attachment, char* reason, std::size_t reason_bytes) {
        auto& self = *static_cast<FakeProvider*>(provider);
        ++self.attach_calls;
        EXPECT_EQ(request->version, EBPF_HOOK_ABI_VERSION);
        EXPECT_EQ(dispatch->version, EBPF_HOOK_ABI_VERSION);
        EXPECT_EQ(dispatch->size, sizeof *dispatch);
        if (self.refuse_with != 0) {
            std::snprintf(reason, reason_bytes, "%s", self.refusal.c_str());
            return -self.refuse_with;
        }
        auto* made = new Attachment{dispatch, link};
        self.attachments.push_back(made);
        *attachment = made;
        if (self.during_attach) self.during_attach();
        return 0;
    }

    static void detach(void* provider, void* attachment) {
        auto& self = *static_cast<FakeProvider*>(provider);
        ++self.detach_calls;
        if (self.during_detach) self.during_detach();
        EXPECT_EQ(std::erase(self.attachments, attachment), 1U);
        delete static_cast<Attachment*>(attachment);
    }

    static std::size_t counters(void*, void*, ebpf_hook_counter* out, std::size_t capacity) {
        constexpr const char* kNames[] = {"seen", "dropped"};
        for (std::size_t i = 0; i < 2 && i < capacity; ++i) {
            std::snprintf(out[i].name, sizeof out[i].name, "%s", kNames[i]);
            out[i].value = 100 + i;
        }
        return 2;
    }

    /// Runs the hook of an attachment once, in a batch of its own.
    static std::uint64_t fire(const Attachment& attachment, void* context) {
        ebpf_hook_thread* thread = nullptr;
        EXPECT_EQ(attachment.dispatch->thread_enter(attachment.link, &thread), 0);
        attachment.dispatch->batch_begin(thread);
        const std::uint64_t result = attachment.dispatch->invoke(attachment.link, thread, context);
        attachment.dispatch->batch_end(thread);
        attachment.dispatch->thread_leave(thread);
        return result;
    }
};

inline constexpr std::uint32_t kXdpType = 6;
inline constexpr std::uint32_t kXdpAttach = 37;

inline spec::MapShape shape_of(spec::MapType type, std::uint32_t entries = 4) {
    spec::MapShape shape;
    shape.type = type;
    shape.key_size = 4;
    shape.value_size = type == spec::MapType::ProgArray ? 4 : 8;
    shape.max_entries = entries;
    return shape;
}

inline ebpf_attach_request request_of(std::uint32_t attach_type = kXdpAttach, std::uint32_t ifindex = 1) {
    ebpf_attach_request request{};
    request.version = EBPF_HOOK_ABI_VERSION;
    request.size = sizeof request;
    request.attach_type = attach_type;
    request.ifindex = ifindex;
    return request;
}

inline ProgramDefinition program_of(engine::Image* image, std::span<const Ref<MapObject>> maps = {}) {
    ProgramDefinition definition;
    definition.name = "test";
    definition.type = spec::ProgramType::Xdp;
    definition.attach_type = kXdpAttach;
    definition.image = image;
    definition.maps = maps;
    return definition;
}

/// A context that must end without a leak.
class RuntimeTest : public testing::Test {
  protected:
    RuntimeTest()
        : before_(platform::fake::usage()),
          images_before_(TestImage::alive.load()),
          context_(*Context::create({})) {}
    ~RuntimeTest() override {
        Context::destroy(context_);
        EXPECT_EQ(platform::fake::usage(), before_)
            << platform::fake::usage().blocks - before_.blocks << " blocks";
        EXPECT_EQ(TestImage::alive.load(), images_before_);
    }

    Ref<MapObject> make_map(spec::MapType type = spec::MapType::Hash, const char* name = "map") {
        return *context_->create_map(shape_of(type), name, 0);
    }
    Ref<ProgramObject> make_program(std::uint64_t value = 1, std::span<const Ref<MapObject>> maps = {}) {
        return *context_->add_program(program_of(TestImage::make(value), maps));
    }
    StatusOr<Ref<LinkObject>> link(const Ref<ProgramObject>& program) {
        return context_->create_link(program, request_of(), reason_);
    }

    platform::fake::Usage before_;
    int images_before_;
    Context* context_;
    char reason_[128] = {};
    ebpf_xdp_context no_packet_{};
};

}  // namespace ebpf::runtime
