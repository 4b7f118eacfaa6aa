// SPDX-License-Identifier: MIT
// The registry of RFC 9669, transcribed as data, against the forms that the table expands to: in both
// directions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "forms.hpp"

namespace ebpf::isa {
namespace {

using namespace testing;
using spec::Family;
using spec::Group;

struct Encoding {
    std::string opcode, src, offset, imm;
    auto operator<=>(const Encoding&) const = default;
};

void PrintTo(const Encoding& encoding, std::ostream* out) {
    *out << encoding.opcode << " src " << encoding.src << " offset " << encoding.offset << " imm "
         << encoding.imm;
}

using Registry = std::map<Encoding, std::string>;  // to the conformance group

Registry read_registry() {
    Registry registry;
    std::ifstream file(EBPF_SOURCE_DIR "/tests/vectors/isa/registry.tsv");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with('#')) continue;
        std::istringstream columns(line);
        Encoding encoding;
        std::string group;
        std::getline(columns, encoding.opcode, '\t');
        std::getline(columns, encoding.src, '\t');
        std::getline(columns, encoding.offset, '\t');
        std::getline(columns, encoding.imm, '\t');
        std::getline(columns, group, '\t');
        const bool is_new = registry.emplace(encoding, group).second;
        EXPECT_TRUE(is_new) << "row given twice: " << line;
    }
    return registry;
}

std::string column(FieldRule rule, std::int32_t selector) {
    switch (rule) {
        case FieldRule::Zero:
            return "0";
        case FieldRule::Fixed:
            return std::to_string(selector);
        case FieldRule::Register:
        case FieldRule::Writable:
        case FieldRule::Any:
        case FieldRule::JumpTarget:
            break;
    }
    return "any";
}

std::string group_name(Group group) {
    switch (group) {
        case Group::Base32:
            return "base32";
        case Group::Base64:
            return "base64";
        case Group::Atomic32:
            return "atomic32";
        case Group::Atomic64:
            return "atomic64";
        case Group::DivMul32:
            return "divmul32";
        case Group::DivMul64:
            return "divmul64";
        case Group::Packet:
            return "packet";
        case Group::Ordered:
            return "(Linux) ordered";
        case Group::CallRegister:
            return "(Linux) callx";
    }
    return "";
}

Registry expand_table() {
    constexpr char kDigits[] = "0123456789abcdef";
    Registry expanded;
    for (const Form form : all_forms()) {
        const FormSpec& row = spec::form_spec(form);
        const std::string opcode = std::string("0x") + kDigits[row.opcode >> 4U] + kDigits[row.opcode & 0xfU];
        const Encoding encoding{opcode, column(row.src, row.selector), column(row.offset, row.selector),
                                column(row.imm, row.selector)};
        const bool is_new = expanded.emplace(encoding, group_name(row.group)).second;
        EXPECT_TRUE(is_new) << form_name(form);
    }
    return expanded;
}

// What we have and the registry has not.
std::set<Encoding> additions() {
    return {
        // Sign-extending loads: defined in section 5.2 of the RFC, left out of its registry.
        {"0x81", "any", "any", "0"},
        {"0x89", "any", "any", "0"},
        {"0x91", "any", "any", "0"},
        // Linux's load-acquire and store-release of 1, 2, 4 and 8 bytes.
        {"0xd3", "any", "any", "256"},
        {"0xcb", "any", "any", "256"},
        {"0xc3", "any", "any", "256"},
        {"0xdb", "any", "any", "256"},
        {"0xd3", "any", "any", "272"},
        {"0xcb", "any", "any", "272"},
        {"0xc3", "any", "any", "272"},
        {"0xdb", "any", "any", "272"},
        // Call through a register: clang emits it, the RFC does not assign it.
        {"0x8d", "0", "0", "0"},
        // Linux puts the BTF object of a module's function into the offset.
        {"0x85", "2", "any", "any"},
    };
}

// What the registry has and we have not as a form.
std::set<Encoding> omissions() {
    return {
        {"0x00", "0", "0", "any"},  // second slot of a wide immediate: no instruction here
        {"0x85", "2", "0", "any"},  // see additions
    };
}

TEST(Registry, HasAllRows) {
    EXPECT_EQ(read_registry().size(), 168U);
}

TEST(Registry, EveryRowIsAForm) {
    const Registry expanded = expand_table();
    std::set<Encoding> missing;
    for (const auto& [encoding, group] : read_registry()) {
        const auto found = expanded.find(encoding);
        if (found == expanded.end()) {
            missing.insert(encoding);
        } else {
            EXPECT_EQ(found->second, group) << ::testing::PrintToString(encoding);
        }
    }
    EXPECT_EQ(missing, omissions());
}

TEST(Registry, EveryFormIsARow) {
    const Registry registry = read_registry();
    std::set<Encoding> extra;
    for (const auto& [encoding, group] : expand_table()) {
        if (!registry.contains(encoding)) extra.insert(encoding);
    }
    EXPECT_EQ(extra, additions());
}

}  // namespace
}  // namespace ebpf::isa
