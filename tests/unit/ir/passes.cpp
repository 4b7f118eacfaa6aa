// SPDX-License-Identifier: MIT
#include "passes.hpp"

#include "ir/branches.hpp"
#include "ir/combine.hpp"
#include "ir/drop_stores.hpp"
#include "ir/expand_loops.hpp"
#include "ir/expand_maps.hpp"
#include "ir/inline.hpp"
#include "ir/loops.hpp"
#include "ir/number.hpp"
#include "ir/optimise.hpp"
#include "ir/promote_frame.hpp"

namespace ebpf::ir::test {

namespace {

template <typename Function>
Transform after_numbering(Function pass) {
    return on_functions([pass](ir::Function& function, const engine::Bindings& bindings) {
        number_values(function, bindings);
        pass(function, bindings);
    });
}

}  // namespace

const std::vector<Pass>& passes() {
    static const std::vector<Pass> kPasses{
        {"build", [](Module&, const engine::Bindings&) {}},
        {"number_values", on_functions(number_values)},
        {"number_values twice",
         [](Module& module, const engine::Bindings& bindings) {
             for (Function& function : module.functions) {
                 number_values(function, bindings);
                 number_values(function, bindings);
             }
         }},
        {"inline_calls", [](Module& module, const engine::Bindings&) { inline_calls(module); }},
        {"expand_loops", [](Module& module, const engine::Bindings&) { expand_loops(module); }},
        {"expand_loops, inline_calls",
         [](Module& module, const engine::Bindings&) {
             expand_loops(module);
             inline_calls(module);
         }},
        {"promote_frame", on_functions([](Function& function, const engine::Bindings& bindings) {
             number_values(function, bindings);
             promote_frame(function, bindings);
         })},
        {"expand_maps", on_functions(expand_maps)},
        {"combine_loads", after_numbering(combine_loads)},
        {"combine_stores", after_numbering(combine_stores)},
        {"drop_stores", after_numbering(drop_stores)},
        {"hoist_from_loops", after_numbering(hoist_from_loops)},
        {"unroll_loops",
         after_numbering([](Function& function, const engine::Bindings&) { unroll_loops(function); })},
        {"balance_chains",
         after_numbering([](Function& function, const engine::Bindings&) { balance_chains(function); })},
        {"make_selects",
         after_numbering([](Function& function, const engine::Bindings&) { make_selects(function); })},
        {"thread_jumps",
         after_numbering([](Function& function, const engine::Bindings&) { thread_jumps(function); })},
        {"optimise", [](Module& module, const engine::Bindings& bindings) { optimise(module, bindings); }},
        {"inline, promote, number",
         [](Module& module, const engine::Bindings& bindings) {
             inline_calls(module);
             for (Function& function : module.functions) {
                 number_values(function, bindings);
                 promote_frame(function, bindings);
                 number_values(function, bindings);
             }
         }},
    };
    return kPasses;
}

}  // namespace ebpf::ir::test
