// SPDX-License-Identifier: MIT
#include "maps/ring_buffer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "maps/region.hpp"

namespace ebpf::maps {
namespace {

constexpr std::uint32_t kBytes = 4096;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::size_t kConsumerOffset = 4096;
constexpr std::size_t kProducerOffset = 8192;
constexpr std::size_t kDataOffset = 12288;

spec::MapShape ring_of(std::uint32_t bytes) {
    return {
        .type = spec::MapType::RingBuffer, .key_size = 0, .value_size = 0, .max_entries = bytes, .flags = 0};
}

struct RingBufferTest : testing::Test {
    void SetUp() override {
        domain = *epoch::Domain::create(4);
        map = *Map::create(ring_of(kBytes), *domain);
    }
    void TearDown() override {
        domain->synchronise();
        Map::destroy(map);
        epoch::Domain::destroy(domain);
    }

    [[nodiscard]] std::byte* at(std::size_t offset) const {
        return const_cast<std::byte*>(map->region().data()) + offset;
    }
    template <typename T>
    [[nodiscard]] T load(std::size_t offset) const {
        T value{};
        std::memcpy(&value, at(offset), sizeof value);
        return value;
    }
    void set_consumer_position(std::uint64_t position) const {
        std::memcpy(at(kConsumerOffset), &position, sizeof position);
    }

    void* reserve(const std::string& text) {
        void* record = reserve_record(*map, text.size());
        if (record != nullptr) std::memcpy(record, text.data(), text.size());
        return record;
    }
    bool output(const std::string& text) {
        void* record = reserve(text);
        if (record != nullptr) submit_record(record, false, 0);
        return record != nullptr;
    }

    using Texts = std::vector<std::string>;
    static bool keep(void* texts, std::span<const std::byte> record) noexcept {
        static_cast<Texts*>(texts)->emplace_back(reinterpret_cast<const char*>(record.data()), record.size());
        return true;
    }
    Texts consume() {
        Texts texts;
        const auto count = consume_records(*map, keep, &texts);
        EXPECT_EQ(count, texts.size());
        return texts;
    }

