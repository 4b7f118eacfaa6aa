// SPDX-License-Identifier: MIT
// Every rule of the verifier has a vector that breaks it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "spec/programs.hpp"
#include "spec/rules.hpp"
#include "vectors/vector.hpp"

namespace ebpf::vectors {
namespace {

std::set<std::string, std::less<>> rules_of_vectors() {
    std::set<std::string, std::less<>> rules;
    for (const auto& entry : std::filesystem::directory_iterator(EBPF_SOURCE_DIR "/tests/vectors/verifier")) {
        if (entry.path().extension() != ".bpft") continue;
        std::ifstream stream(entry.path(), std::ios::binary);
        std::stringstream text;
        text << stream.rdbuf();
        const auto parsed = parse_vectors(text.str(), entry.path().filename().string());
        EXPECT_TRUE(parsed.has_value()) << entry.path();
        if (!parsed) continue;
        for (const Vector& vector : *parsed) {
            if (!vector.verdict || vector.verdict->is_accepted) continue;
            EXPECT_FALSE(vector.verdict->rule.empty()) << vector.file << ": " << vector.name << ": no rule";
            rules.insert(vector.verdict->rule);
        }
    }
    return rules;
}

// What no program can break: the verifier's own invariants, and the range of results while no type has one.
bool can_be_broken(spec::Rule rule) {
    if (rule == spec::Rule::Internal) return false;
    if (rule != spec::Rule::ReturnValue) return true;
    for (const spec::ProgramTypeSpec& type : spec::program_types()) {
        if (type.return_min <= type.return_max) return true;
    }
    return false;
}

TEST(RuleCoverage, EveryRuleIsBrokenByAVector) {
    const auto rules = rules_of_vectors();
    for (const spec::RuleSpec& rule : spec::rules()) {
        if (!can_be_broken(rule.rule)) continue;
        EXPECT_TRUE(rules.contains(std::string_view(rule.id))) << rule.id << ": " << rule.title;
    }
    for (const std::string& id : rules) EXPECT_NE(spec::find_rule(id), nullptr) << id;
}

}  // namespace
}  // namespace ebpf::vectors
