// SPDX-License-Identifier: MIT
// read_object() on what clang emits: maps, programs, links between them.
#include "load.hpp"
#include "object/object_spec.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace ebpf::object {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct RawSlot {
    std::uint8_t opcode;
    std::uint8_t registers;
    std::int16_t offset;
    std::int32_t imm;
    [[nodiscard]] int src() const { return registers >> 4; }
};

std::vector<RawSlot> slots_of(const ProgramSpec& program) {
    std::vector<RawSlot> slots(program.bytecode.size() / sizeof(RawSlot));
    std::memcpy(slots.data(), program.bytecode.data(), slots.size() * sizeof(RawSlot));
    return slots;
}

const ProgramSpec& program_of(const ObjectSpec& object, std::string_view name) {
    for (const auto& program : object.programs) {
        if (program.name == name) return program;
    }
    ADD_FAILURE() << "no program " << name;
    return object.programs.at(0);
}

std::uint32_t map_index(const ObjectSpec& object, std::string_view name) {
    for (std::uint32_t i = 0; i < object.maps.size(); ++i) {
        if (object.maps[i].name == name) return i;
    }
    ADD_FAILURE() << "no map " << name;
    return 0;
}

std::uint32_t word_at(const std::vector<std::byte>& bytes, std::size_t offset) {
    std::uint32_t value = 0;
    if (offset + sizeof(value) <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

TEST(ReadObject, ReadsWhereXdpProgramsRun) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/xdp_chain.o");
    const auto object = read_object(bytes, "xdp_chain");
    ASSERT_TRUE(object) << object.error().message();
    const ProgramSpec& first = program_of(*object, "drop_5001");
    EXPECT_EQ(first.run_priority, 10U);
    EXPECT_EQ(first.chain_actions, std::nullopt);
    const ProgramSpec& rest = program_of(*object, "count_rest");
    EXPECT_EQ(rest.run_priority, std::nullopt);
    EXPECT_EQ(rest.chain_actions, std::nullopt);
    const ProgramSpec& last = program_of(*object, "count_last");
    EXPECT_EQ(last.run_priority, 90U);
    EXPECT_EQ(last.chain_actions, 1U << 1U | 1U << 4U) << "the default, XDP_PASS, was taken out";
}

TEST(ReadObject, ReadsDroppacket) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_SAMPLES "/droppacket.o");
    const auto object = read_object(bytes, "droppacket");
    ASSERT_TRUE(object) << object.error().message();
    EXPECT_EQ(object->name, "droppacket");
    EXPECT_EQ(object->licence, "MIT");
    EXPECT_FALSE(object->btf.empty());
    ASSERT_EQ(object->maps.size(), 1U);
    EXPECT_EQ(object->maps[0].name, "dropped");
    EXPECT_EQ(object->maps[0].shape, (spec::MapShape{spec::MapType::Array, 4, 8, 1, 0}));
    ASSERT_EQ(object->programs.size(), 1U);
    const auto& program = object->programs[0];
    EXPECT_EQ(program.name, "droppacket");
    EXPECT_EQ(program.section, "xdp");
    EXPECT_EQ(program.type, spec::ProgramType::Xdp);
    EXPECT_EQ(program.attach_type, 37U);
    ASSERT_FALSE(program.lines.empty());
    EXPECT_EQ(program.lines[0].slot, 0U);
    EXPECT_THAT(program.lines[0].file, HasSubstr("droppacket.c"));
    EXPECT_THAT(program.lines[0].text, HasSubstr("int droppacket(struct xdp_md"));
    int references = 0;
    const auto slots = slots_of(program);
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (slots[i].opcode != 0x18) continue;
        ++references;
        EXPECT_EQ(slots[i].src(), 5);
        EXPECT_EQ(slots[i].imm, 0);
        EXPECT_EQ(slots[i + 1].imm, 0);
    }
    EXPECT_EQ(references, 1);
}

TEST(ReadObject, ReadsMapsDescribedByBtf) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/linked.o");
    const auto object = read_object(bytes, "linked");
    ASSERT_TRUE(object) << object.error().message();
    const auto& flows = object->maps[map_index(*object, "flows")];
    EXPECT_EQ(flows.shape, (spec::MapShape{spec::MapType::Hash, 8, 8, 100, 1}));
    EXPECT_TRUE(flows.is_pinned_by_name);
    EXPECT_FALSE(flows.is_global_data);
    EXPECT_NE(flows.btf_key_type, 0U);
    EXPECT_NE(flows.btf_value_type, 0U);
    const auto& chain = object->maps[map_index(*object, "chain")];
    EXPECT_EQ(chain.shape, (spec::MapShape{spec::MapType::ProgArray, 4, 4, 4, 0}));
    EXPECT_FALSE(chain.is_pinned_by_name);
    EXPECT_EQ(chain.btf_key_type, 0U);
    const auto& counters = object->maps[map_index(*object, "counters")];
    EXPECT_EQ(counters.shape, (spec::MapShape{spec::MapType::Array, 4, 12, 7, 0}));
}

