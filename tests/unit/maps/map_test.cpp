// SPDX-License-Identifier: MIT
#include "maps/map.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "maps/region.hpp"

namespace ebpf::maps {
namespace {

using spec::MapShape;
using spec::MapType;

struct MapTest : testing::Test {
    void SetUp() override { domain = *epoch::Domain::create(4); }
    void TearDown() override {
        domain->synchronise();
        Map::destroy(map);
        epoch::Domain::destroy(domain);
    }
    Map& make(const MapShape& shape) {
        map = *Map::create(shape, *domain);
        return *map;
    }
    Status in_scope(auto&& operation) {
        const epoch::ReaderScope scope(*domain);
        return operation();
    }
    epoch::Domain* domain = nullptr;
    Map* map = nullptr;
};

MapShape array_of(std::uint32_t value_size, std::uint32_t entries) {
    return {
        .type = MapType::Array, .key_size = 4, .value_size = value_size, .max_entries = entries, .flags = 0};
}
MapShape hash_of(std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries) {
    return {.type = MapType::Hash,
            .key_size = key_size,
            .value_size = value_size,
            .max_entries = entries,
            .flags = 0};
}

TEST(ValidateShape, RefusesWhatTheTableDoesNotAllow) {
    EXPECT_EQ(validate_shape(array_of(8, 1)), Status::Ok);
    MapShape shape = array_of(8, 1);
    shape.type = static_cast<MapType>(999);
    EXPECT_EQ(validate_shape(shape), Status::NotSupported);
    EXPECT_EQ(validate_shape(array_of(8, 0)), Status::InvalidArgument);
    EXPECT_EQ(validate_shape(array_of(0, 1)), Status::InvalidArgument);
    EXPECT_EQ(validate_shape(hash_of(0, 8, 1)), Status::InvalidArgument);
    shape = array_of(8, 1);
    shape.key_size = 8;
    EXPECT_EQ(validate_shape(shape), Status::InvalidArgument);
    shape = array_of(8, 1);
    shape.flags = spec::kMapNoPrealloc;
    EXPECT_EQ(validate_shape(shape), Status::InvalidArgument);
    shape.flags = spec::kMapReadOnlyProgram | spec::kMapWriteOnlyProgram;
    EXPECT_EQ(validate_shape(shape), Status::InvalidArgument);
    EXPECT_EQ(validate_shape(hash_of(spec::kMaxKeyBytes + 1, 8, 1)), Status::TooBig);
    EXPECT_EQ(validate_shape(array_of(spec::kMaxValueBytes + 1, 1)), Status::TooBig);
    EXPECT_EQ(validate_shape(array_of(spec::kMaxValueBytes, 0xffffffff)), Status::TooBig);
    shape = array_of(8, 1);
    shape.type = MapType::ProgArray;
    EXPECT_EQ(validate_shape(shape), Status::InvalidArgument);
}

TEST_F(MapTest, ArrayStoresByIndex) {
    Map& array = make(array_of(12, 3));
    const epoch::ReaderScope scope(*domain);
    std::uint32_t key = 2;
    const char value[12] = "hello world";
    EXPECT_EQ(array.update(&key, value, spec::kUpdateAny), Status::Ok);
    EXPECT_STREQ(static_cast<const char*>(array.lookup(&key)), value);
    char out[12] = {};
    EXPECT_EQ(array.read(&key, out), Status::Ok);
    EXPECT_STREQ(out, value);
    EXPECT_EQ(array.update(&key, value, spec::kUpdateNoExist), Status::AlreadyExists);
    EXPECT_EQ(array.update(&key, value, spec::kUpdateExist), Status::Ok);
    EXPECT_EQ(array.update(&key, value, 3), Status::InvalidArgument);
    EXPECT_EQ(array.erase(&key), Status::InvalidArgument);
    key = 3;
    EXPECT_EQ(array.lookup(&key), nullptr);
    EXPECT_EQ(array.update(&key, value, spec::kUpdateAny), Status::TooBig);
    EXPECT_EQ(array.count(), 3U);
}

TEST_F(MapTest, ArrayIteratesAllIndices) {
    Map& array = make(array_of(4, 3));
    std::uint32_t key = 99;
    std::uint32_t next = 99;
    EXPECT_EQ(array.next_key(nullptr, &next), Status::Ok);
    EXPECT_EQ(next, 0U);
    EXPECT_EQ(array.next_key(&key, &next), Status::Ok);
    EXPECT_EQ(next, 0U);
    key = 1;
    EXPECT_EQ(array.next_key(&key, &next), Status::Ok);
    EXPECT_EQ(next, 2U);
    key = 2;
    EXPECT_EQ(array.next_key(&key, &next), Status::NotFound);
}

TEST_F(MapTest, ArrayValuesAreAlignedAndInsideTheRegion) {
    Map& array = make(array_of(3, 10));
    for (std::uint32_t key = 0; key < 10; ++key) {
        auto* value = static_cast<std::byte*>(array.lookup(&key));
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(value) % 8, 0U);
        EXPECT_GE(value, array.region().data());
        EXPECT_LE(value + 3, array.region().data() + array.region().size());
    }
    EXPECT_EQ(array.direct_value(), array.region().data() + 4096);
}

TEST_F(MapTest, HashHonoursFlagsAndLimit) {
    Map& hash = make(hash_of(4, 8, 2));
    const epoch::ReaderScope scope(*domain);
    std::uint32_t key = 1;
    std::uint64_t value = 10;
    EXPECT_EQ(hash.lookup(&key), nullptr);
    EXPECT_EQ(hash.update(&key, &value, spec::kUpdateExist), Status::NotFound);
    EXPECT_EQ(hash.update(&key, &value, spec::kUpdateNoExist), Status::Ok);
    EXPECT_EQ(hash.update(&key, &value, spec::kUpdateNoExist), Status::AlreadyExists);
    value = 11;
    EXPECT_EQ(hash.update(&key, &value, spec::kUpdateAny), Status::Ok);
    EXPECT_EQ(*static_cast<std::uint64_t*>(hash.lookup(&key)), 11U);
    key = 2;
    EXPECT_EQ(hash.update(&key, &value, spec::kUpdateAny), Status::Ok);
    key = 3;
    EXPECT_EQ(hash.update(&key, &value, spec::kUpdateAny), Status::TooBig);
    EXPECT_EQ(hash.count(), 2U);
    key = 1;
    EXPECT_EQ(hash.erase(&key), Status::Ok);
    EXPECT_EQ(hash.erase(&key), Status::NotFound);
    key = 3;
    EXPECT_EQ(hash.update(&key, &value, spec::kUpdateAny), Status::Ok);
}

TEST_F(MapTest, HashMemoryIsLimitedAsAWhole) {
    // 1 GiB of keys and values, but several times that with what surrounds each of them.
    const MapShape shape = hash_of(4, 4, 1U << 27U);
    ASSERT_EQ(validate_shape(shape), Status::Ok);
    const auto refused = Map::create(shape, *domain);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), Status::OutOfMemory);
}

