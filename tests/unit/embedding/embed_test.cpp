// SPDX-License-Identifier: MIT
// ebpf/embed.h as a service uses it, with hooks and programs of tests/objects/own_hook.c.
#include "ebpf/embed.h"

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "own_hook.h"

namespace {

using testing::HasSubstr;

constexpr const char* kObject = EBPF_OBJECTS "/own_hook.o";
constexpr const char* kRefused = EBPF_OBJECTS "/own_hook_refused.o";
constexpr std::uint64_t kNoProgram = 99;
constexpr int kProtocol = -71;
constexpr int kInvalid = -22;
constexpr int kExists = -17;
constexpr int kAccess = -13;
constexpr int kNotFound = -2;

struct Calls {
    static inline std::atomic<std::uint64_t> made{0};
};

std::uint64_t called(std::uint64_t probe, std::uint64_t number, std::uint64_t bytes, std::uint64_t size,
                     std::uint64_t, ebpf_invocation*) {
    const auto& context = *reinterpret_cast<const struct probe*>(probe);
    if (context.number != number || bytes == 0 || size < 2) return 0;
    Calls::made.fetch_add(1, std::memory_order_relaxed);
    return 7;
}

/// The description of the hook, for tests to spoil.
struct Description {
    std::vector<ebpf_context_field> fields{
        EBPF_WRITABLE_DATA(struct probe, data), EBPF_DATA_END(struct probe, data_end),
        EBPF_NUMBER(struct probe, number), EBPF_WRITABLE_NUMBER(struct probe, answer)};
    std::vector<ebpf_helper> helpers{{"probe_called",
                                      PROBE_CALLED,
                                      0,
                                      called,
                                      {EBPF_ARGUMENT_CONTEXT, EBPF_ARGUMENT_NUMBER, EBPF_ARGUMENT_READ_MEMORY,
                                       EBPF_ARGUMENT_SIZE_NON_ZERO, EBPF_ARGUMENT_NONE}}};
    ebpf_program_type type{EBPF_PROGRAM_TYPE_HEAD,
                           "probe",
                           nullptr,
                           "probe",
                           sizeof(struct probe),
                           static_cast<std::uint32_t>(fields.size()),
                           fields.data(),
                           helpers.data(),
                           static_cast<std::uint32_t>(helpers.size()),
                           0,
                           0,
                           3};
};

class EmbedTest : public testing::Test {
  protected:
    void SetUp() override { start(0); }
    void TearDown() override { stop(); }

    void start(std::uint32_t flags) {
        ebpf_context_options options{};
        options.version = EBPF_EMBED_ABI_VERSION;
        options.size = sizeof(options);
        options.flags = flags;
        ASSERT_EQ(ebpf_context_create(&options, &context_, reason_.data(), reason_.size()), 0)
            << reason_.data();
        ASSERT_EQ(ebpf_thread_enter(context_, &thread_), 0);
    }

    void stop() {
        ebpf_object_close(object_);
        object_ = nullptr;
        ebpf_thread_leave(thread_);
        ebpf_context_destroy(context_);
    }

    void define() {
        const Description description;
        ASSERT_EQ(define(description), 0) << reason_.data();
    }
    int define(const Description& description) {
        return ebpf_hook_define(context_, &description.type, kNoProgram, &hook_, reason_.data(),
                                reason_.size());
    }
    void open() {
        ASSERT_EQ(ebpf_object_open(context_, kObject, &object_, reason_.data(), reason_.size()), 0)
            << reason_.data();
    }
    int attach(const char* name) {
        return ebpf_hook_attach(hook_, object_, name, reason_.data(), reason_.size());
    }

    /// Runs the hook's program once.
    std::uint64_t run(std::uint32_t number = 1) {
        probe_ = {bytes_.data(), bytes_.data() + bytes_.size(), number, 0};
        return ebpf_run(hook_, thread_, &probe_);
    }

    [[nodiscard]] ebpf_hook_counts counts() const {
        ebpf_hook_counts counts{};
        counts.version = EBPF_EMBED_ABI_VERSION;
        counts.size = sizeof(counts);
        EXPECT_EQ(ebpf_hook_statistics(hook_, &counts), 0);
        return counts;
    }

