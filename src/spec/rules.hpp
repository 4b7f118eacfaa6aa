// SPDX-License-Identifier: MIT
// Verifier rules: stable ids, titles, explanations. Constant data only; how they are proven is in check/.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ebpf::spec {

/// A property that the verifier proves of every accepted program. The value is the stable number of the rule.
enum class Rule : std::uint16_t {
    None = 0,
#define EBPF_RULE(name, number, category, title, explanation, fix) name = number,
#include "spec/rules.def"
#undef EBPF_RULE
};

struct RuleSpec {
    Rule rule;
    char id[5];  ///< "V017", with NUL
    const char* category;
    const char* title;        ///< the property, as a sentence that holds
    const char* explanation;  ///< what a refusal by this rule means
    const char* fix;          ///< the usual fix
};

/// Returns all rows of rules.def by ascending number. Threads: any.
std::span<const RuleSpec> rules() noexcept;

/// Returns the row of `rule`. Requires: rule is not None.
const RuleSpec& rule_spec(Rule rule) noexcept;

/// Returns the row whose id is `id` ("V017"), or nullptr.
const RuleSpec* find_rule(std::string_view id) noexcept;

}  // namespace ebpf::spec