TEST_F(MapTest, HashAddressStaysValidInsideTheEpochThatDeletes) {
    Map& hash = make(hash_of(4, 8, 4));
    const epoch::ReaderScope scope(*domain);
    const std::uint32_t key = 1;
    std::uint64_t value = 77;
    ASSERT_EQ(hash.update(&key, &value, spec::kUpdateAny), Status::Ok);
    const auto* address = static_cast<const std::uint64_t*>(hash.lookup(&key));
    ASSERT_EQ(hash.erase(&key), Status::Ok);
    for (value = 0; value < 100; ++value) {
        ASSERT_EQ(hash.update(&key, &value, spec::kUpdateAny), Status::Ok);
        ASSERT_EQ(hash.erase(&key), Status::Ok);
    }
    EXPECT_EQ(*address, 77U);
}

TEST_F(MapTest, HashUpdatesInPlaceWhenEveryElementWaitsForAReader) {
    Map& hash = make(hash_of(4, 8, 1));
    const epoch::ReaderScope scope(*domain);
    const std::uint32_t key = 1;
    for (std::uint64_t value = 0; value < 5000; ++value) {
        ASSERT_EQ(hash.update(&key, &value, spec::kUpdateAny), Status::Ok);
        ASSERT_EQ(*static_cast<std::uint64_t*>(hash.lookup(&key)), value);
    }
}

TEST_F(MapTest, HashInsertReportsOutOfMemoryWhenEveryElementWaitsForAReader) {
    Map& hash = make(hash_of(4, 8, 1));
    const std::uint32_t key = 1;
    const std::uint64_t value = 5;
    {
        const epoch::ReaderScope scope(*domain);
        Status status = Status::Ok;
        for (int i = 0; i < 5000 && status == Status::Ok; ++i) {
            status = hash.update(&key, &value, spec::kUpdateAny);
            if (status == Status::Ok) status = hash.erase(&key);
        }
        EXPECT_EQ(status, Status::OutOfMemory);
        EXPECT_EQ(hash.count(), 0U);
    }
    const epoch::ReaderScope scope(*domain);
    EXPECT_EQ(hash.update(&key, &value, spec::kUpdateAny), Status::Ok);
}

