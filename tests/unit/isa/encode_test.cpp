// SPDX-License-Identifier: MIT
// Encode and decode are inverse for every form, and every form is found by its operator.
#include "isa/encode.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "forms.hpp"
#include "isa/decode.hpp"

namespace ebpf::isa {
namespace {

using namespace testing;

TEST(Encode, DecodesToTheSameInstructionForEveryForm) {
    std::size_t compared = 0;
    for (const Form form : all_forms()) {
        SCOPED_TRACE(form_name(form));
        for (const Instruction& instruction : instances(form, {-4, -1, 0, 2})) {
            const auto code = decode(surrounded(bytes_of(instruction)), spec::kAllGroups);
            ASSERT_TRUE(code.has_value()) << status_name(code.error().status) << " " << code.error().field;
            ASSERT_EQ((*code)[kPadding], instruction);
            ++compared;
        }
    }
    EXPECT_GT(compared, 10'000U);
}

TEST(Encode, WritesAWholeProgram) {
    std::vector<std::byte> bytes;
    for (const Form form : all_forms()) append(bytes, bytes_of(instances(form, {0}).back()));
    append(bytes, bytes_of_slot({0x95, 0, 0, 0}));
    const auto code = decode(bytes, spec::kAllGroups);
    ASSERT_TRUE(code.has_value()) << code.error().slot;
    const auto again = encode(*code);
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(std::ranges::equal(*again, bytes));
}

TEST(Encode, FillsInTheSelector) {
    for (const Form form : all_forms()) {
        SCOPED_TRACE(form_name(form));
        Instruction bare;
        bare.form = form;
        const auto code = decode(surrounded(bytes_of(bare)), spec::kAllGroups);
        ASSERT_TRUE(code.has_value()) << status_name(code.error().status);
        EXPECT_EQ((*code)[kPadding].form, form);
    }
}

TEST(Encode, GivesASecondSlotNoBytes) {
    EXPECT_EQ(encode(Instruction{}).count, 0U);
}

TEST(FindForm, FindsEveryFormByItsOperator) {
    for (const Form form : all_forms()) {
        EXPECT_EQ(find_form(spec::form_spec(form)), form) << form_name(form);
    }
}

TEST(FindForm, KnowsWhatDoesNotExist) {
    using spec::Family;
    EXPECT_FALSE(find_form({.family = Family::MoveSx, .width = spec::Width::W32, .size = 4}).has_value());
    EXPECT_FALSE(find_form({.family = Family::LoadSx, .size = 8}).has_value());
    EXPECT_FALSE(
        find_form({.family = Family::Atomic, .atomic = spec::AtomicOp::Xchg, .size = 8}).has_value());
}

}  // namespace
}  // namespace ebpf::isa
