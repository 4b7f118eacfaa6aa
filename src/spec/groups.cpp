// SPDX-License-Identifier: MIT
#include "spec/groups.hpp"

#include <array>

namespace ebpf::spec {
namespace {

constexpr std::array kGroups{
#define EBPF_GROUP(name, text_name) GroupSpec{Group::name, text_name},
#include "spec/groups.def"
#undef EBPF_GROUP
};

consteval GroupSet all_named() {
    GroupSet all;
    for (const GroupSpec& row : kGroups) all = all.with(row.group);
    return all;
}
static_assert(all_named().bits == kAllGroups.bits);

}  // namespace

std::span<const GroupSpec> groups() noexcept {
    return kGroups;
}

const GroupSpec* find_group(std::string_view name) noexcept {
    for (const GroupSpec& row : kGroups) {
        if (name == row.name) return &row;
    }
    return nullptr;
}

const char* group_name(Group group) noexcept {
    for (const GroupSpec& row : kGroups) {
        if (row.group == group) return row.name;
    }
    return "";
}

}  // namespace ebpf::spec
