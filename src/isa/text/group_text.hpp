// SPDX-License-Identifier: MIT
// Conformance groups on command lines.
#pragma once

#include <string>
#include <vector>

#include "spec/groups.hpp"

namespace ebpf::isa {

/// Returns the names of all groups.
inline std::vector<std::string> group_names() {
    std::vector<std::string> names;
    for (const spec::GroupSpec& group : spec::groups()) names.emplace_back(group.name);
    return names;
}

/// Returns the set of the groups with these names. Requires: each is one of group_names().
inline spec::GroupSet group_set(const std::vector<std::string>& names) {
    spec::GroupSet groups;
    for (const std::string& name : names) groups = groups.with(spec::find_group(name)->group);
    return groups;
}

}  // namespace ebpf::isa