    ebpf_context* context_ = nullptr;
    ebpf_hook_thread* thread_ = nullptr;
    ebpf_hook* hook_ = nullptr;
    ebpf_object* object_ = nullptr;
    std::array<char, EBPF_REASON_BYTES> reason_{};
    std::array<unsigned char, 4> bytes_{1, 2, 3, 4};
    struct probe probe_{};
};

TEST_F(EmbedTest, ProgramsAreAttachedReplacedAndRemoved) {
    define();
    EXPECT_EQ(run(), kNoProgram);
    EXPECT_EQ(counts().program_id, 0U);
    EXPECT_EQ(ebpf_hook_detach(hook_), kNotFound);
    open();
    ASSERT_EQ(attach("one"), 0) << reason_.data();
    EXPECT_EQ(run(), 1U);
    EXPECT_EQ(probe_.answer, 1U);
    ASSERT_EQ(attach("two"), 0) << reason_.data();
    EXPECT_EQ(run(), 2U);
    EXPECT_EQ(run(), 2U);
    EXPECT_EQ(counts().run_count, 2U);
    EXPECT_EQ(counts().run_time_ns, 0U);
    ebpf_context_measure_times(context_, 1);
    run();
    EXPECT_EQ(counts().run_count, 3U);
    EXPECT_EQ(ebpf_hook_detach(hook_), 0);
    EXPECT_EQ(run(), kNoProgram);
    ASSERT_EQ(attach("one"), 0) << "after it was taken away: " << reason_.data();
    EXPECT_EQ(run(), 1U);
}

TEST_F(EmbedTest, AttachedProgramsOutliveTheirObject) {
    define();
    open();
    ASSERT_EQ(attach("one"), 0) << reason_.data();
    ebpf_object_close(object_);
    object_ = nullptr;
    EXPECT_EQ(run(), 1U);
}

TEST_F(EmbedTest, HelpersMapsAndDataWorkOnEveryEngine) {
    for (const std::uint32_t flags : {0U, EBPF_CONTEXT_INTERPRET}) {
        stop();
        start(flags);
        define();
        open();
        ASSERT_EQ(attach("count"), 0) << reason_.data();
        Calls::made = 0;
        bytes_ = {9, 0, 0, 0};
        EXPECT_EQ(run(5), 3U);
        EXPECT_EQ(run(6), 3U);
        EXPECT_EQ(bytes_[1], 9);
        EXPECT_EQ(Calls::made, 2U);
        probe_ = {bytes_.data(), bytes_.data() + 1, 1, 0};
        EXPECT_EQ(ebpf_run(hook_, thread_, &probe_), 0U) << "less data than the program wants";
        ebpf_map* total = nullptr;
        ASSERT_EQ(ebpf_map_open(object_, "total", &total, reason_.data(), reason_.size()), 0)
            << reason_.data();
        EXPECT_EQ(ebpf_map_key_bytes(total), 4U);
        EXPECT_EQ(ebpf_map_value_bytes(total), 8U);
        std::uint32_t key = 0;
        std::uint64_t value = 0;
        EXPECT_EQ(ebpf_map_lookup(total, &key, &value), 0);
        EXPECT_EQ(value, 12U);
        value = 100;
        EXPECT_EQ(ebpf_map_update(total, &key, &value, 0), 0);
        run(1);
        EXPECT_EQ(ebpf_map_lookup(total, &key, &value), 0);
        EXPECT_EQ(value, 101U);
        EXPECT_EQ(ebpf_map_next_key(total, nullptr, &key), 0);
        EXPECT_EQ(ebpf_map_next_key(total, &key, &key), kNotFound);
        EXPECT_EQ(ebpf_map_delete(total, &key), kInvalid) << "an array's elements stay";
        key = 1;
        EXPECT_EQ(ebpf_map_lookup(total, &key, &value), kNotFound);
        ebpf_map_close(total);
    }
}

TEST_F(EmbedTest, LongProgramsKeepTheirHelpersWhenTheyMoveUp) {
    define();
    open();
    ASSERT_EQ(attach("long_one"), 0) << reason_.data();
    run(3);
    const std::uint32_t answer = probe_.answer;
    for (int i = 0; i < 20000; ++i) {
        ASSERT_EQ(run(3), 3U);
        ASSERT_EQ(probe_.answer, answer);
    }
}

TEST_F(EmbedTest, WhatIsRefusedIsNamed) {
    define();
    EXPECT_EQ(ebpf_object_open(context_, kRefused, &object_, reason_.data(), reason_.size()), kAccess);
    EXPECT_THAT(reason_.data(), HasSubstr("field number: the field may only be read"));
    EXPECT_THAT(reason_.data(), HasSubstr("probe->number = 1"));
    EXPECT_EQ(ebpf_object_open(context_, "/nonexistent", &object_, reason_.data(), reason_.size()),
              kNotFound);
    EXPECT_EQ(ebpf_object_load(context_, "x", 1, "x.o", &object_, reason_.data(), reason_.size()), kInvalid);
    open();
    EXPECT_EQ(attach("three"), kNotFound);
    EXPECT_THAT(reason_.data(), HasSubstr("one, two, count, long_one"));
    EXPECT_EQ(attach(nullptr), kInvalid) << "there are several";
    ebpf_map* map = nullptr;
    EXPECT_EQ(ebpf_map_open(object_, "sum", &map, reason_.data(), reason_.size()), kNotFound);
    EXPECT_THAT(reason_.data(), HasSubstr("no map 'sum' among total"));
    std::array<char, 4> little{'x', 'x', 'x', 'x'};
    EXPECT_EQ(ebpf_hook_attach(hook_, object_, "three", little.data(), 3), kNotFound);
    EXPECT_EQ(little[2], '\0');
    EXPECT_EQ(little[3], 'x');
    EXPECT_EQ(ebpf_hook_attach(hook_, object_, "three", nullptr, 0), kNotFound);
}

TEST_F(EmbedTest, ProgramsNeedTheirHook) {
    EXPECT_NE(ebpf_object_open(context_, kObject, &object_, reason_.data(), reason_.size()), 0);
    EXPECT_THAT(reason_.data(), HasSubstr("section name selects no program type"));
    Description other;
    other.type.name = "other";
    ASSERT_EQ(define(other), 0) << reason_.data();
    ebpf_hook* const hook = hook_;
    define();
    open();
    EXPECT_EQ(ebpf_hook_attach(hook, object_, "one", reason_.data(), reason_.size()), kInvalid);
    EXPECT_THAT(reason_.data(), HasSubstr("program 'one' of section 'probe/one' is not for hook 'other'"));
    ebpf_context* second = nullptr;
    ASSERT_EQ(ebpf_context_create(nullptr, &second, reason_.data(), reason_.size()), 0);
    ebpf_hook* foreign = nullptr;
    const Description same;
    ASSERT_EQ(ebpf_hook_define(second, &same.type, 0, &foreign, reason_.data(), reason_.size()), 0);
    EXPECT_EQ(ebpf_hook_attach(foreign, object_, "one", reason_.data(), reason_.size()), kInvalid);
    EXPECT_THAT(reason_.data(), HasSubstr("different contexts"));
    ebpf_context_destroy(second);
}

TEST_F(EmbedTest, ProgramsOfAnotherHeaderAreRefused) {
    define();
    const char* outdated = EBPF_OBJECTS "/own_hook_outdated.o";
    EXPECT_EQ(ebpf_object_open(context_, outdated, &object_, reason_.data(), reason_.size()), kProtocol);
    EXPECT_THAT(reason_.data(),
                HasSubstr("struct probe: field 'answer' has 4 bytes at offset 16 in the program, but "
                          "4 bytes at offset 20 in the hook"));
}

struct Fault {
    std::function<void(Description&)> make;
    int code;
    const char* message;
};

const Fault faults[] = {
    {[](auto& d) { d.type.version = 2; }, kProtocol, "a program type of version 2"},
    {[](auto& d) { d.type.size -= 8; }, kProtocol, "expected are 1"},
    {[](auto& d) { d.type.field_size = 16; }, kProtocol, "expected are 1"},
    {[](auto& d) { d.type.helper_size = 16; }, kProtocol, "expected are 1"},
    {[](auto& d) { d.type.flags = 2; }, kInvalid, "flags 0x2"},
    {[](auto& d) { d.type.fields = nullptr; }, kInvalid, "counted and missing"},
    {[](auto& d) { d.type.field_count = 0xffffffff; }, -7, "4294967295 fields"},
    {[](auto& d) { d.type.name = nullptr; }, kInvalid, "program type ''"},
    {[](auto& d) { d.type.context_name = nullptr; }, kInvalid, "context ''"},
    {[](auto& d) { d.fields[2].name = nullptr; }, kInvalid, "a field has no name"},
    {[](auto& d) { d.fields[2].kind = 9; }, kInvalid, "field 'number': kind 9 is unknown"},
    {[](auto& d) { d.fields[2].flags = 6; }, kInvalid, "field 'number': flags 0x6 are unknown"},
    {[](auto& d) { d.fields[2].offset = 4; }, kInvalid, "fields 'data' and 'number' overlap"},
    {[](auto& d) { d.fields[1].flags = EBPF_FIELD_WRITABLE; }, kInvalid,
     "field 'data_end': programs may write"},
    {[](auto& d) { d.helpers[0].name = nullptr; }, kInvalid, "helper 0x1000005 has no name"},
    {[](auto& d) { d.helpers[0].function = nullptr; }, kInvalid, "helper 'probe_called' has no function"},
    {[](auto& d) { d.helpers[0].flags = 4; }, kInvalid, "helper 'probe_called': flags 0x4 are unknown"},
    {[](auto& d) { d.helpers[0].arguments[1] = 77; }, kInvalid, "argument 2 has the unknown kind 77"},
    {[](auto& d) { d.helpers[0].id = 5; }, kInvalid, "helper 'probe_called' has the id 0x5"},
    {[](auto& d) { d.type.section = "xdp"; }, kInvalid, "section 'xdp' is that of a built-in"},
    {[](auto& d) { d.type.section = "a b"; }, kInvalid, "'a b' cannot be a section name"},
    {[](auto& d) { d.type.section = ""; }, kInvalid, "'' cannot be a section name"},
};

TEST_F(EmbedTest, DescriptionsThatMakeNoSenseAreRefused) {
    for (const Fault& fault : faults) {
        Description description;
        fault.make(description);
        EXPECT_EQ(define(description), fault.code) << fault.message;
        EXPECT_THAT(reason_.data(), HasSubstr(fault.message));
    }
    define();
    EXPECT_EQ(define(Description()), kExists);
    EXPECT_THAT(reason_.data(), HasSubstr("program type 'probe' exists already"));
    Description within;
    within.type.name = "within";
    within.type.section = "probe/inner";
    EXPECT_EQ(define(within), kExists);
    EXPECT_THAT(reason_.data(), HasSubstr("section 'probe/inner' is that of program type 'probe'"));
}

TEST_F(EmbedTest, StructsOfOtherVersionsAreRefused) {
    ebpf_context_options options{};
    ebpf_context* context = nullptr;
    EXPECT_EQ(ebpf_context_create(&options, &context, reason_.data(), reason_.size()), kProtocol);
    define();
    ebpf_hook_counts counts{};
    EXPECT_EQ(ebpf_hook_statistics(hook_, &counts), kProtocol);
}

/// Threads that run the hook's program in batches until they are told to stop.
class Load {
  public:
    Load(ebpf_context* context, ebpf_hook* hook) {
        for (int i = 0; i < 3; ++i) threads_.emplace_back([this, context, hook] { invoke(context, hook); });
        while (runs < 1000) std::this_thread::yield();
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() { stop(); }
    void stop() {
        is_ending_ = true;
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    std::atomic<std::uint64_t> runs{0};

  private:
    void invoke(ebpf_context* context, ebpf_hook* hook) {
        constexpr std::size_t kBatch = 16;
        ebpf_hook_thread* thread = nullptr;
        EXPECT_EQ(ebpf_thread_enter(context, &thread), 0);
        std::array<unsigned char, 4> bytes{};
        struct probe probe{bytes.data(), bytes.data() + bytes.size(), 1, 0};
        std::array<void*, kBatch> arguments{};
        arguments.fill(&probe);
        std::array<std::uint64_t, kBatch> results{};
        while (!is_ending_) {
            ebpf_run_all(hook, thread, arguments.data(), results.data(), kBatch);
            for (const std::uint64_t result : results) EXPECT_NE(result, 0U);
            runs += kBatch;
        }
        ebpf_thread_leave(thread);
    }

    std::atomic<bool> is_ending_{false};
    std::vector<std::thread> threads_;
};

TEST_F(EmbedTest, ReplacingUnderLoadLosesNothing) {
    define();
    open();
    ASSERT_EQ(attach("one"), 0) << reason_.data();
    std::uint64_t runs = 0;
    {
        Load load(context_, hook_);
        for (int i = 0; i < 500; ++i) ASSERT_EQ(attach(i % 2 == 0 ? "two" : "one"), 0) << reason_.data();
        load.stop();
        runs = load.runs;
    }
    std::uint64_t counted = counts().run_count;
    ASSERT_EQ(attach("two"), 0);
    counted += counts().run_count;
    EXPECT_EQ(counted, runs);
}

TEST_F(EmbedTest, NothingRunsAfterDetach) {
    define();
    open();
    ASSERT_EQ(attach("count"), 0) << reason_.data();
    Load load(context_, hook_);
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(ebpf_hook_detach(hook_), 0);
        const std::uint64_t called_before = Calls::made;
        const std::uint64_t runs_before = load.runs;
        while (load.runs < runs_before + 200) std::this_thread::yield();
        ASSERT_EQ(Calls::made, called_before);
        ASSERT_EQ(attach("count"), 0) << reason_.data();
        while (Calls::made == called_before) std::this_thread::yield();
    }
}

}  // namespace
