// SPDX-License-Identifier: MIT
// Every pass of the optimiser by name, for tests that run all of them.
#pragma once

#include <vector>

#include "support.hpp"

namespace ebpf::ir::test {

struct Pass {
    const char* name;
    Transform transform;
};

/// Building alone, each pass alone, and levels of optimisation.
const std::vector<Pass>& passes();

/// Makes a pass over functions one over modules.
template <typename Function>
Transform on_functions(Function pass) {
    return [pass](Module& module, const engine::Bindings& bindings) {
        for (auto& function : module.functions) pass(function, bindings);
    };
}

}  // namespace ebpf::ir::test
