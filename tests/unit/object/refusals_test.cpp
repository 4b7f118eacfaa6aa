// SPDX-License-Identifier: MIT
// What read_object() refuses: objects that no compiler emits, one thing wrong at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>

#include "btf_builder.hpp"
#include "elf_builder.hpp"
#include "object/object_spec.hpp"

namespace ebpf::object {
namespace {

using namespace ::ebpf::testing;
using ::ebpf::elf::kRelocation64;
using ::ebpf::elf::kRelocationCall;
using ::ebpf::elf::SymbolBinding;
using ::ebpf::elf::SymbolKind;
using ::testing::HasSubstr;

Result<ObjectSpec> read(ElfBuilder& builder) {
    return read_object(builder.build(), "test");
}

void expect_refused(ElfBuilder& builder, Status status, std::string_view message) {
    const auto object = read(builder);
    ASSERT_FALSE(object) << message;
    EXPECT_EQ(object.error().status(), status) << object.error().message();
    EXPECT_THAT(object.error().message(), HasSubstr(message));
}

/// An object with program `prog` in section xdp (index 1), made of `slots`.
ElfBuilder with_program(std::initializer_list<SlotBytes> slots) {
    ElfBuilder builder;
    const auto section = builder.add_code("xdp", slots);
    builder.add_function("prog", section, 0, slots.size() * sizeof(SlotBytes));
    return builder;
}
constexpr std::uint16_t kXdp = 1;

Bytes words(std::initializer_list<std::uint32_t> values) {
    Bytes bytes;
    for (const auto value : values) append(bytes, value);
    return bytes;
}

/// Adds section maps with `bytes`, named table by one symbol that starts it; returns the symbol.
std::uint32_t add_legacy_map(ElfBuilder& builder, Bytes bytes) {
    const auto size = bytes.size();
    const auto section = builder.add_section("maps", elf::kSectionProgBits, kData, std::move(bytes));
    return builder.add_symbol("table", SymbolKind::Object, SymbolBinding::Global, section, 0, size);
}

TEST(ReadObjectRefuses, NothingOfASmallProgram) {
    auto builder = with_program({kMovR0, kExit});
    const auto object = read(builder);
    ASSERT_TRUE(object) << object.error().message();
    ASSERT_EQ(object->programs.size(), 1U);
    EXPECT_EQ(object->programs[0].bytecode, code_of({kMovR0, kExit}));
    EXPECT_TRUE(object->programs[0].lines.empty());
}

TEST(ReadObjectRefuses, UnknownProgramSections) {
    ElfBuilder builder;
    builder.add_function("prog", builder.add_code("kprobe/open", {kMovR0, kExit}), 0, 16);
    expect_refused(
        builder, Status::NotSupported,
        "section 1 ('kprobe/open'): function 'prog': the section name selects no program type that is "
        "supported; supported are xdp, socket, ");
}

TEST(ReadObjectRefuses, FunctionsThatAreNotWholeSlots) {
    for (const auto& [value, size] : {std::pair(4U, 8U), {0U, 12U}, {0U, 0U}}) {
        ElfBuilder builder;
        builder.add_function("prog", builder.add_code("xdp", {kMovR0, kExit}), value, size);
        expect_refused(builder, Status::Malformed, "is not a named sequence of 8-byte slots");
    }
}

TEST(ReadObjectRefuses, OverlappingFunctions) {
    ElfBuilder builder;
    const auto section = builder.add_code("xdp", {kMovR0, kMovR0, kExit});
    builder.add_function("first", section, 0, 24);
    builder.add_function("second", section, 16, 8);
    expect_refused(builder, Status::Malformed, "offset 16: functions 'first' and 'second' overlap");
}

TEST(ReadObjectRefuses, ProgramsOfOneName) {
    ElfBuilder builder;
    const auto section = builder.add_code("xdp", {kMovR0, kExit, kMovR0, kExit});
    builder.add_function("prog", section, 0, 16);
    builder.add_function("prog", section, 16, 16);
    expect_refused(builder, Status::Malformed, "program 'prog' is defined twice");
}

TEST(ReadObjectRefuses, ExecutableSectionsOfOneName) {
    ElfBuilder builder;
    builder.add_code("xdp", {kExit});
    builder.add_code("xdp", {kExit});
    expect_refused(builder, Status::Malformed,
                   "section 2 ('xdp'): executable section of a name that exists twice");
}

TEST(ReadObjectRefuses, JumpsOutOfAFunction) {
    auto builder = with_program({kMovR0, {0x05, 0, 1, 0}, kExit});
    expect_refused(builder, Status::JumpOutOfRange,
                   "function 'prog' instruction 1: jump to 3 leaves the function of 3 slots");
    auto backwards = with_program({kMovR0, {0x15, 0, -3, 0}, kExit});
    expect_refused(backwards, Status::JumpOutOfRange, "jump to -1 leaves");
    auto by_immediate = with_program({kMovR0, {0x06, 0, 0, std::numeric_limits<std::int32_t>::max()}, kExit});
    expect_refused(by_immediate, Status::JumpOutOfRange, "jump to 2147483649 leaves");
}

TEST(ReadObjectRefuses, HalfAWideImmediate) {
    auto builder = with_program({kMovR0, kWide});
    expect_refused(builder, Status::Malformed, "instruction 1: second slot of a wide immediate is missing");
}

TEST(ReadObjectRefuses, ReferencesWithoutRelocation) {
    for (const unsigned kind : {1U, 2U, 5U, 6U, 7U, 15U}) {
        auto builder =
            with_program({{0x18, static_cast<std::uint8_t>((kind << 4U) | 1U), 0, 0}, kTail, kExit});
        expect_refused(builder, Status::NotSupported,
                       "wide immediate of kind " + std::to_string(kind) + " without");
    }
}

TEST(ReadObjectRefuses, UnknownRelocationTypes) {
    for (const std::uint32_t type : {0U, 2U, 3U, 4U, 77U}) {
        auto builder = with_program({kWide, kTail, kExit});
        builder.add_relocations(kXdp, {relocation(0, type, 1)});
        expect_refused(builder, Status::NotSupported,
                       "section 1 ('xdp'): offset 0: relocation type " + std::to_string(type) +
                           " is not supported in code");
    }
}

TEST(ReadObjectRefuses, RelocationsThatDoNotFitTheInstruction) {
    auto move = with_program({kMovR0, kExit});
    move.add_relocations(kXdp, {relocation(0, kRelocation64, 1)});
    expect_refused(move, Status::Malformed, "relocation type 1 does not fit opcode 0xb7");
    auto call = with_program({kCallLocal, kExit});
    call.add_relocations(kXdp, {relocation(0, kRelocation64, 1)});
    expect_refused(call, Status::Malformed, "relocation type 1 does not fit a call");
    auto wide = with_program({kWide, kTail, kExit});
    wide.add_relocations(kXdp, {relocation(0, kRelocationCall, 1)});
    expect_refused(wide, Status::Malformed, "relocation type 10 does not fit a wide immediate");
    auto helper = with_program({{0x85, 0, 0, 5}, kExit});
    helper.add_relocations(kXdp, {relocation(0, kRelocationCall, 1)});
    expect_refused(helper, Status::Malformed, "relocation type 10 does not fit opcode 0x85 with src 0");
}

TEST(ReadObjectRefuses, RelocationsBetweenInstructions) {
    auto unaligned = with_program({kWide, kTail, kExit});
    unaligned.add_relocations(kXdp, {relocation(4, kRelocation64, 1)});
    expect_refused(unaligned, Status::Malformed, "offset 4: relocation is not at an 8-byte slot");
    auto second_half = with_program({kWide, kTail, kExit});
    second_half.add_relocations(kXdp, {relocation(8, kRelocation64, 1)});
    expect_refused(second_half, Status::Malformed,
                   "offset 8: relocation of symbol 1 is not at an instruction of any function");
    auto twice = with_program({kWide, kTail, kExit});
    twice.add_relocations(kXdp, {relocation(0, kRelocation64, 1), relocation(0, kRelocation64, 1)});
    expect_refused(twice, Status::Malformed, "offset 0: two relocations of one instruction");
}

// The hole of a well-known loader: records for code that belongs to no program were applied to the program
// before it.
TEST(ReadObjectRefuses, RelocationsBehindTheLastFunction) {
    ElfBuilder builder;
    const auto section = builder.add_code("xdp", {kMovR0, kExit, kWide, kTail, kExit});
    builder.add_function("prog", section, 0, 16);
    const auto symbol = add_legacy_map(builder, words({1, 4, 4, 1, 0}));
    builder.add_relocations(section, {relocation(16, kRelocation64, symbol)});
    expect_refused(builder, Status::Malformed,
                   "offset 16: relocation of symbol 2 is not at an instruction of any function");
}

TEST(ReadObjectRefuses, ExternSymbols) {
    auto variable = with_program({kWide, kTail, kExit});
    const auto missing = variable.add_symbol("config", SymbolKind::None, SymbolBinding::Global, 0, 0, 0);
    variable.add_relocations(kXdp, {relocation(0, kRelocation64, missing)});
    expect_refused(variable, Status::UnresolvedSymbol,
                   "extern symbol 'config' is not defined in this object");
    auto function = with_program({kCallLocal, kExit});
    const auto callee = function.add_symbol("helper", SymbolKind::None, SymbolBinding::Weak, 0, 0, 0);
    function.add_relocations(kXdp, {relocation(0, kRelocationCall, callee)});
    expect_refused(function, Status::UnresolvedSymbol,
                   "section 1 ('xdp'): function 'prog' instruction 0: extern symbol 'helper' is not defined");
}

TEST(ReadObjectRefuses, ReferencesToOtherThings) {
    auto code = with_program({{0x18, 1, 0, 16}, kTail, kExit});
    code.add_relocations(kXdp, {relocation(0, kRelocation64, 1)});
    expect_refused(code, Status::Malformed,
                   "takes the address of section 1 ('xdp') offset 16, where no function begins");
    auto other = with_program({kWide, kTail, kExit});
    const auto section = other.add_section(".comment", elf::kSectionProgBits, 0, Bytes(8));
    other.add_relocations(
        kXdp,
        {relocation(0, kRelocation64,
                    other.add_symbol("note", SymbolKind::Object, SymbolBinding::Global, section, 0, 8))});
    expect_refused(other, Status::NotSupported,
                   "refers to symbol 'note' in section 2 ('.comment'), which is neither a map nor");
    auto common = with_program({kWide, kTail, kExit});
    common.add_relocations(kXdp,
                           {relocation(0, kRelocation64,
                                       common.add_symbol("shared", SymbolKind::Object, SymbolBinding::Global,
                                                         elf::kIndexCommon, 8, 8))});
    expect_refused(common, Status::NotSupported,
                   "symbol 'shared' is absolute or common (section index 0xfff2)");
}

TEST(ReadObject, AddressesOfFunctionsMakeThemSubprograms) {
    ElfBuilder builder;
    const auto text = builder.add_code(".text", {kMovR0, kExit, kMovR0, kExit});
    const auto second =
        builder.add_symbol("second", SymbolKind::Function, SymbolBinding::Local, text, 16, 16);
    const auto section = builder.add_symbol("", SymbolKind::Section, SymbolBinding::Local, text, 0, 0);
    builder.add_symbol("first", SymbolKind::Function, SymbolBinding::Local, text, 0, 16);
    // By a section and a distance, as clang names static functions, and by a name.
    const auto xdp = builder.add_code(
        "xdp", {{0x18, 1, 0, 0}, kTail, {0x18, 2, 0, 16}, kTail, {0x18, 3, 0, 0}, kTail, kExit});
    builder.add_function("prog", xdp, 0, 56);
    builder.add_relocations(xdp,
                            {relocation(0, kRelocation64, section), relocation(16, kRelocation64, section),
                             relocation(32, kRelocation64, second)});
    const auto object = read(builder);
    ASSERT_TRUE(object) << object.error().message();
    const ProgramSpec& program = object->programs.at(0);
    ASSERT_EQ(program.subprograms.size(), 3U);
    EXPECT_EQ(program.subprograms[1].name, "first");
    EXPECT_EQ(program.subprograms[1].slot, 7U);
    EXPECT_EQ(program.subprograms[2].slot, 9U);
    const auto slot = [&](std::size_t index) {
        SlotBytes value;
        std::memcpy(&value, program.bytecode.data() + index * sizeof(value), sizeof(value));
        return value;
    };
    constexpr int kExpected[][2] = {{0, 6}, {2, 6}, {4, 4}};  // slot, distance from the next one
    for (const auto& [at, distance] : kExpected) {
        EXPECT_EQ(slot(static_cast<std::size_t>(at)).registers >> 4U, 4) << at;
        EXPECT_EQ(slot(static_cast<std::size_t>(at)).imm, distance) << at;
        EXPECT_EQ(slot(static_cast<std::size_t>(at) + 1).imm, 0) << at;
    }
}

TEST(ReadObjectRefuses, ReferencesIntoTheMiddleOfAMap) {
    auto builder = with_program({{0x18, 1, 0, 4}, kTail, kExit});
    builder.add_relocations(kXdp,
                            {relocation(0, kRelocation64, add_legacy_map(builder, words({1, 4, 4, 1, 0})))});
    expect_refused(builder, Status::Malformed,
                   "symbol 'table' with addend 4 points to offset 4 of section 2 ('maps')");
}

TEST(ReadObjectRefuses, ReferencesOutsideGlobalData) {
    for (const std::int32_t addend : {4, 8, -5, std::numeric_limits<std::int32_t>::min()}) {
        auto builder = with_program({{0x18, 1, 0, addend}, {0, 0, 0, addend < 0 ? -1 : 0}, kExit});
        const auto section = builder.add_section(".data", elf::kSectionProgBits, kData, Bytes(8));
        const auto symbol =
            builder.add_symbol("counter", SymbolKind::Object, SymbolBinding::Global, section, 4, 4);
        builder.add_relocations(kXdp, {relocation(0, kRelocation64, symbol)});
        expect_refused(builder, Status::Malformed, "symbol 'counter' with addend " + std::to_string(addend));
    }
}

TEST(ReadObjectRefuses, CallsToOtherPlaces) {
    auto outside = with_program({{0x85, 0x10, 0, 5}, kExit});
    expect_refused(outside, Status::Malformed, "calls section 1 ('xdp') offset 48, where no function begins");
    auto before = with_program({{0x85, 0x10, 0, -9}, kExit});
    expect_refused(before, Status::Malformed, "offset -64, where no function begins");
    ElfBuilder middle;
    const auto text = middle.add_code(".text", {kMovR0, kExit});
    middle.add_function("sub", text, 0, 16);
    const auto xdp = middle.add_code("xdp", {{0x85, 0x10, 0, 0}, kExit});
    middle.add_function("prog", xdp, 0, 16);
    middle.add_relocations(xdp, {relocation(0, kRelocationCall, 1)});
    expect_refused(middle, Status::Malformed, "calls section 1 ('.text') offset 8, where no function begins");
}

TEST(ReadObjectRefuses, SubprogramSectionsThatNobodyCalls) {
    ElfBuilder called;
    const auto library = called.add_code("library", {kMovR0, kExit});
    const auto symbol = called.add_function("sub", library, 0, 16);
    const auto xdp = called.add_code("xdp", {kCallLocal, kExit});
    called.add_function("prog", xdp, 0, 16);
    called.add_relocations(xdp, {relocation(0, kRelocationCall, symbol)});
    const auto object = read(called);
    ASSERT_TRUE(object) << object.error().message();
    ASSERT_EQ(object->programs.size(), 1U);
    EXPECT_EQ(object->programs[0].bytecode, code_of({{0x85, 0x10, 0, 1}, kExit, kMovR0, kExit}));
    called.add_function("other", called.add_code("unused", {kExit}), 0, 8);
    expect_refused(called, Status::NotSupported,
                   "('unused'): function 'other': the section name selects no program type");
}

TEST(ReadObjectRefuses, LegacyMapsOfOtherShapes) {
    const auto expect_map_refused = [](Bytes bytes, std::string_view message) {
        auto builder = with_program({kMovR0, kExit});
        add_legacy_map(builder, std::move(bytes));
        expect_refused(builder, Status::NotSupported, message);
    };
    expect_map_refused(words({1, 4, 4, 1}),
                       "map 'table': definition of 16 bytes (struct bpf_map_def without flags)");
    expect_map_refused(words({1, 4, 4, 1, 0, 0, 3}), "inner_map_idx and numa_node) sets byte 24");
    expect_map_refused(words({1, 4, 4, 1, 0, 0, 1, 0}), "(eBPF for Windows' map definition");
    expect_map_refused(words({1, 4, 4, 1, 0, 0, 2, 0, 0}),
                       "(iproute2's struct bpf_elf_map with id, pinning and inner map) sets byte 24");
    expect_map_refused(words({77, 4, 4, 1, 0}), "map 'table': map type 77 is not supported");
}

TEST(ReadObjectRefuses, NothingOfLongerLegacyMapsWhoseRestIsZero) {
    auto builder = with_program({kMovR0, kExit});
    add_legacy_map(builder, words({1, 4, 16, 9, 1, 0, 0, 0, 0}));
    const auto object = read(builder);
    ASSERT_TRUE(object) << object.error().message();
    EXPECT_EQ(object->maps.at(0).shape, (spec::MapShape{spec::MapType::Hash, 4, 16, 9, 1}));
}

TEST(ReadObjectRefuses, MapsInSectionsOfTheirOwn) {
    auto builder = with_program({kMovR0, kExit});
    builder.add_section("maps/table", elf::kSectionProgBits, kData, Bytes(20));
    expect_refused(builder, Status::NotSupported, "section 2 ('maps/table'): maps in sections of their own");
}

TEST(ReadObjectRefuses, HugeGlobalDataWithoutReadingIt) {
    auto builder = with_program({kMovR0, kExit});
    const auto bss = builder.add_section(".bss", elf::kSectionNoBits, kData, {});
    builder.header(bss).bytes = std::uint64_t{1} << 60U;
    expect_refused(builder, Status::LimitExceeded,
                   "section 2 ('.bss'): 1152921504606846976 bytes of global data");
}

TEST(ReadObjectRefuses, AddressesInGlobalData) {
    auto builder = with_program({kMovR0, kExit});
    const auto data = builder.add_section(".data", elf::kSectionProgBits, kData, Bytes(16));
    builder.add_relocations(data, {relocation(8, 2, 1)});
    expect_refused(builder, Status::NotSupported,
                   "section 2 ('.data'): offset 8 holds the address of 'prog'");
}

TEST(ReadObjectRefuses, WrongVersionSections) {
    auto builder = with_program({kMovR0, kExit});
    builder.add_section("version", elf::kSectionProgBits, kData, Bytes(3));
    expect_refused(builder, Status::Malformed, "3 bytes are not a 4-byte version number");
}

TEST(ReadObjectRefuses, LongLicences) {
    auto builder = with_program({kMovR0, kExit});
    builder.add_section("license", elf::kSectionProgBits, kData, bytes_of(std::string(200, 'G')));
    expect_refused(builder, Status::LimitExceeded, "licence of 200 bytes");
}

TEST(ReadObjectRefuses, ProgramsThatGrowBeyondTheLimit) {
    // 1,000 programs that all call one subprogram of 8,000 slots: more than 2^22 slots once linked.
    constexpr std::uint32_t kPrograms = 1000;
    constexpr std::uint32_t kSubprogramSlots = 8000;
    ElfBuilder builder;
    Bytes sub;
    for (std::uint32_t i = 0; i < kSubprogramSlots; ++i) append(sub, kMovR0);
    const auto text = builder.add_section(".text", elf::kSectionProgBits, kCode, std::move(sub));
    const auto symbol = builder.add_function("sub", text, 0, kSubprogramSlots * sizeof(SlotBytes));
    Bytes programs;
    std::vector<elf::RelocationRecord> records;
    for (std::uint32_t i = 0; i < kPrograms; ++i) {
        records.push_back(relocation(programs.size(), kRelocationCall, symbol));
        append(programs, kCallLocal);
        append(programs, kExit);
    }
    const auto xdp = builder.add_section("xdp", elf::kSectionProgBits, kCode, std::move(programs));
    for (std::uint32_t i = 0; i < kPrograms; ++i)
        builder.add_function("prog" + std::to_string(i), xdp, std::uint64_t{i} * 16, 16);
    builder.add_relocations(xdp, records);
    expect_refused(builder, Status::LimitExceeded,
                   "the programs of the object together have more than 4194304 instructions");
}

/// An object with one map `flows` in .maps, described by BTF with the members that `describe` adds.
template <typename Describe>
ElfBuilder with_btf_map(Describe describe) {
    auto builder = with_program({kMovR0, kExit});
    const auto maps = builder.add_section(".maps", elf::kSectionProgBits, kData, Bytes(32));
    builder.add_symbol("flows", SymbolKind::Object, SymbolBinding::Global, maps, 0, 32);
    BtfBuilder btf;
    const auto type = describe(btf);
    btf.add_data_section(".maps", {btf.add_variable("flows", type)});
    builder.add_section(".BTF", elf::kSectionProgBits, 0, btf.build());
    return builder;
}

TEST(ReadObjectRefuses, NothingOfAMapInBtf) {
    auto builder = with_btf_map([](BtfBuilder& btf) {
        return btf.add_struct("", 32,
                              {{"type", btf.add_number(1)},
                               {"max_entries", btf.add_number(5)},
                               {"key", btf.add_pointer(btf.add_int(4))},
                               {"value_size", btf.add_number(24)},
                               {"numa_node", btf.add_number(0)}});
    });
    const auto object = read(builder);
    ASSERT_TRUE(object) << object.error().message();
    EXPECT_EQ(object->maps.at(0).shape, (spec::MapShape{spec::MapType::Hash, 4, 24, 5, 0}));
}

TEST(ReadObjectRefuses, MapsThatBtfDescribesWrongly) {
    const auto expect_map_refused = [](auto describe, Status status, std::string_view message) {
        auto builder = with_btf_map(describe);
        expect_refused(builder, status,
                       std::string("section 2 ('.maps'): map 'flows': ") + std::string(message));
    };
    expect_map_refused([](BtfBuilder& btf) { return btf.add_int(4); }, Status::Malformed,
                       "its type 1 is of kind 1, not a struct");
    expect_map_refused([](BtfBuilder& btf) { return btf.add_struct("", 0, {}); }, Status::Malformed,
                       "it has no member 'type'");
    expect_map_refused([](BtfBuilder& btf) { return btf.add_struct("", 8, {{"type", btf.add_int(4)}}); },
                       Status::Malformed, "member 'type': is not a number");
    expect_map_refused([](BtfBuilder& btf) { return btf.add_struct("", 8, {{"type", btf.add_number(30)}}); },
                       Status::NotSupported, "map type 30 is not supported");
    expect_map_refused([](BtfBuilder& btf) { return btf.add_struct("", 8, {{"colour", btf.add_number(1)}}); },
                       Status::NotSupported, "member 'colour': is not supported");
    expect_map_refused(
        [](BtfBuilder& btf) { return btf.add_struct("", 8, {{"pinning", btf.add_number(2)}}); },
        Status::NotSupported, "member 'pinning': 2 is neither 0 (none) nor 1 (by name)");
    expect_map_refused(
        [](BtfBuilder& btf) { return btf.add_struct("", 8, {{"numa_node", btf.add_number(1)}}); },
        Status::NotSupported, "member 'numa_node': 1 is not supported, only 0");
    expect_map_refused(
        [](BtfBuilder& btf) {
            return btf.add_struct("", 8, {{"values", btf.add_array(btf.add_pointer(0), 0)}});
        },
        Status::NotSupported, "member 'values': initial programs or inner maps are not supported");
    expect_map_refused([](BtfBuilder& btf) { return btf.add_struct("", 8, {{"key", btf.add_int(4)}}); },
                       Status::Malformed, "member 'key': is not a pointer to a type");
    expect_map_refused([](BtfBuilder& btf) { return btf.add_struct("", 8, {{"key", btf.add_pointer(0)}}); },
                       Status::Malformed, "member 'key': type 0 of kind 0 has no size");
    expect_map_refused(
        [](BtfBuilder& btf) {
            return btf.add_struct(
                "", 16, {{"key", btf.add_pointer(btf.add_int(4))}, {"key_size", btf.add_number(8)}});
        },
        Status::Malformed, "member 'key_size': says 8 bytes where another member says 4");
}

TEST(ReadObjectRefuses, RunConfigsThatItDoesNotUnderstand) {
    const auto expect_config_refused = [](std::string_view variable, auto describe, Status status,
                                          std::string_view message) {
        auto builder = with_program({kMovR0, kExit});
        BtfBuilder btf;
        const auto type = describe(btf);
        btf.add_data_section(".xdp_run_config", {btf.add_variable(variable, type)});
        builder.add_section(".BTF", elf::kSectionProgBits, 0, btf.build());
        expect_refused(builder, status,
                       "section '.xdp_run_config': '" + std::string(variable) + "'" + std::string(message));
    };
    const auto number = [](std::string_view name) {
        return [name](BtfBuilder& btf) { return btf.add_struct("", 8, {{name, btf.add_number(1)}}); };
    };
    expect_config_refused(
        "_prog", [](BtfBuilder& btf) { return btf.add_int(4); }, Status::Malformed,
        ": its type 1 is of kind 1, not a struct");
    expect_config_refused("_prog", number("colour"), Status::NotSupported,
                          ": member 'colour': is neither 'priority' nor an action such as XDP_PASS");
    expect_config_refused(
        "_prog", [](BtfBuilder& btf) { return btf.add_struct("", 4, {{"priority", btf.add_int(4)}}); },
        Status::Malformed, ": member 'priority': is not a number");
    expect_config_refused("_other", number("priority"), Status::Malformed,
                          ": there is no XDP program of this name");
    expect_config_refused("prog", number("priority"), Status::Malformed,
                          " is no variable of the form _PROGRAM");
}

TEST(ReadObjectRefuses, MapsWithoutBtf) {
    auto builder = with_program({kMovR0, kExit});
    builder.add_section(".maps", elf::kSectionProgBits, kData, Bytes(32));
    expect_refused(builder, Status::Malformed,
                   "section 2 ('.maps'): there is no section .BTF to describe the maps (compile with -g)");
}

TEST(ReadObjectRefuses, MapsWithoutSymbol) {
    auto builder = with_program({kMovR0, kExit});
    builder.add_section(".maps", elf::kSectionProgBits, kData, Bytes(32));
    BtfBuilder btf;
    btf.add_data_section(".maps",
                         {btf.add_variable("flows", btf.add_struct("", 8, {{"type", btf.add_number(1)}}))});
    builder.add_section(".BTF", elf::kSectionProgBits, 0, btf.build());
    expect_refused(builder, Status::Malformed, "map 'flows': no symbol has this name");
}

/// .BTF with one string "xdp" and .BTF.ext with one table of `words` at position `table` (0 functions, 1
/// lines, 2 CO-RE).
void add_ext(ElfBuilder& builder, int table, std::initializer_list<std::uint32_t> records) {
    BtfBuilder btf;
    const auto xdp = btf.add_string("xdp");
    builder.add_section(".BTF", elf::kSectionProgBits, 0, btf.build());
    Bytes contents;
    const Bytes body = words(records);
    const auto size = static_cast<std::uint32_t>(body.size());
    append(contents, std::uint32_t{0x0001eb9f});
    append(contents, std::uint32_t{32});
    for (int i = 0; i < 3; ++i) {
        append(contents, std::uint32_t{0});
        append(contents, i == table ? size : 0U);
    }
    contents.insert(contents.end(), body.begin(), body.end());
    // The second word of the table names the section.
    patch(contents, 36, xdp);
    builder.add_section(".BTF.ext", elf::kSectionProgBits, 0, std::move(contents));
}

TEST(ReadObjectRefuses, CoreRelocations) {
    auto builder = with_program({kMovR0, kExit});
    add_ext(builder, 2, {16, 0, 2, 0, 0, 0, 0, 8, 0, 0, 0});
    expect_refused(builder, Status::NotSupported,
                   "section 'xdp': its code needs 2 CO-RE relocations, which are not supported");
}

TEST(ReadObjectRefuses, LinesOutsideTheirSection) {
    auto beyond = with_program({kMovR0, kExit});
    add_ext(beyond, 1, {16, 0, 1, 16, 0, 0, 7U << 10U});
    expect_refused(beyond, Status::Malformed,
                   "section '.BTF.ext': line 7 is at offset 16 of section 1 ('xdp') of 16 bytes");
    auto between = with_program({kMovR0, kExit});
    add_ext(between, 1, {16, 0, 1, 4, 0, 0, 7U << 10U});
    expect_refused(between, Status::Malformed, "line 7 is at offset 4");
}

TEST(ReadObjectRefuses, ExtWithoutTypes) {
    auto builder = with_program({kMovR0, kExit});
    builder.add_section(".BTF.ext", elf::kSectionProgBits, 0, Bytes(32));
    expect_refused(builder, Status::Malformed, "there is no section .BTF that it could refer to");
}

}  // namespace
}  // namespace ebpf::object
