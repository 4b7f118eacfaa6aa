// SPDX-License-Identifier: MIT
// Life of objects: ids, names, references, lookups, pins, freezing.
#include <string>
#include <thread>

#include "fixture.hpp"
#include "runtime/registry.hpp"

namespace ebpf::runtime {
namespace {

using Objects = RuntimeTest;
using Pins = RuntimeTest;
using Freeze = RuntimeTest;

TEST_F(Objects, CarryWhatTheyWereMadeWith) {
    platform::fake::set_time(123'456);
    const auto map = context_->create_map(shape_of(spec::MapType::Hash), "flows", 1000);
    ASSERT_TRUE(map);
    EXPECT_STREQ((*map)->name(), "flows");
    EXPECT_EQ((*map)->creator_uid(), 1000U);
    EXPECT_EQ((*map)->created_ns(), 123'456U);
    EXPECT_EQ((*map)->kind(), ObjectKind::Map);
    EXPECT_EQ((*map)->shape(), shape_of(spec::MapType::Hash));
    EXPECT_EQ((*map)->references(), 1U);

    const std::byte bytecode[] = {std::byte{0x95}, std::byte{7}};
    ProgramDefinition definition = program_of(TestImage::make(1));
    definition.name = "a_name_that_is_longer_than_sixty_three_characters_and_therefore_cut_off";
    definition.bytecode = bytecode;
    definition.tag[0] = 0xaa;
    definition.is_gpl_compatible = true;
    const auto program = context_->add_program(definition);
    ASSERT_TRUE(program);
    EXPECT_EQ(std::string((*program)->name()), std::string(definition.name).substr(0, kNameBytes - 1));
    ASSERT_EQ((*program)->bytecode().size(), 2U);
    EXPECT_EQ((*program)->bytecode()[1], std::byte{7});
    EXPECT_EQ((*program)->tag()[0], 0xaa);
    EXPECT_TRUE((*program)->is_gpl_compatible());
    EXPECT_EQ((*program)->type(), spec::ProgramType::Xdp);
}

TEST_F(Objects, ProgramsLetGoOfWhatTheirImagesCall) {
    int let_go = 0;
    const Dependency dependency{&let_go, [](void* object) noexcept {
                                    EXPECT_EQ(TestImage::alive, 0) << "before its image";
                                    ++*static_cast<int*>(object);
                                }};
    ProgramDefinition definition = program_of(TestImage::make(1));
    definition.dependency = dependency;
    auto program = context_->add_program(definition);
    ASSERT_TRUE(program);
    EXPECT_EQ(let_go, 0);
    program->reset();
    EXPECT_EQ(let_go, 1);

    definition.image = TestImage::make(1);
    definition.type = static_cast<spec::ProgramType>(0x7fffffff);
    EXPECT_FALSE(context_->add_program(definition)) << "of no type";
    EXPECT_EQ(let_go, 2);
    definition.image = nullptr;
    EXPECT_FALSE(context_->add_program(definition)) << "without an image";
    EXPECT_EQ(let_go, 3);
}

TEST_F(Objects, IdsAscendPerKindAndAreNotReused) {
    EXPECT_EQ(make_map()->id(), 1U);
    EXPECT_EQ(make_map()->id(), 2U);
    const auto kept = make_map();
    EXPECT_EQ(kept->id(), 3U);
    EXPECT_EQ(make_program()->id(), 1U);
    EXPECT_EQ(*context_->next_id(ObjectKind::Map, 0), 3U);
    EXPECT_FALSE(context_->next_id(ObjectKind::Map, 3));
    EXPECT_FALSE(context_->next_id(ObjectKind::Map, 0xffffffff));
    EXPECT_EQ(context_->find_map(1).error(), Status::NotFound);
    EXPECT_TRUE(context_->find_map(3));
    EXPECT_EQ(context_->find_program(1).error(), Status::NotFound);
}

TEST_F(Objects, RefsCount) {
    Ref<MapObject> map = make_map();
    {
        const Ref<MapObject> copy = map;
        const Ref<Object> base = copy;
        EXPECT_EQ(map->references(), 3U);
        EXPECT_TRUE(ref_cast<MapObject>(base));
        EXPECT_EQ(ref_cast<ProgramObject>(base).error(), Status::WrongKind);
        EXPECT_EQ(ref_cast<MapObject>(Ref<Object>{}).error(), Status::WrongKind);
    }
    EXPECT_EQ(map->references(), 1U);
    Ref<MapObject> moved = std::move(map);
    EXPECT_EQ(moved->references(), 1U);
    moved = Ref<MapObject>{};
    EXPECT_EQ(context_->find_map(1).error(), Status::NotFound);
}

TEST_F(Objects, ProgramsMoveUpOnce) {
    Ref<ProgramObject> program = make_program(1);
    const std::size_t first_bytes = program->image_bytes();
    ASSERT_EQ(program->move_up(TestImage::make(2)), Status::Ok);
    EXPECT_EQ(*context_->run(*program, &no_packet_, 0), 2U);
    EXPECT_EQ(program->image_bytes(), 2 * first_bytes);
    EXPECT_EQ(TestImage::alive.load(), images_before_ + 2) << "runs may still be in the first";
    EXPECT_EQ(program->move_up(TestImage::make(3)), Status::AlreadyExists);
    EXPECT_EQ(*context_->run(*program, &no_packet_, 0), 2U);
    EXPECT_EQ(TestImage::alive.load(), images_before_ + 2);
    program.reset();
    EXPECT_EQ(TestImage::alive.load(), images_before_);
}

TEST_F(Objects, ProgramKeepsItsMaps) {
    Ref<MapObject> maps[] = {make_map(), make_map()};
    Ref<ProgramObject> program = make_program(1, maps);
    EXPECT_EQ(program->maps().size(), 2U);
    maps[0].reset();
    maps[1].reset();
    EXPECT_TRUE(context_->find_map(1));
    EXPECT_EQ(TestImage::alive.load(), images_before_ + 1);
    program.reset();
    EXPECT_EQ(TestImage::alive.load(), images_before_);
    EXPECT_FALSE(context_->find_map(1));
    EXPECT_FALSE(context_->find_map(2));
}

TEST_F(Objects, AddProgramRefusesAndFreesTheImage) {
    ProgramDefinition definition = program_of(TestImage::make(1));
    definition.type = static_cast<spec::ProgramType>(4711);
    EXPECT_EQ(context_->add_program(definition).error(), Status::InvalidArgument);
    const Ref<MapObject> empty[1];
    EXPECT_EQ(context_->add_program(program_of(TestImage::make(1), empty)).error(), Status::InvalidArgument);
    EXPECT_EQ(context_->add_program(program_of(nullptr)).error(), Status::InvalidArgument);
    EXPECT_EQ(TestImage::alive.load(), images_before_);
}

TEST_F(Objects, CreateMapChecksTheShape) {
    spec::MapShape shape = shape_of(spec::MapType::Array);
    shape.key_size = 8;
    EXPECT_EQ(context_->create_map(shape, "m", 0).error(), Status::InvalidArgument);
}

// Lookups by id race with the last release: they get a living object or nothing.
TEST_F(Objects, LookupsRaceWithTheLastRelease) {
    constexpr int kRounds = 3000;
    std::atomic<std::uint32_t> newest{0};
    std::atomic<bool> is_done{false};
    std::atomic<int> found{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i) {
        readers.emplace_back([&] {
            while (!is_done.load()) {
                const auto program = context_->find_program(newest.load());
                if (!program) continue;
                EXPECT_EQ(*context_->run(**program, &no_packet_, 0), 7U);
                ++found;
            }
        });
    }
    for (int i = 0; i < kRounds || (found.load() == 0 && i < 100 * kRounds); ++i) {
        const Ref<ProgramObject> program = make_program(7);
        newest.store(program->id());
        if (i % 16 == 0) std::this_thread::yield();
    }
    is_done.store(true);
    for (std::thread& reader : readers) reader.join();
    EXPECT_GT(found.load(), 0);
    EXPECT_FALSE(context_->next_id(ObjectKind::Program, 0));
}

// Objects of the context, numbered anew in registries of their own; at the end they have the context's ids
// again.
TEST_F(Objects, RegistryWrapsAndLeavesOutIdsInUse) {
    Registry registry(5);
    std::vector<Ref<MapObject>> maps;
    for (int i = 0; i < 6; ++i) maps.push_back(make_map());
    ASSERT_TRUE(registry.add(*maps[0]));
    ASSERT_TRUE(registry.add(*maps[1]));
    ASSERT_TRUE(registry.add(*maps[2]));
    EXPECT_EQ(maps[2]->id(), 3U);
    registry.remove(*maps[1]);
    ASSERT_TRUE(registry.add(*maps[3]));
    EXPECT_EQ(maps[3]->id(), 4U) << "2 is free but was used";
    ASSERT_TRUE(registry.add(*maps[4]));
    EXPECT_EQ(maps[4]->id(), 5U);
    ASSERT_TRUE(registry.add(*maps[1]));
    EXPECT_EQ(maps[1]->id(), 2U) << "wrapped, 1 is in use";
    EXPECT_FALSE(registry.add(*maps[5])) << "all ids are in use";
    EXPECT_EQ(registry.size(), 5U);
    std::uint32_t expected = 1;
    for (const Object* object = registry.next(0); object != nullptr; object = registry.next(object->id())) {
        EXPECT_EQ(object->id(), expected++);
    }
    EXPECT_EQ(expected, 6U);
    EXPECT_EQ(registry.find(3), maps[2].get());
    EXPECT_EQ(registry.find(6), nullptr);
    for (const std::size_t i : {1U, 4U, 0U, 2U, 3U}) registry.remove(*maps[i]);
    EXPECT_EQ(registry.size(), 0U);

    Registry as_in_context(6);
    for (const auto& map : maps) ASSERT_TRUE(as_in_context.add(*map));
}

TEST_F(Pins, KeepObjectsAliveAndAreFoundInByteOrder) {
    EXPECT_EQ(context_->pin("/b", make_map(spec::MapType::Hash, "b")), Status::Ok);
    EXPECT_EQ(context_->pin("/a/\xff", make_map()), Status::Ok);
    EXPECT_EQ(context_->pin("/a", make_program()), Status::Ok);
    EXPECT_EQ(context_->pin("/ab", make_program()), Status::Ok);
    EXPECT_EQ(context_->pin("/b", make_map()), Status::AlreadyExists);

    std::vector<std::string> paths;
    char path[kMaxPinBytes] = "";
    while (context_->next_pin(path, path)) paths.emplace_back(path);
    EXPECT_EQ(paths, (std::vector<std::string>{"/a", "/a/\xff", "/ab", "/b"}));

    {
        const auto found = context_->find_pin("/b");
        ASSERT_TRUE(found);
        EXPECT_STREQ((*found)->name(), "b");
        EXPECT_EQ((*found)->pins(), 1U);
        EXPECT_EQ((*found)->references(), 2U);
        EXPECT_EQ(context_->unpin("/b"), Status::Ok);
        EXPECT_EQ((*found)->pins(), 0U);
    }
    EXPECT_EQ(context_->unpin("/b"), Status::NotFound);
    EXPECT_EQ(context_->find_pin("/b").error(), Status::NotFound);
    char small[2];
    EXPECT_EQ(context_->next_pin("", small).error(), Status::TooBig);
}

TEST_F(Pins, RefuseBadPaths) {
    const Ref<MapObject> map = make_map();
    EXPECT_EQ(context_->pin("", map), Status::InvalidArgument);
    EXPECT_EQ(context_->pin("/x", Ref<Object>{}), Status::InvalidArgument);
    EXPECT_EQ(context_->pin(std::string(kMaxPinBytes, 'x').c_str(), map), Status::InvalidArgument);
    const std::string longest(kMaxPinBytes - 1, 'x');
    EXPECT_EQ(context_->pin(longest.c_str(), map), Status::Ok);
    char path[kMaxPinBytes];
    EXPECT_TRUE(context_->next_pin("", path));
    EXPECT_EQ(longest, path);
}

TEST_F(Pins, OneObjectMayHaveSeveral) {
    Ref<MapObject> map = make_map();
    EXPECT_EQ(context_->pin("/1", map), Status::Ok);
    EXPECT_EQ(context_->pin("/2", map), Status::Ok);
    EXPECT_EQ(map->pins(), 2U);
    map.reset();
    EXPECT_EQ(context_->unpin("/1"), Status::Ok);
    EXPECT_TRUE(context_->find_map(1));
    EXPECT_EQ(context_->unpin("/2"), Status::Ok);
    EXPECT_FALSE(context_->find_map(1));
}

TEST_F(Freeze, RefusesRequestsThatChangeTheMap) {
    const Ref<MapObject> map = make_map(spec::MapType::Hash);
    const std::uint32_t key = 1;
    std::uint64_t value = 5;
    EXPECT_EQ(map->update(&key, &value, spec::kUpdateAny), Status::Ok);
    EXPECT_FALSE(map->is_frozen());
    EXPECT_EQ(map->freeze(), Status::Ok);
    EXPECT_TRUE(map->is_frozen());
    EXPECT_EQ(map->freeze(), Status::Busy);
    EXPECT_EQ(map->update(&key, &value, spec::kUpdateAny), Status::NoPermission);
    EXPECT_EQ(map->erase(&key), Status::NoPermission);
    value = 0;
    EXPECT_EQ(map->read(&key, &value), Status::Ok);
    EXPECT_EQ(value, 5U);
    std::uint32_t next = 0;
    EXPECT_EQ(map->next_key(nullptr, &next), Status::Ok);
    EXPECT_EQ(next, 1U);
    EXPECT_EQ(map->next_key(&next, &next), Status::NotFound);
    EXPECT_EQ(map->count(), 1U);
}

// A change that passed the check is complete before freeze() returns Ok: what is read afterwards never
// differs.
TEST_F(Freeze, IsNeverInTheMiddleOfAChange) {
    for (int round = 0; round < 10; ++round) {
        const Ref<MapObject> map = make_map(spec::MapType::Array);
        const std::uint32_t key = 0;
        std::atomic<bool> is_started{false};
        std::thread writer([&] {
            for (std::uint64_t value = 1;; ++value) {
                if (map->update(&key, &value, 0) == Status::NoPermission) return;
                is_started.store(true);
            }
        });
        while (!is_started.load()) std::this_thread::yield();
        while (map->freeze() != Status::Ok) std::this_thread::yield();
        std::uint64_t first = 0;
        std::uint64_t second = 0;
        EXPECT_EQ(map->read(&key, &first), Status::Ok);
        writer.join();
        EXPECT_EQ(map->read(&key, &second), Status::Ok);
        EXPECT_EQ(first, second);
    }
}

}  // namespace
}  // namespace ebpf::runtime
