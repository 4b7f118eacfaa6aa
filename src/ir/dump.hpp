// SPDX-License-Identifier: MIT
// The intermediate form as text, for messages of tests and for people.
#pragma once

#include <string>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// Returns one line a node: "v7 = Add.32 v3 v5".
std::string dump(const Function& function);
std::string dump(const Module& module);

}  // namespace ebpf::ir