struct HashModelTest : MapTest, testing::WithParamInterface<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(KeySizes, HashModelTest, testing::Values(1U, 4U, 7U, 8U, 12U, 16U, 20U, 24U, 40U));

TEST_P(HashModelTest, AgreesWithAModel) {
    constexpr std::uint32_t kEntries = 200;
    using Key = std::string;
    Map& hash = make(hash_of(GetParam(), 16, kEntries));
    std::map<Key, std::uint64_t> model;
    std::mt19937 random(GetParam());
    for (int step = 0; step < 5000; ++step) {
        const epoch::ReaderScope scope(*domain);
        const Key key(GetParam(), static_cast<char>(random() % 250));
        const std::uint64_t value[2] = {random(), 0};
        if (random() % 3 != 0) {
            const bool fits = model.contains(key) || model.size() < kEntries;
            ASSERT_EQ(hash.update(key.data(), value, spec::kUpdateAny), fits ? Status::Ok : Status::TooBig);
            if (fits) model[key] = value[0];
        } else {
            ASSERT_EQ(hash.erase(key.data()), model.erase(key) != 0 ? Status::Ok : Status::NotFound);
        }
        ASSERT_EQ(hash.count(), model.size());
    }
    const epoch::ReaderScope scope(*domain);
    std::set<Key> seen;
    Key key(GetParam(), 0);
    const void* after = nullptr;
    while (hash.next_key(after, key.data()) == Status::Ok) {
        EXPECT_TRUE(seen.insert(key).second);
        std::uint64_t value[2] = {};
        ASSERT_EQ(hash.read(key.data(), value), Status::Ok);
        EXPECT_EQ(value[0], model.at(key));
        after = key.data();
    }
    EXPECT_EQ(seen.size(), model.size());
}

TEST_F(MapTest, HashReadsAreNotTornByConcurrentUpdates) {
    Map& hash = make(hash_of(4, 64, 4));
    std::atomic<bool> is_done{false};
    std::atomic<int> torn{0};
    std::vector<std::jthread> readers;
    for (int i = 0; i < 2; ++i) {
        readers.emplace_back([&] {
            while (!is_done) {
                const epoch::ReaderScope scope(*domain);
                const std::uint32_t key = 1;
                std::uint64_t words[8] = {};
                if (hash.read(&key, words) != Status::Ok) continue;
                for (const std::uint64_t word : words) torn += word != words[0] ? 1 : 0;
            }
        });
    }
    for (std::uint64_t round = 0; round < 20000; ++round) {
        const std::uint32_t key = 1;
        std::uint64_t words[8];
        for (auto& word : words) word = round;
        // A preempted reader may hold every spare element; then only waiting for it helps.
        while (in_scope([&] { return hash.update(&key, words, spec::kUpdateAny); }) == Status::OutOfMemory) {
            domain->synchronise();
        }
        if (round % 7 == 0) {
            EXPECT_EQ(in_scope([&] { return hash.erase(&key); }), Status::Ok);
        }
    }
    is_done = true;
    readers.clear();
    EXPECT_EQ(torn, 0);
}

TEST_F(MapTest, HashKeepsItsCountUnderConcurrentWriters) {
    Map& hash = make(hash_of(4, 8, 64));
    std::vector<std::jthread> writers;
    for (unsigned seed = 0; seed < 4; ++seed) {
        writers.emplace_back([this, &hash, seed] {
            std::mt19937 random(seed);
            for (int i = 0; i < 10000; ++i) {
                const epoch::ReaderScope scope(*domain);
                const auto key = static_cast<std::uint32_t>(random() % 100);
                const std::uint64_t value = key;
                if (random() % 2 == 0) {
                    hash.update(&key, &value, spec::kUpdateAny);
                } else {
                    hash.erase(&key);
                }
            }
        });
    }
    writers.clear();
    const epoch::ReaderScope scope(*domain);
    std::uint32_t found = 0;
    for (std::uint32_t key = 0; key < 100; ++key) {
        const auto* value = static_cast<const std::uint64_t*>(hash.lookup(&key));
        if (value == nullptr) continue;
        EXPECT_EQ(*value, key);
        ++found;
    }
    EXPECT_EQ(found, hash.count());
    EXPECT_LE(found, 64U);
}