TEST(ReadObject, ReadsGlobalData) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/linked.o");
    const auto object = read_object(bytes, "linked");
    ASSERT_TRUE(object) << object.error().message();
    const auto& rodata = object->maps[map_index(*object, ".rodata")];
    EXPECT_TRUE(rodata.is_global_data);
    EXPECT_TRUE(rodata.is_frozen);
    EXPECT_EQ(rodata.shape.max_entries, 1U);
    EXPECT_EQ(rodata.shape.flags, spec::kMapReadOnlyProgram);
    EXPECT_EQ(rodata.initial.size(), rodata.shape.value_size);
    EXPECT_EQ(word_at(rodata.initial, 0), 1000U);
    const auto& data = object->maps[map_index(*object, ".data")];
    EXPECT_FALSE(data.is_frozen);
    EXPECT_EQ(data.shape, (spec::MapShape{spec::MapType::Array, 4, 8, 1, 0}));
    EXPECT_EQ(word_at(data.initial, 0), 1U);
    EXPECT_EQ(word_at(data.initial, 4), 77U);
    const auto& bss = object->maps[map_index(*object, ".bss")];
    EXPECT_EQ(bss.initial, std::vector<std::byte>(bss.shape.value_size));
    EXPECT_EQ(bss.shape.value_size, 16U);
}

TEST(ReadObject, ReadsLicenceAndVersion) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/linked.o");
    const auto object = read_object(bytes, "linked");
    ASSERT_TRUE(object) << object.error().message();
    EXPECT_EQ(object->licence, "GPL");
    EXPECT_EQ(object->kernel_version, 0x060102U);
}

TEST(ReadObject, LinksSubprogramsBehindEachProgram) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/linked.o");
    const auto object = read_object(bytes, "linked");
    ASSERT_TRUE(object) << object.error().message();
    ASSERT_EQ(object->programs.size(), 3U);
    const auto names = [&](std::string_view program) {
        std::vector<std::string> result;
        for (const auto& subprogram : program_of(*object, program).subprograms)
            result.push_back(subprogram.name);
        return result;
    };
    EXPECT_THAT(names("first"), ElementsAre("first", "scale_twice", "count", "scale"));
    EXPECT_THAT(names("second"), ElementsAre("second", "scale", "count"));
    EXPECT_THAT(names("third"), ElementsAre("third", "scale"));
    EXPECT_EQ(program_of(*object, "third").type, spec::ProgramType::SocketFilter);
    for (const auto& program : object->programs) {
        const auto slots = slots_of(program);
        int calls = 0;
        for (std::size_t i = 0; i < slots.size(); ++i) {
            if (slots[i].opcode != 0x85 || slots[i].src() != 1) continue;
            ++calls;
            const auto target = static_cast<std::int64_t>(i) + 1 + slots[i].imm;
            bool begins = false;
            for (const auto& subprogram : program.subprograms) begins = begins || subprogram.slot == target;
            EXPECT_TRUE(begins) << program.name << " slot " << i << " calls " << target;
        }
        EXPECT_GE(calls, 1) << program.name;
        for (const auto& subprogram : program.subprograms) {
            if (subprogram.slot == 0) continue;
            EXPECT_EQ(slots[subprogram.slot - 1].opcode, 0x95) << subprogram.name;
        }
    }
}

TEST(ReadObject, AddsOffsetsOfVariables) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/linked.o");
    const auto object = read_object(bytes, "linked");
    ASSERT_TRUE(object) << object.error().message();
    const auto data = static_cast<int>(map_index(*object, ".data"));
    bool saw_factor = false;
    const auto slots = slots_of(program_of(*object, "third"));
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (slots[i].opcode != 0x18) continue;
        EXPECT_EQ(slots[i].src(), 6);
        if (slots[i].imm == data) {
            EXPECT_EQ(slots[i + 1].imm, 4);
            saw_factor = true;
        }
    }
    EXPECT_TRUE(saw_factor);
}

