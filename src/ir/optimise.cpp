// SPDX-License-Identifier: MIT
#include "ir/optimise.hpp"

#include "ir/branches.hpp"
#include "ir/combine.hpp"
#include "ir/drop_stores.hpp"
#include "ir/expand_hash.hpp"
#include "ir/expand_loops.hpp"
#include "ir/expand_maps.hpp"
#include "ir/inline.hpp"
#include "ir/loops.hpp"
#include "ir/number.hpp"
#include "ir/promote_frame.hpp"

namespace ebpf::ir {
namespace {

/// What makes other passes see more: constants, known values, plain control flow.
void tidy(Function& function, const engine::Bindings& bindings) {
    number_values(function, bindings);
    promote_frame(function, bindings);
    thread_jumps(function);
    number_values(function, bindings);
}

void optimise_function(Function& function, const engine::Bindings& bindings) {
    number_values(function, bindings);
    promote_frame(function, bindings);
    expand_maps(function, bindings);
    tidy(function, bindings);
    combine_loads(function, bindings);
    unroll_loops(function);
    expand_hash_lookups(function, bindings);
    tidy(function, bindings);
    combine_loads(function, bindings);
    combine_stores(function, bindings);
    drop_stores(function, bindings);
    make_selects(function);
    tidy(function, bindings);
    hoist_from_loops(function, bindings);
    number_values(function, bindings);
    balance_chains(function);
}

}  // namespace

void optimise(Module& module, const engine::Bindings& bindings) {
    expand_loops(module);
    inline_calls(module);
    for (Function& function : module.functions) optimise_function(function, bindings);
}

}  // namespace ebpf::ir
