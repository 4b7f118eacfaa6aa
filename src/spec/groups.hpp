// SPDX-License-Identifier: MIT
// Names of conformance groups: what a host says that it supports, and what messages call them.
#pragma once

#include <span>
#include <string_view>

#include "spec/instructions.hpp"

namespace ebpf::spec {

struct GroupSpec {
    Group group;
    const char* name;
};

/// Returns all rows of groups.def.
std::span<const GroupSpec> groups() noexcept;
/// Returns the row of this name, or nullptr.
const GroupSpec* find_group(std::string_view name) noexcept;
const char* group_name(Group group) noexcept;

}  // namespace ebpf::spec
