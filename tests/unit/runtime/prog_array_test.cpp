// SPDX-License-Identifier: MIT
// Prog arrays: the references they hold, whose they are, and how cycles and chains end.
#include <string>

#include "fixture.hpp"

namespace ebpf::runtime {
namespace {

using ProgArrays = RuntimeTest;

TEST_F(ProgArrays, HoldPrograms) {
    const Ref<MapObject> array = make_map(spec::MapType::ProgArray);
    Ref<ProgramObject> program = make_program();
    const std::uint32_t id = program->id();
    EXPECT_EQ(array->put_program(2, program), Status::Ok);
    EXPECT_EQ(program->references(), 2U);
    program.reset();
    std::uint32_t key = 2;
    std::uint32_t value = 0;
    EXPECT_EQ(array->read(&key, &value), Status::Ok);
    EXPECT_EQ(value, id);

    // Replacing and erasing give references back.
    EXPECT_EQ(array->put_program(2, make_program()), Status::Ok);
    EXPECT_FALSE(context_->find_program(id));
    EXPECT_EQ(array->erase(&key), Status::Ok);
    EXPECT_FALSE(context_->next_id(ObjectKind::Program, 0));
    EXPECT_EQ(array->erase(&key), Status::NotFound);
    key = 99;
    EXPECT_EQ(array->erase(&key), Status::TooBig);

    EXPECT_EQ(array->put_program(4, make_program()), Status::TooBig);
    EXPECT_EQ(array->put_program(0, Ref<ProgramObject>{}), Status::InvalidArgument);
    EXPECT_EQ(array->update(&key, &value, 0), Status::NotSupported);
    EXPECT_EQ(make_map()->put_program(0, make_program()), Status::WrongKind);
    EXPECT_EQ(array->freeze(), Status::Ok);
    EXPECT_EQ(array->put_program(0, make_program()), Status::NoPermission);
}

TEST_F(ProgArrays, BelongToTheirFirstProgram) {
    const Ref<MapObject> maps[] = {make_map(spec::MapType::ProgArray)};
    const Ref<MapObject>& array = maps[0];
    EXPECT_EQ(array->put_program(9, make_program()), Status::TooBig) << "a refused one does not count";

    ProgramDefinition other = program_of(TestImage::make(1));
    other.type = spec::ProgramType::SocketFilter;
    other.attach_type = 0;
    const auto filter = context_->add_program(other);
    ASSERT_TRUE(filter);
    EXPECT_EQ(array->put_program(0, *filter), Status::Ok);
    EXPECT_EQ(array->put_program(1, make_program()), Status::InvalidArgument);
    EXPECT_EQ(context_->add_program(program_of(TestImage::make(1), maps)).error(), Status::InvalidArgument);

    other.image = TestImage::make(2);
    other.maps = maps;
    EXPECT_TRUE(context_->add_program(other));
    other.image = TestImage::make(2);
    other.attach_type = 5;
    EXPECT_EQ(context_->add_program(other).error(), Status::InvalidArgument);
    other.image = TestImage::make(2);
    other.image->kind = engine::EngineKind::Jit;
    other.attach_type = 0;
    EXPECT_TRUE(context_->add_program(other)) << "engines may mix: see engine::run()";
    other.image = TestImage::make(2);
    other.memory_length = 8;
    EXPECT_EQ(context_->add_program(other).error(), Status::InvalidArgument);
    EXPECT_EQ(TestImage::alive.load(), images_before_ + 1);
}

TEST_F(ProgArrays, BelongToTheirFirstUserToo) {
    const Ref<MapObject> maps[] = {make_map(spec::MapType::ProgArray)};
    const Ref<ProgramObject> user = make_program(1, maps);
    ProgramDefinition other = program_of(TestImage::make(1));
    other.type = spec::ProgramType::SocketFilter;
    EXPECT_EQ(maps[0]->put_program(0, *context_->add_program(other)), Status::InvalidArgument);
    EXPECT_EQ(maps[0]->put_program(0, user), Status::Ok);
}

// The program holds the array, the array the program: the last user's going empties the array.
TEST_F(ProgArrays, CyclesEndWithTheLastUser) {
    Ref<MapObject> maps[] = {make_map(spec::MapType::ProgArray)};
    Ref<ProgramObject> program = make_program(1, maps);
    EXPECT_EQ(maps[0]->put_program(0, program), Status::Ok);
    EXPECT_EQ(context_->pin("/array", maps[0]), Status::Ok);
    maps[0].reset();
    program.reset();
    EXPECT_TRUE(context_->find_program(1)) << "the pin is a user";
    EXPECT_EQ(context_->unpin("/array"), Status::Ok);
    EXPECT_FALSE(context_->find_program(1));
    EXPECT_FALSE(context_->find_map(1));
    EXPECT_EQ(TestImage::alive.load(), images_before_);
}

// As on Linux: a program that is kept alive does not keep the elements of its array.
TEST_F(ProgArrays, AreEmptiedAlthoughAProgramUsesThem) {
    Ref<MapObject> maps[] = {make_map(spec::MapType::ProgArray)};
    EXPECT_EQ(maps[0]->put_program(0, make_program(2)), Status::Ok);
    const Ref<ProgramObject> user = make_program(1, maps);
    EXPECT_TRUE(context_->find_program(1));
    maps[0].reset();
    EXPECT_FALSE(context_->find_program(1));
    EXPECT_EQ((*context_->find_map(1))->count(), 0U);
}

// Programs that hold arrays that hold programs: each end brings the next, whatever the order.
TEST_F(ProgArrays, ChainsUnravel) {
    constexpr std::uint32_t kLength = 500;
    std::vector<Ref<MapObject>> arrays;
    Ref<ProgramObject> last = make_program();
    for (std::uint32_t i = 0; i < kLength; ++i) {
        const Ref<MapObject> maps[] = {*context_->create_map(shape_of(spec::MapType::ProgArray, 1), "a", 0)};
        EXPECT_EQ(maps[0]->put_program(0, last), Status::Ok);
        last = make_program(1, maps);
        arrays.push_back(maps[0]);
    }
    last.reset();
    EXPECT_FALSE(context_->find_program(kLength + 1));
    EXPECT_TRUE(context_->find_program(kLength)) << "its array still has a user";
    for (std::uint32_t i = 0; i < kLength / 2; ++i) arrays.erase(arrays.begin());
    while (!arrays.empty()) arrays.pop_back();
    EXPECT_FALSE(context_->next_id(ObjectKind::Program, 0));
    EXPECT_FALSE(context_->next_id(ObjectKind::Map, 0));
}

}  // namespace
}  // namespace ebpf::runtime
