// SPDX-License-Identifier: MIT
#include "spec/rules.hpp"

#include <array>

#include "base/assert.hpp"

namespace ebpf::spec {
namespace {

constexpr RuleSpec make_rule(Rule rule, unsigned number, const char* category, const char* title,
                             const char* explanation, const char* fix) {
    const auto digit = [](unsigned value) { return static_cast<char>('0' + value % 10); };
    return {rule,        {'V', digit(number / 100), digit(number / 10), digit(number), '\0'},
            category,    title,
            explanation, fix};
}

constexpr auto kRules = std::to_array<RuleSpec>({
#define EBPF_RULE(name, number, category, title, explanation, fix) \
    make_rule(Rule::name, number, category, title, explanation, fix),
#include "spec/rules.def"
#undef EBPF_RULE
});

consteval bool numbers_are_dense() {
    for (std::size_t i = 0; i < kRules.size(); ++i) {
        if (static_cast<std::size_t>(kRules[i].rule) != i + 1) return false;
    }
    return true;
}
static_assert(numbers_are_dense());

}  // namespace

std::span<const RuleSpec> rules() noexcept {
    return kRules;
}

const RuleSpec& rule_spec(Rule rule) noexcept {
    const auto number = static_cast<std::size_t>(rule);
    EBPF_ASSERT(number >= 1 && number <= kRules.size());
    return kRules[number - 1];
}

const RuleSpec* find_rule(std::string_view id) noexcept {
    for (const auto& row : kRules) {
        if (id == row.id) return &row;
    }
    return nullptr;
}

}  // namespace ebpf::spec