TEST_F(MapTest, HashGivesElementsBackForEver) {
    Map& hash = make(hash_of(8, 8, 1));
    const std::uint64_t key = 1;
    for (std::uint64_t value = 0; value < 20000; ++value) {
        ASSERT_EQ(in_scope([&] { return hash.update(&key, &value, spec::kUpdateNoExist); }), Status::Ok);
        ASSERT_EQ(in_scope([&] { return hash.update(&key, &value, spec::kUpdateExist); }), Status::Ok);
        ASSERT_EQ(in_scope([&] { return hash.erase(&key); }), Status::Ok);
    }
}

TEST_F(MapTest, HashMayBeEmptiedInsideOneEpoch) {
    constexpr std::uint32_t kEntries = 20000;
    Map& hash = make(hash_of(4, 8, kEntries));
    const std::uint64_t value = 9;
    for (int round = 0; round < 2; ++round) {
        const epoch::ReaderScope scope(*domain);
        for (std::uint32_t key = 0; key < kEntries; ++key)
            ASSERT_EQ(hash.update(&key, &value, spec::kUpdateNoExist), Status::Ok) << key;
        for (std::uint32_t key = 0; key < kEntries; ++key) ASSERT_EQ(hash.erase(&key), Status::Ok);
        ASSERT_EQ(hash.count(), 0U);
    }
}

// Of threads that insert the same keys, one is first with each; of those that delete them, likewise.
TEST_F(MapTest, HashHonoursFlagsAmongConcurrentWriters) {
    constexpr unsigned kThreads = 3;
    constexpr std::uint64_t kKeys = 3000;
    Map& hash = make(hash_of(8, 8, kKeys));
    std::vector<std::atomic<unsigned>> inserted(kKeys);
    std::vector<std::atomic<unsigned>> deleted(kKeys);
    std::vector<std::jthread> writers;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
        writers.emplace_back([&, thread] {
            for (std::uint64_t key = 0; key < kKeys; ++key) {
                const Status status =
                    in_scope([&] { return hash.update(&key, &thread, spec::kUpdateNoExist); });
                if (status == Status::Ok) ++inserted[key];
                if (status != Status::Ok) {
                    EXPECT_EQ(status, Status::AlreadyExists);
                }
            }
        });
    }
    writers.clear();
    EXPECT_EQ(hash.count(), kKeys);
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
        writers.emplace_back([&] {
            for (std::uint64_t key = 0; key < kKeys; ++key) {
                if (in_scope([&] { return hash.erase(&key); }) == Status::Ok) ++deleted[key];
            }
        });
    }
    writers.clear();
    EXPECT_EQ(hash.count(), 0U);
    for (std::uint64_t key = 0; key < kKeys; ++key) {
        ASSERT_EQ(inserted[key], 1U) << key;
        ASSERT_EQ(deleted[key], 1U) << key;
    }
}

TEST_F(MapTest, HashHoldsExactlyMaxEntriesUnderConcurrentWriters) {
    constexpr std::uint32_t kEntries = 100;
    Map& hash = make(hash_of(4, 8, kEntries));
    std::atomic<std::uint32_t> stored{0};
    std::vector<std::jthread> writers;
    for (std::uint32_t thread = 0; thread < 3; ++thread) {
        writers.emplace_back([&, thread] {
            for (std::uint32_t i = 0; i < 1000; ++i) {
                const std::uint32_t key = thread * 1000 + i;
                const std::uint64_t value = key;
                const Status status = in_scope([&] { return hash.update(&key, &value, spec::kUpdateAny); });
                if (status == Status::Ok) ++stored;
                if (status != Status::Ok) {
                    EXPECT_EQ(status, Status::TooBig);
                }
            }
        });
    }
    writers.clear();
    EXPECT_EQ(stored, kEntries);
    EXPECT_EQ(hash.count(), kEntries);
}

