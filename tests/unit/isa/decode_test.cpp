// SPDX-License-Identifier: MIT
// Everything that decode refuses, derived from the field rules of each form, and random bytes.
#include "isa/decode.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>

#include "forms.hpp"

namespace ebpf::isa {
namespace {

using namespace testing;

constexpr auto kAll = spec::kAllGroups;

/// A valid instance of `form` as its first slot and, for wide immediates, an empty second one.
Slot valid_slot(Form form) {
    return encode(instances(form, {0}).front()).slots[0];
}

std::vector<std::byte> program_with(Form form, const Slot& slot, const Slot& second = {}) {
    std::vector<std::byte> middle = bytes_of_slot(slot);
    if (spec::form_spec(form).slots == 2) append(middle, bytes_of_slot(second));
    return surrounded(middle);
}

void expect_refused(const std::vector<std::byte>& bytes, Status status, const std::string& field,
                    std::int64_t value, std::uint32_t slot = kPadding) {
    const auto code = decode(bytes, kAll);
    ASSERT_FALSE(code.has_value()) << "accepted " << field << " = " << value;
    EXPECT_STREQ(status_name(code.error().status), status_name(status)) << field << " = " << value;
    EXPECT_EQ(code.error().field, field);
    EXPECT_EQ(code.error().value, value);
    EXPECT_EQ(code.error().slot, slot);
}

struct Violation {
    std::int64_t value;
    Status status;
};

/// Values that break `rule` for a field that holds `least` to `most`.
std::vector<Violation> violations(FieldRule rule, std::int64_t least, std::int64_t most) {
    switch (rule) {
        case FieldRule::Zero:
            return {{1, Status::ReservedFieldSet},
                    {least == 0 ? 2 : least, Status::ReservedFieldSet},
                    {most, Status::ReservedFieldSet}};
        case FieldRule::Register:
            return {{11, Status::FieldOutOfRange}, {15, Status::FieldOutOfRange}};
        case FieldRule::Writable:
            return {
                {10, Status::FieldOutOfRange}, {11, Status::FieldOutOfRange}, {15, Status::FieldOutOfRange}};
        case FieldRule::Fixed:
        case FieldRule::Any:
        case FieldRule::JumpTarget:
            break;
    }
    return {};
}

Slot with_registers(Slot slot, std::int64_t dst, std::int64_t src) {
    slot.registers = static_cast<std::uint8_t>(static_cast<unsigned>(dst) | static_cast<unsigned>(src) << 4U);
    return slot;
}
Slot with_offset(Slot slot, std::int64_t offset) {
    slot.offset = static_cast<std::int16_t>(offset);
    return slot;
}
Slot with_imm(Slot slot, std::int64_t imm) {
    slot.imm = static_cast<std::int32_t>(imm);
    return slot;
}

TEST(Decode, RefusesEveryViolatedFieldRule) {
    std::size_t refused = 0;
    for (const Form form : all_forms()) {
        SCOPED_TRACE(form_name(form));
        const FormSpec& row = spec::form_spec(form);
        const Slot valid = valid_slot(form);
        for (const auto& [value, status] : violations(row.dst, 0, 15)) {
            expect_refused(program_with(form, with_registers(valid, value, valid.src())), status, "dst",
                           value);
            ++refused;
        }
        for (const auto& [value, status] : violations(row.src, 0, 15)) {
            expect_refused(program_with(form, with_registers(valid, valid.dst(), value)), status, "src",
                           value);
            ++refused;
        }
        for (const auto& [value, status] : violations(row.offset, -32768, 32767)) {
            expect_refused(program_with(form, with_offset(valid, value)), status, "offset", value);
            ++refused;
        }
        for (const auto& [value, status] : violations(row.imm, INT32_MIN, INT32_MAX)) {
            expect_refused(program_with(form, with_imm(valid, value)), status, "imm", value);
            ++refused;
        }
    }
    EXPECT_GT(refused, all_forms().size());
}

TEST(Decode, RefusesEverySelectorThatNoFormHas) {
    for (const Form form : all_forms()) {
        SCOPED_TRACE(form_name(form));
        const FormSpec& row = spec::form_spec(form);
        std::set<std::int64_t> taken;
        for (const Form other : spec::forms_of_opcode(row.opcode))
            taken.insert(spec::form_spec(other).selector);
        const bool is_reserved = taken == std::set<std::int64_t>{0};
        const Status status = is_reserved ? Status::ReservedFieldSet : Status::UnknownInstruction;
        const Slot valid = valid_slot(form);
        for (const std::int64_t value : {1, 2, 3, 7, 9, 15, 0x42, 0xe0, 0x7fff, -1}) {
            if (taken.contains(value)) continue;
            if (row.offset == FieldRule::Fixed) {
                expect_refused(program_with(form, with_offset(valid, value)), status, "offset", value);
            }
            if (row.imm == FieldRule::Fixed) {
                expect_refused(program_with(form, with_imm(valid, value)), status, "imm", value);
            }
            if (row.src == FieldRule::Fixed && value >= 0 && value <= 15) {
                expect_refused(program_with(form, with_registers(valid, valid.dst(), value)), status, "src",
                               value);
            }
        }
    }
}

TEST(Decode, RefusesFirstBytesWithoutForm) {
    unsigned unknown = 0;
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        const auto byte = static_cast<std::uint8_t>(opcode);
        if (!spec::forms_of_opcode(byte).empty()) continue;
        ++unknown;
        expect_refused(surrounded(bytes_of_slot({byte, 0, 0, 0})), Status::UnknownInstruction, "opcode",
                       byte);
    }
    EXPECT_GT(unknown, 50U);
}

TEST(Decode, RefusesFormsOfMissingGroups) {
    for (const Form form : all_forms()) {
        SCOPED_TRACE(form_name(form));
        const FormSpec& row = spec::form_spec(form);
        const auto middle = bytes_of(instances(form, {0}).front());
        const auto code = decode(middle, kAll.without(row.group));
        ASSERT_FALSE(code.has_value());
        const bool is_jump = row.offset == FieldRule::JumpTarget || row.imm == FieldRule::JumpTarget;
        EXPECT_EQ(code.error().status, Status::GroupNotSupported);
        EXPECT_EQ(code.error().group, row.group);
        EXPECT_EQ(code.error().slot, 0U);
        if (is_jump) continue;
        EXPECT_TRUE(decode(middle, spec::GroupSet{}.with(row.group)).has_value());
    }
}

TEST(Decode, RefusesJumpsOutOfTheProgram) {
    std::size_t jumps = 0;
    for (const Form form : all_forms()) {
        SCOPED_TRACE(form_name(form));
        const FormSpec& row = spec::form_spec(form);
        const bool in_offset = row.offset == FieldRule::JumpTarget;
        if (!in_offset && row.imm != FieldRule::JumpTarget) continue;
        ++jumps;
        const auto padding = static_cast<std::int64_t>(kPadding);
        const std::int64_t widest = in_offset ? std::int64_t{32767} : std::int64_t{INT32_MAX};
        const auto jump = [&](std::int64_t distance) {
            return program_with(form, in_offset ? with_offset(valid_slot(form), distance)
                                                : with_imm(valid_slot(form), distance));
        };
        for (const std::int64_t distance : {padding, padding + 1, -padding - 2, widest, -widest - 1}) {
            expect_refused(jump(distance), Status::JumpOutOfRange, in_offset ? "offset" : "imm", distance);
        }
        EXPECT_TRUE(decode(jump(padding - 1), kAll).has_value());
        EXPECT_TRUE(decode(jump(-padding - 1), kAll).has_value());
    }
    EXPECT_EQ(jumps, 47U);  // 44 branches, goto, gotol, local call
}

TEST(Decode, RefusesJumpsIntoAWideImmediate) {
    for (const Form form : all_forms()) {
        SCOPED_TRACE(form_name(form));
        const FormSpec& row = spec::form_spec(form);
        const bool in_offset = row.offset == FieldRule::JumpTarget;
        if (!in_offset && row.imm != FieldRule::JumpTarget) continue;
        const Slot slot = in_offset ? with_offset(valid_slot(form), 1) : with_imm(valid_slot(form), 1);
        std::vector<std::byte> bytes = bytes_of_slot(slot);
        append(bytes, bytes_of_slot({0x18, 0, 0, 0}));
        append(bytes, bytes_of_slot({}));
        append(bytes, bytes_of_slot({0x95, 0, 0, 0}));
        expect_refused(bytes, Status::JumpIntoImmediate, in_offset ? "offset" : "imm", 1, 0);
    }
}

TEST(Decode, RefusesReservedFieldsOfTheSecondSlot) {
    for (const Form form : all_forms()) {
        const FormSpec& row = spec::form_spec(form);
        if (row.slots != 2) continue;
        SCOPED_TRACE(form_name(form));
        const auto refuse = [&](const Slot& second, const char* field, std::int64_t value) {
            expect_refused(program_with(form, valid_slot(form), second), Status::ReservedFieldSet, field,
                           value, kPadding + 1);
        };
        refuse({0x95, 0, 0, 0}, "opcode", 0x95);
        refuse({0, 0x01, 0, 0}, "dst", 1);
        refuse({0, 0x10, 0, 0}, "src", 1);
        refuse({0, 0, -1, 0}, "offset", -1);
        if (row.next_imm == FieldRule::Zero) refuse({0, 0, 0, 1}, "imm", 1);
    }
}

TEST(Decode, RefusesAWideImmediateWithoutSecondSlot) {
    expect_refused(bytes_of_slot({0x18, 0, 0, 7}), Status::TruncatedImmediate, "imm", 7, 0);
}

TEST(Decode, RefusesSizesThatAreNotWholeSlots) {
    for (const std::size_t size : {0U, 1U, 7U, 9U, 15U}) {
        const std::vector<std::byte> bytes(size);
        const auto code = decode(bytes, kAll);
        ASSERT_FALSE(code.has_value()) << size;
        EXPECT_EQ(code.error().status, Status::Truncated);
        EXPECT_EQ(code.error().value, static_cast<std::int64_t>(size));
    }
}

TEST(Decode, JoinsBothHalvesOfAWideImmediate) {
    std::vector<std::byte> bytes = bytes_of_slot({0x18, 0x03, 0, static_cast<std::int32_t>(0x89abcdef)});
    append(bytes, bytes_of_slot({0, 0, 0, 0x01234567}));
    const auto code = decode(bytes, kAll);
    ASSERT_TRUE(code.has_value());
    ASSERT_EQ(code->size(), 2U);
    EXPECT_EQ((*code)[0].imm, 0x0123456789abcdef);
    EXPECT_EQ((*code)[0].dst, 3);
    EXPECT_EQ((*code)[1].spec().family, spec::Family::WideTail);
}

TEST(Decode, LetsTheLastInstructionFallThrough) {
    EXPECT_TRUE(decode(bytes_of_slot({0xb7, 0, 0, 1}), kAll).has_value());
}

// Bytes that decode must be those that encode gives back; everything else is refused with a slot in the
// program.
TEST(Decode, SurvivesRandomBytes) {
    std::mt19937_64 random(20260114);
    std::size_t accepted = 0;
    for (int round = 0; round < 200'000; ++round) {
        const std::size_t slots = 1 + random() % 3;
        std::vector<std::byte> bytes(slots * 8 - (random() % 64 == 0 ? random() % 8 : 0));
        for (std::byte& byte : bytes)
            byte = static_cast<std::byte>(random() % 4 == 0 ? random() : random() % 2 * 0x95);
        const auto code = decode(bytes, kAll);
        if (!code) {
            ASSERT_NE(code.error().status, Status::Ok);
            ASSERT_LE(code.error().slot, slots);
            continue;
        }
        ++accepted;
        const auto again = encode(*code);
        ASSERT_TRUE(again.has_value());
        ASSERT_TRUE(std::ranges::equal(*again, bytes));
    }
    EXPECT_GT(accepted, 100U);
}

}  // namespace
}  // namespace ebpf::isa
