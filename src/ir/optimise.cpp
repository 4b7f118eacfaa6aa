// SPDX-License-Identifier: MIT
#include "ir/optimise.hpp"

#include "ir/expand_maps.hpp"
#include "ir/inline.hpp"
#include "ir/number.hpp"
#include "ir/promote_frame.hpp"

namespace ebpf::ir {
namespace {

void optimise_fast(Function& function, const engine::Bindings& bindings) {
    expand_maps(function, bindings);
    number_values(function, bindings);
}

void optimise_fully(Function& function, const engine::Bindings& bindings) {
    number_values(function, bindings);
    promote_frame(function, bindings);
    expand_maps(function, bindings);
    number_values(function, bindings);
    promote_frame(function, bindings);
    number_values(function, bindings);
}

}  // namespace

void optimise(Module& module, const engine::Bindings& bindings, Level level) {
    if (level == Level::Full) inline_calls(module);
    for (Function& function : module.functions) {
        if (level == Level::Full) {
            optimise_fully(function, bindings);
        } else {
            optimise_fast(function, bindings);
        }
    }
}

}  // namespace ebpf::ir