// What a reader has found stays as it is while it is inside, though the element is deleted and others are
// stored all the time.
TEST_F(MapTest, HashElementsAreNotReusedUnderReaders) {
    constexpr std::uint64_t kKeys = 8;
    Map& hash = make(hash_of(8, 8, kKeys));
    std::atomic<bool> is_done{false};
    std::atomic<int> wrong{0};
    std::atomic<int> found{0};
    std::vector<std::jthread> readers;
    for (std::uint64_t thread = 0; thread < 2; ++thread) {
        readers.emplace_back([&, thread] {
            for (std::uint64_t round = thread; !is_done; ++round) {
                const epoch::ReaderScope scope(*domain);
                const std::uint64_t key = round % kKeys;
                auto* const value = static_cast<std::uint64_t*>(hash.lookup(&key));
                if (value == nullptr) continue;
                ++found;
                const std::uint64_t first = __atomic_load_n(value, __ATOMIC_RELAXED);
                if (first % kKeys != key) ++wrong;
                for (int i = 0; i < 200; ++i) {
                    // Values change in place only when all elements wait, which keeps the key's.
                    if (__atomic_load_n(value, __ATOMIC_RELAXED) % kKeys != key) ++wrong;
                }
            }
        });
    }
    // Readers may begin late.
    for (std::uint64_t round = 0; round < 60000 || found < 1000; ++round) {
        const std::uint64_t key = round * 5 % kKeys;
        const std::uint64_t value = round * kKeys + key;
        in_scope([&] { return hash.update(&key, &value, spec::kUpdateAny); });
        const std::uint64_t gone = round * 3 % kKeys;
        in_scope([&] { return hash.erase(&gone); });
    }
    is_done = true;
    readers.clear();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(found, 0);
}

struct Seen {
    std::vector<std::pair<std::uint32_t, std::uint64_t>> elements;
    Map* map = nullptr;
    std::size_t most = 1000;
    bool deletes = false;
    bool moves_on = false;
    static bool visit(void* state, const void* key, void* value) noexcept {
        auto& seen = *static_cast<Seen*>(state);
        std::uint32_t number = 0;
        std::uint64_t content = 0;
        std::memcpy(&number, key, sizeof number);
        std::memcpy(&content, value, sizeof content);
        seen.elements.emplace_back(number, content);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(key) % 8, 0U);
        if (seen.deletes || seen.moves_on) {
            EXPECT_EQ(seen.map->erase(key), Status::Ok);
        }
        if (seen.moves_on) {
            number += 1000;
            EXPECT_EQ(seen.map->update(&number, value, spec::kUpdateAny), Status::Ok);
        }
        return seen.elements.size() < seen.most;
    }
};

TEST_F(MapTest, ArrayVisitsElementsInOrderUntilToldToStop) {
    make(array_of(8, 5));
    for (std::uint32_t key = 0; key < 5; ++key) {
        const std::uint64_t value = 10 + key;
        ASSERT_EQ(in_scope([&] { return map->update(&key, &value, spec::kUpdateAny); }), Status::Ok);
    }
    Seen seen;
    seen.map = map;
    const epoch::ReaderScope scope(*domain);
    EXPECT_EQ(map->visit(Seen::visit, &seen), 5U);
    using Element = std::pair<std::uint32_t, std::uint64_t>;
    const std::vector<Element> expected{{0, 10}, {1, 11}, {2, 12}, {3, 13}, {4, 14}};
    EXPECT_EQ(seen.elements, expected);
    Seen two;
    two.most = 2;
    EXPECT_EQ(map->visit(Seen::visit, &two), 2U);
    EXPECT_EQ(two.elements.size(), 2U);
}

TEST_F(MapTest, HashVisitsEveryElementOnce) {
    make(hash_of(4, 8, 300));
    const epoch::ReaderScope scope(*domain);
    for (std::uint32_t key = 0; key < 300; ++key) {
        const std::uint64_t value = key * 7;
        ASSERT_EQ(map->update(&key, &value, spec::kUpdateAny), Status::Ok);
    }
    for (const bool deletes : {false, true}) {
        Seen seen;
        seen.map = map;
        seen.deletes = deletes;
        EXPECT_EQ(map->visit(Seen::visit, &seen), 300U);
        std::set<std::uint32_t> keys;
        for (const auto& [key, value] : seen.elements) {
            EXPECT_EQ(value, key * 7U);
            keys.insert(key);
        }
        EXPECT_EQ(keys.size(), 300U);
    }
    EXPECT_EQ(map->count(), 0U);
}

TEST_F(MapTest, HashVisitEndsThoughElementsMoveOn) {
    make(hash_of(4, 8, 16));
    const epoch::ReaderScope scope(*domain);
    for (std::uint32_t key = 0; key < 16; ++key) {
        const std::uint64_t value = key;
        ASSERT_EQ(map->update(&key, &value, spec::kUpdateAny), Status::Ok);
    }
    for (int round = 0; round < 8; ++round) {
        Seen seen;
        seen.map = map;
        seen.moves_on = true;
        const auto visited = map->visit(Seen::visit, &seen);
        ASSERT_TRUE(visited);
        EXPECT_LE(*visited, 16U);
        EXPECT_EQ(*visited, seen.elements.size());
    }
    EXPECT_EQ(map->count(), 16U);
}

