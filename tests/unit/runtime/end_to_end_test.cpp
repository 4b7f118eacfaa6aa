// SPDX-License-Identifier: MIT
// Bytecode on the interpreter with real maps and helpers: a packet filter at a hook, tail calls, trace lines.
#include <string>

#include "ebpf/contexts.h"
#include "fixture.hpp"
#include "helpers/helpers.hpp"
#include "interp/interp.hpp"
#include "isa/decode.hpp"
#include "isa/slot.hpp"
#include "spec/helpers.hpp"

namespace ebpf::runtime {
namespace {

using isa::Slot;

constexpr Slot slot(std::uint8_t opcode, unsigned dst, unsigned src, std::int16_t offset, std::int32_t imm) {
    return {opcode, static_cast<std::uint8_t>(dst | src << 4U), offset, imm};
}
constexpr Slot set(unsigned dst, std::int32_t imm) {
    return slot(0xb7, dst, 0, 0, imm);
}
constexpr Slot copy(unsigned dst, unsigned src) {
    return slot(0xbf, dst, src, 0, 0);
}
constexpr Slot add(unsigned dst, std::int32_t imm) {
    return slot(0x07, dst, 0, 0, imm);
}
constexpr Slot load8(unsigned dst, unsigned src, std::int16_t offset) {
    return slot(0x79, dst, src, offset, 0);
}
constexpr Slot call(spec::HelperId id) {
    return slot(0x85, 0, 0, 0, static_cast<std::int32_t>(id));
}
constexpr Slot leave() {
    return slot(0x95, 0, 0, 0, 0);
}

/// r1 = map `index`: two slots.
std::vector<Slot> load_map(std::int32_t index) {
    return {slot(0x18, 1, 5, 0, index), slot(0, 0, 0, 0, 0)};
}

/// *(u64 *)value of key 0 of map 0 += 1; falls through. Destroys r0 to r5.
std::vector<Slot> count_in_map() {
    std::vector<Slot> code{slot(0x62, 10, 0, -4, 0)};  // *(u32 *)(r10 - 4) = 0
    for (const Slot& part : load_map(0)) code.push_back(part);
    for (const Slot& part : {copy(2, 10), add(2, -4), call(spec::HelperId::map_lookup_elem),
                             slot(0x15, 0, 0, 2, 0),                   // if r0 == 0 goto +2
                             set(1, 1), slot(0xdb, 0, 1, 0, 0x00)}) {  // lock *(u64 *)r0 += r1
        code.push_back(part);
    }
    return code;
}

std::vector<Slot> join(std::initializer_list<std::vector<Slot>> parts) {
    std::vector<Slot> code;
    for (const auto& part : parts) code.insert(code.end(), part.begin(), part.end());
    return code;
}

class EndToEnd : public RuntimeTest {
  protected:
    EndToEnd() {
        context_options_.trace = [](void* owner, const char* text, std::size_t bytes) noexcept {
            static_cast<std::vector<std::string>*>(owner)->emplace_back(text, bytes);
        };
        context_options_.trace_owner = &lines_;
        Context::destroy(context_);
        context_ = *Context::create(context_options_);
        EXPECT_EQ(context_->register_provider(&provider_.table), Status::Ok);
    }

    Ref<ProgramObject> load(const std::vector<Slot>& slots, std::span<const Ref<MapObject>> maps) {
        const auto code = isa::decode(std::as_bytes(std::span(slots)), spec::kAllGroups);
        EXPECT_TRUE(code) << (code ? 0 : code.error().slot);
        std::vector<engine::MapBinding> bound;
        for (const auto& map : maps) bound.push_back(map->binding());
        const auto image = interp::compile(*code, {.maps = bound, .helpers = helpers::bindings()});
        EXPECT_TRUE(image);
        ProgramDefinition definition = program_of(*image, maps);
        definition.bytecode = std::as_bytes(std::span(slots));
        return *context_->add_program(definition);
    }

    static std::uint64_t value_of(MapObject& map, std::uint32_t key = 0) {
        std::uint64_t value = 0;
        EXPECT_EQ(map.read(&key, &value), Status::Ok);
        return value;
    }

    ContextOptions context_options_;
    std::vector<std::string> lines_;
    FakeProvider provider_{kXdpType, kXdpAttach};
};

TEST_F(EndToEnd, FilterCountsAndDrops) {
    const Ref<MapObject> maps[] = {make_map(spec::MapType::Array)};
    // Packets shorter than 42 bytes pass (2); the others are counted and dropped (1).
    const auto code =
        join({{load8(2, 1, 0), load8(3, 1, 8), add(2, 42), slot(0x3d, 3, 2, 2, 0),  // if r3 >= r2 goto +2
               set(0, 2), leave()},
              count_in_map(),
              {set(0, 1), leave()}});
    const auto attached = link(load(code, maps));
    ASSERT_TRUE(attached);
    std::uint8_t packet[64] = {};
    ebpf_xdp_context xdp{packet, packet + 64, packet, packet, packet + 64, 1, 0};
    for (int i = 0; i < 5; ++i) EXPECT_EQ(FakeProvider::fire(*provider_.attachments[0], &xdp), 1U);
    xdp.data_end = packet + 41;
    EXPECT_EQ(FakeProvider::fire(*provider_.attachments[0], &xdp), 2U);
    EXPECT_EQ(value_of(*maps[0]), 5U);
    EXPECT_EQ((*attached)->program()->run_count(), 6U);
}

// A program that counts and calls itself through the array: 33 tail calls after the first run, then it falls
// through.
TEST_F(EndToEnd, TailCallsEndAtTheLimit) {
    const Ref<MapObject> maps[] = {make_map(spec::MapType::Array), make_map(spec::MapType::ProgArray)};
    const auto code =
        join({{copy(6, 1)},
              count_in_map(),
              load_map(1),
              {copy(2, 1), copy(1, 6), set(3, 2), call(spec::HelperId::tail_call), set(0, 77), leave()}});
    const Ref<ProgramObject> program = load(code, maps);
    std::uint8_t packet[64] = {};
    ebpf_xdp_context xdp{packet, packet + 64, packet, packet, packet + 64, 1, 0};
    EXPECT_EQ(*context_->run(*program, &xdp, 0), 77U);
    EXPECT_EQ(value_of(*maps[0]), 1U) << "the element is empty";
    EXPECT_EQ(maps[1]->put_program(2, program), Status::Ok);
    EXPECT_EQ(*context_->run(*program, &xdp, 0), 77U);
    EXPECT_EQ(value_of(*maps[0]), 1U + 1U + spec::kMaxTailCalls);
    EXPECT_EQ(program->run_count(), 2U) << "a tail call is no run of its own";
}

TEST_F(EndToEnd, TraceReachesTheSink) {
    // The format "n=%d\0\0\0\0" on the stack.
    const auto code = std::vector<Slot>{slot(0x62, 10, 0, -8, 0x64253d6e),
                                        slot(0x62, 10, 0, -4, 0),
                                        copy(1, 10),
                                        add(1, -8),
                                        set(2, 5),
                                        set(3, -3),
                                        set(4, 0),
                                        set(5, 0),
                                        call(spec::HelperId::trace_printk),
                                        leave()};
    EXPECT_EQ(*context_->run(*load(code, {}), &no_packet_, 0), 4U);
    EXPECT_EQ(lines_, std::vector<std::string>{"n=-3"});
}

}  // namespace
}  // namespace ebpf::runtime