// Lines of tests/objects/linked.c; element 0 is unused.
std::vector<std::string> source_lines() {
    std::ifstream file(EBPF_SOURCE_DIR "/tests/objects/linked.c");
    std::vector<std::string> lines(1);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

// Returns whether line `number` lies in the definition of `function`, which ends with a brace in the first
// column or is written on one line.
bool is_in_function(const std::vector<std::string>& lines, std::string_view function, std::size_t number) {
    const std::string head = fmt::format(" {}(", function);
    for (std::size_t begin = 1; begin < lines.size(); ++begin) {
        const bool is_definition =
            lines[begin].find(head) != std::string::npos && !lines[begin].starts_with(' ');
        if (!is_definition) continue;
        std::size_t end = begin;
        while (!lines[end].ends_with('}') || lines[end].starts_with(' ')) ++end;
        return number >= begin && number <= end;
    }
    return false;
}

TEST(ReadObject, PlacesLinesAfterLinking) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/linked.o");
    const auto object = read_object(bytes, "linked");
    ASSERT_TRUE(object) << object.error().message();
    const auto source = source_lines();
    for (const auto& program : object->programs) {
        std::size_t subprogram = 0;
        std::uint32_t before = 0;
        for (const auto& line : program.lines) {
            EXPECT_TRUE(line.slot > before || (line.slot == 0 && before == 0));
            before = line.slot;
            while (subprogram + 1 < program.subprograms.size() &&
                   program.subprograms[subprogram + 1].slot <= line.slot) {
                ++subprogram;
                EXPECT_EQ(program.subprograms[subprogram].slot, line.slot)
                    << "the first instruction has a line";
            }
            ASSERT_LT(line.line, source.size());
            EXPECT_THAT(source[line.line], HasSubstr(line.text));
            EXPECT_TRUE(is_in_function(source, program.subprograms[subprogram].name, line.line))
                << program.name << " slot " << line.slot << " line " << line.line;
        }
        EXPECT_EQ(subprogram + 1, program.subprograms.size());
    }
}

TEST(ReadObject, ReadsLegacyMaps) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/legacy_maps.o");
    const auto object = read_object(bytes, "legacy_maps");
    ASSERT_TRUE(object) << object.error().message();
    EXPECT_EQ(object->licence, "");
    const auto& table = object->maps[map_index(*object, "table")];
    EXPECT_EQ(table.shape, (spec::MapShape{spec::MapType::Hash, 4, 24, 16, 1}));
    EXPECT_EQ(table.section, "maps");
    EXPECT_EQ(object->maps[map_index(*object, "slots")].shape,
              (spec::MapShape{spec::MapType::Array, 4, 8, 2, 0}));
    const auto slots = slots_of(object->programs.at(0));
    std::vector<std::uint32_t> references;
    for (const auto& slot : slots) {
        if (slot.opcode == 0x18) references.push_back(static_cast<std::uint32_t>(slot.imm));
    }
    EXPECT_THAT(references, ElementsAre(map_index(*object, "slots"), map_index(*object, "table")));
}

TEST(ReadObject, RefusesCoreRelocationsOfCompilers) {
    EBPF_LOAD_OR_SKIP(bytes, EBPF_OBJECTS "/core_relocations.o");
    const auto object = read_object(bytes, "core_relocations");
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().status(), Status::NotSupported);
    EXPECT_EQ(object.error().message(),
              "section 'xdp': its code needs 1 CO-RE relocations, which are not supported");
}

TEST(ReadObject, ReadsWhatEveryCompilerEmits) {
    std::istringstream folders(EBPF_OBJECT_MATRIX);
    int count = 0;
    for (std::string folder; folders >> folder; ++count) {
        const auto read = [&](const char* name) {
            const auto bytes = ::ebpf::testing::load_file(EBPF_OBJECTS "/" + folder + "/" + name + ".o");
            auto object = read_object(bytes, name);
            EXPECT_TRUE(object) << folder << ": " << (object ? "" : object.error().message());
            return object ? std::move(*object) : ObjectSpec{};
        };
        EXPECT_EQ(read("droppacket").programs.size(), 1U) << folder;
        EXPECT_EQ(read("no_bounds_check").programs.size(), 1U) << folder;
        EXPECT_EQ(read("legacy_maps").maps.size(), 2U) << folder;
        const auto linked = read("linked");
        ASSERT_EQ(linked.programs.size(), 3U) << folder;
        EXPECT_EQ(program_of(linked, "first").subprograms.size(), 4U) << folder;
        EXPECT_GE(linked.maps.size(), 6U) << folder;
    }
    if (count == 0) GTEST_SKIP() << "built without the compilers that programs are compiled with";
}

TEST(Licence, KnowsTheCompatibleOnes) {
    EXPECT_TRUE(is_gpl_compatible("GPL"));
    EXPECT_TRUE(is_gpl_compatible("Dual MIT/GPL"));
    EXPECT_FALSE(is_gpl_compatible("MIT"));
    EXPECT_FALSE(is_gpl_compatible("gpl"));
    EXPECT_FALSE(is_gpl_compatible(""));
}

}  // namespace
}  // namespace ebpf::object