TEST_F(MapTest, ProgArrayHasNoElementsToVisit) {
    make({.type = MapType::ProgArray, .key_size = 4, .value_size = 4, .max_entries = 2, .flags = 0});
    Seen seen;
    const epoch::ReaderScope scope(*domain);
    const auto visited = map->visit(Seen::visit, &seen);
    ASSERT_FALSE(visited);
    EXPECT_EQ(visited.error(), Status::NotSupported);
}

TEST_F(MapTest, ProgArrayHoldsOpaquePrograms) {
    Map& programs =
        make({.type = MapType::ProgArray, .key_size = 4, .value_size = 4, .max_entries = 2, .flags = 0});
    int first = 0;
    int second = 0;
    const std::uint32_t key = 1;
    std::uint32_t id = 0;
    EXPECT_EQ(program_at(programs, 1), nullptr);
    EXPECT_EQ(*exchange_program(programs, 1, &first, 7), nullptr);
    EXPECT_EQ(program_at(programs, 1), &first);
    EXPECT_EQ(programs.read(&key, &id), Status::Ok);
    EXPECT_EQ(id, 7U);
    EXPECT_EQ(programs.count(), 1U);
    EXPECT_EQ(*exchange_program(programs, 1, &second, 8), &first);
    EXPECT_EQ(*exchange_program(programs, 1, nullptr, 0), &second);
    EXPECT_EQ(programs.read(&key, &id), Status::NotFound);
    EXPECT_EQ(exchange_program(programs, 2, &first, 7).error(), Status::TooBig);
    EXPECT_EQ(programs.update(&key, &id, spec::kUpdateAny), Status::NotSupported);
    EXPECT_EQ(programs.lookup(&key), nullptr);
}

// Keys 0 up to kKeys are put into a map of keys of `key_size` bytes, every third is deleted, all are looked
// up.
void expect_keys_apart(Map& hash, std::uint32_t key_size) {
    constexpr std::uint32_t kKeys = 300;
    const auto key_of = [&](std::uint32_t i) {
        std::vector<unsigned char> key(key_size, 0x11);
        key.front() = static_cast<unsigned char>(i);
        key.back() = static_cast<unsigned char>(i >> 8U);
        return key;
    };
    for (std::uint32_t i = 0; i < kKeys; ++i)
        ASSERT_EQ(hash.update(key_of(i).data(), &i, spec::kUpdateNoExist), Status::Ok) << key_size;
    for (std::uint32_t i = 0; i < kKeys; i += 3)
        ASSERT_EQ(hash.erase(key_of(i).data()), Status::Ok) << key_size;
    for (std::uint32_t i = 0; i < kKeys; ++i) {
        // As helpers and as engines look up.
        const auto key = key_of(i);
        const auto* value = static_cast<const std::uint32_t*>(hash.lookup(key.data()));
        ASSERT_EQ(value, hash.lookup_function()(hash.handle(), key.data()));
        ASSERT_EQ(value == nullptr, i % 3 == 0) << key_size << " bytes, key " << i;
        if (value != nullptr) {
            ASSERT_EQ(*value, i);
        }
    }
    EXPECT_EQ(hash.lookup(key_of(kKeys).data()), nullptr);
}

TEST_F(MapTest, HashKeepsKeysOfEverySizeApart) {
    for (std::uint32_t key_size = 2; key_size <= 40; ++key_size) {
        Map& hash = make(hash_of(key_size, 4, 300));
        {
            const epoch::ReaderScope scope(*domain);
            expect_keys_apart(hash, key_size);
        }
        domain->synchronise();  // deleted elements lie in the map's memory
        Map::destroy(std::exchange(map, nullptr));
    }
}

TEST_F(MapTest, RegionStartsWithItsShape) {
    const Map& hash = make(hash_of(4, 8, 5));
    const auto* header = reinterpret_cast<const RegionHeader*>(hash.region().data());
    EXPECT_EQ(header->magic, kRegionMagic);
    EXPECT_EQ(header->shape, hash.shape());
    EXPECT_EQ(header->bucket_count, 8U);
}

}  // namespace
}  // namespace ebpf::maps