    epoch::Domain* domain = nullptr;
    Map* map = nullptr;
};

TEST_F(RingBufferTest, ShapeIsLinuxs) {
    EXPECT_EQ(validate_shape(ring_of(4096)), Status::Ok);
    EXPECT_EQ(validate_shape(ring_of(1U << 31U)), Status::Ok);
    for (const std::uint32_t bytes : {0U, 1U, 2048U, 12288U, 4097U, 0xffffffffU})
        EXPECT_EQ(validate_shape(ring_of(bytes)), Status::InvalidArgument) << bytes;
    spec::MapShape shape = ring_of(4096);
    shape.key_size = 4;
    EXPECT_EQ(validate_shape(shape), Status::InvalidArgument);
    shape = ring_of(4096);
    shape.value_size = 8;
    EXPECT_EQ(validate_shape(shape), Status::InvalidArgument);
    for (std::uint32_t flag = 1; flag != 0; flag <<= 1U) {
        shape = ring_of(4096);
        shape.flags = flag;
        EXPECT_EQ(validate_shape(shape), Status::InvalidArgument) << flag;
    }
}

TEST_F(RingBufferTest, HasNoElements) {
    const epoch::ReaderScope scope(*domain);
    std::uint64_t bytes = 0;
    EXPECT_EQ(map->lookup(&bytes), nullptr);
    EXPECT_EQ(map->read(&bytes, &bytes), Status::NotSupported);
    EXPECT_EQ(map->update(&bytes, &bytes, 0), Status::NotSupported);
    EXPECT_EQ(map->erase(&bytes), Status::NotSupported);
    EXPECT_EQ(map->next_key(nullptr, &bytes), Status::NotSupported);
    EXPECT_EQ(map->count(), 0U);
    EXPECT_FALSE(map->visit([](void*, const void*, void*) noexcept { return true; }, nullptr).has_value());
    EXPECT_EQ(map->direct_value(), nullptr);
}

TEST_F(RingBufferTest, LayoutIsLinuxs) {
    EXPECT_EQ(map->region().size(), kDataOffset + std::size_t{2} * kBytes);
    EXPECT_EQ(load<std::uint64_t>(offsetof(RegionHeader, elements_offset)), kDataOffset);
    void* first = reserve("abc");
    EXPECT_EQ(first, at(kDataOffset + 8));
    EXPECT_EQ(load<std::uint32_t>(kDataOffset), 3U | spec::kRecordBusy);
    EXPECT_EQ(load<std::uint32_t>(kDataOffset + 4), 4U) << "pages from the page in front of the region";
    EXPECT_EQ(load<std::uint64_t>(kProducerOffset), 16U);
    submit_record(first, false, 0);
    EXPECT_EQ(load<std::uint32_t>(kDataOffset), 3U);
    submit_record(reserve("12345678"), true, 0);
    EXPECT_EQ(load<std::uint32_t>(kDataOffset + 16), 8U | spec::kRecordDiscarded);
    EXPECT_EQ(load<std::uint64_t>(kProducerOffset), 32U);
    EXPECT_EQ(load<std::uint64_t>(kConsumerOffset), 0U);
    EXPECT_EQ(consume(), Texts{"abc"});
    EXPECT_EQ(load<std::uint64_t>(kConsumerOffset), 32U);
}

TEST_F(RingBufferTest, RecordsThatReachOverTheEndAreWhole) {
    for (unsigned round = 0; round < 2000; ++round) {
        const std::string text(1 + round * 37 % 1500, static_cast<char>('a' + round % 26));
        ASSERT_TRUE(output(text)) << round;
        ASSERT_EQ(consume(), Texts{text}) << round;
    }
    EXPECT_GT(load<std::uint64_t>(kProducerOffset), 100U * kBytes);
}

TEST_F(RingBufferTest, SlowConsumerCostsNewRecordsOnly) {
    const std::string text(56, 'x');
    std::size_t stored = 0;
    while (output(text)) ++stored;
    EXPECT_EQ(stored, kBytes / 64 - 1) << "positions that differ by the whole size would look like none";
    EXPECT_EQ(query_ring(*map, spec::kRingAvailableData), stored * 64);
    EXPECT_EQ(consume().size(), stored);
    EXPECT_TRUE(output("next"));
    EXPECT_EQ(consume(), Texts{"next"});
}

TEST_F(RingBufferTest, RecordsThatNeverFitAreRefused) {
    EXPECT_EQ(reserve_record(*map, kBytes - 8), nullptr);
    EXPECT_EQ(reserve_record(*map, kBytes), nullptr);
    EXPECT_EQ(reserve_record(*map, spec::kMaxRecordBytes), nullptr);
    EXPECT_EQ(reserve_record(*map, std::uint64_t{spec::kMaxRecordBytes} + 1), nullptr);
    EXPECT_EQ(reserve_record(*map, ~std::uint64_t{0}), nullptr);
    void* largest = reserve_record(*map, kBytes - 16);
    ASSERT_NE(largest, nullptr);
    submit_record(largest, true, 0);
}

TEST_F(RingBufferTest, EmptyRecordsAreRecords) {
    EXPECT_TRUE(output(""));
    EXPECT_EQ(consume(), Texts{""});
    EXPECT_EQ(load<std::uint64_t>(kConsumerOffset), 8U);
}

TEST_F(RingBufferTest, ReadersWaitForTheOldestRecord) {
    void* first = reserve("first");
    void* second = reserve("second");
    submit_record(second, false, 0);
    EXPECT_EQ(consume(), Texts{});
    submit_record(first, false, 0);
    EXPECT_EQ(consume(), (Texts{"first", "second"}));
}

TEST_F(RingBufferTest, WhatAReaderDidNotReleaseStays) {
    ASSERT_TRUE(output("one"));
    submit_record(reserve("gone"), true, 0);
    ASSERT_TRUE(output("two"));
    Texts texts;
    const auto end = read_records(*map, keep, &texts);
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(texts, (Texts{"one", "two"}));
    // This reader dies; the next one gets the records again, and says how far it came.
    texts.clear();
    const auto first_only = [](void* seen, std::span<const std::byte> record) noexcept {
        auto& all = *static_cast<Texts*>(seen);
        return all.empty() && keep(&all, record);
    };
    const auto behind_first = read_records(*map, first_only, &texts);
    ASSERT_TRUE(behind_first.has_value());
    EXPECT_EQ(texts, Texts{"one"});
    EXPECT_EQ(release_records(*map, *behind_first), Status::Ok);
    EXPECT_EQ(release_records(*map, *end - 8), Status::InvalidArgument) << "inside a record";
    EXPECT_EQ(release_records(*map, *end + 8), Status::InvalidArgument) << "behind all";
    EXPECT_EQ(release_records(*map, ~std::uint64_t{7}), Status::InvalidArgument);
    EXPECT_EQ(release_records(*map, 0), Status::Ok) << "released before";
    EXPECT_EQ(consume(), Texts{"two"});
    EXPECT_EQ(release_records(*map, *end), Status::Ok);
    void* busy = reserve("busy");
    EXPECT_EQ(release_records(*map, *end + 16), Status::InvalidArgument) << "not submitted";
    submit_record(busy, false, 0);
}

TEST_F(RingBufferTest, AConsumersNonsenseHarmsNobodyElse) {
    void* held = reserve("held");
    for (const std::uint64_t position : {std::uint64_t{16}, std::uint64_t{4096}, ~std::uint64_t{0} - 7}) {
        set_consumer_position(position);
        for (unsigned i = 0; i < 100; ++i) {
            if (void* record = reserve("0123456789abcdef0123456789abcdef"); record != nullptr)
                submit_record(record, false, 0);
        }
        EXPECT_EQ(std::memcmp(held, "held", 4), 0) << position;
        EXPECT_EQ(load<std::uint32_t>(kDataOffset), 4U | spec::kRecordBusy) << position;
    }
    Texts texts;
    for (const std::uint64_t position : {std::uint64_t{3}, std::uint64_t{1} << 40U, ~std::uint64_t{0}}) {
        set_consumer_position(position);
        EXPECT_EQ(consume_records(*map, keep, &texts).error(), Status::Malformed) << position;
        EXPECT_EQ(wait_for_record(*map, 0), Status::Ok) << "for the reader to see what is wrong";
    }
    EXPECT_TRUE(texts.empty());
    submit_record(held, false, 0);
}

TEST_F(RingBufferTest, Queries) {
    ASSERT_TRUE(output("12345678"));
    ASSERT_TRUE(output("1"));
    consume();
    ASSERT_TRUE(output("x"));
    EXPECT_EQ(query_ring(*map, spec::kRingAvailableData), 16U);
    EXPECT_EQ(query_ring(*map, spec::kRingSize), kBytes);
    EXPECT_EQ(query_ring(*map, spec::kRingConsumerPosition), 32U);
    EXPECT_EQ(query_ring(*map, spec::kRingProducerPosition), 48U);
    EXPECT_EQ(query_ring(*map, 4), 0U);
    EXPECT_EQ(query_ring(*map, ~std::uint64_t{0}), 0U);
}

TEST_F(RingBufferTest, OtherMapsAreOfTheWrongKind) {
    const spec::MapShape shape{
        .type = spec::MapType::Array, .key_size = 4, .value_size = 4, .max_entries = 1, .flags = 0};
    Map* array = *Map::create(shape, *domain);
    Texts texts;
    EXPECT_EQ(read_records(*array, keep, &texts).error(), Status::WrongKind);
    EXPECT_EQ(consume_records(*array, keep, &texts).error(), Status::WrongKind);
    EXPECT_EQ(release_records(*array, 0), Status::WrongKind);
    EXPECT_EQ(wait_for_record(*array, 0), Status::WrongKind);
    Map::destroy(array);
}

TEST_F(RingBufferTest, WaitingIsBounded) {
    EXPECT_EQ(wait_for_record(*map, 1'000'000), Status::TimedOut);
    void* busy = reserve("busy");
    EXPECT_EQ(wait_for_record(*map, 1'000'000), Status::TimedOut) << "it is not readable yet";
    submit_record(busy, false, 0);
    EXPECT_EQ(wait_for_record(*map, 0), Status::Ok);
}

/// Waits in another thread until the ring wakes it.
struct Waiter {
    explicit Waiter(Map& map, std::uint64_t timeout_ns)
        : thread([this, &map, timeout_ns] { result.store(wait_for_record(map, timeout_ns)); }) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    Status join() {
        thread.join();
        return result.load();
    }
    std::atomic<Status> result{Status::Internal};
    std::thread thread;
};

TEST_F(RingBufferTest, SubmittingWakesWhoWaits) {
    Waiter waiter(*map, 60 * kSecond);
    ASSERT_TRUE(output("here"));
    EXPECT_EQ(waiter.join(), Status::Ok);
    EXPECT_EQ(consume(), Texts{"here"});
}

TEST_F(RingBufferTest, WakingCanBeLeftOutOrForced) {
    Waiter quiet(*map, kSecond / 5);
    submit_record(reserve("quiet"), false, spec::kRingNoWakeup);
    EXPECT_EQ(quiet.join(), Status::TimedOut);
    EXPECT_EQ(consume(), Texts{"quiet"});
    void* first = reserve("first");
    Waiter forced(*map, 60 * kSecond);
    submit_record(reserve("second"), false, spec::kRingForceWakeup);
    EXPECT_EQ(forced.join(), Status::Ok);
    submit_record(first, true, 0);
}

TEST_F(RingBufferTest, EveryRecordOfManyProducersArrivesOnceAndInOrder) {
    constexpr std::uint32_t kThreads = 4;
    constexpr std::uint32_t kRecords = 20'000;
    struct Item {
        std::uint32_t producer;
        std::uint32_t number;
        std::uint32_t bytes;
    };
    std::vector<std::thread> producers;
    for (std::uint32_t producer = 0; producer < kThreads; ++producer) {
        producers.emplace_back([this, producer] {
            for (std::uint32_t number = 0; number < kRecords;) {
                const std::uint32_t bytes = sizeof(Item) + (number * 13 + producer) % 200;
                void* record = reserve_record(*map, bytes);
                if (record == nullptr) {
                    std::this_thread::yield();
                    continue;
                }
                std::memset(record, static_cast<int>(producer), bytes);
                const Item item{producer, number, bytes};
                std::memcpy(record, &item, sizeof item);
                submit_record(record, number % 7 == 3, 0);
                ++number;
            }
        });
    }
    struct Seen {
        std::array<std::uint32_t, kThreads> next{};
        std::uint64_t wrong = 0;
    } seen;
    const auto check = [](void* state, std::span<const std::byte> record) noexcept {
        auto& all = *static_cast<Seen*>(state);
        Item item{};
        std::memcpy(&item, record.data(), sizeof item);
        if (item.producer >= kThreads || item.bytes != record.size()) {
            ++all.wrong;
            return true;
        }
        std::uint32_t& next = all.next[item.producer];
        if (next % 7 == 3) ++next;  // discarded
        all.wrong += item.number == next ? 0U : 1U;
        for (std::size_t i = sizeof item; i < record.size(); ++i)
            all.wrong += std::to_integer<std::uint32_t>(record[i]) == item.producer ? 0U : 1U;
        ++next;
        return true;
    };
    const auto is_done = [&] {
        for (const std::uint32_t next : seen.next) {
            if (next + (next % 7 == 3 ? 1U : 0U) < kRecords) return false;
        }
        return true;
    };
    std::uint64_t timeouts = 0;
    while (!is_done() && timeouts < 3) {
        timeouts += wait_for_record(*map, 20 * kSecond) == Status::TimedOut ? 1U : 0U;
        ASSERT_TRUE(consume_records(*map, check, &seen).has_value());
    }
    for (std::thread& producer : producers) producer.join();
    EXPECT_EQ(seen.wrong, 0U);
    EXPECT_EQ(timeouts, 0U) << "a wakeup was lost";
}

}  // namespace
}  // namespace ebpf::maps
