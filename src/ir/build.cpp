// SPDX-License-Identifier: MIT
#include "ir/build.hpp"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "ir/layout.hpp"
#include "ir/normalise.hpp"
#include "ir/slot_blocks.hpp"
#include "ir/translate.hpp"

namespace ebpf::ir {
namespace {

constexpr std::uint32_t kProgramParameters = 2;  ///< r1 and r2, see engine::Invocation
constexpr RegisterMask kArguments = 0b11'1110;   ///< r1..r5

}  // namespace

Error to_error(const Refusal& refusal) {
    return {refusal.status, fmt::format("instruction {}: {} {}: {}", refusal.slot, refusal.what,
                                        refusal.value, status_text(refusal.status))};
}

std::expected<Module, Refusal> build(const Input& input) {
    auto layout = find_subprograms(input.code);
    if (!layout) return std::unexpected(layout.error());
    if (const auto checked = check_instructions(input.code, input.bindings); !checked)
        return std::unexpected(checked.error());
    std::vector<std::uint32_t> function_of(layout->subprograms.size(), kNone);
    std::uint32_t count = 0;
    // The program itself comes last among callees_first and first in the module.
    for (auto part = layout->callees_first.rbegin(); part != layout->callees_first.rend(); ++part)
        function_of[*part] = count++;
    Module module;
    module.functions.resize(count);
    for (const std::uint32_t index : layout->callees_first) {
        Subprogram& part = layout->subprograms[index];
        const auto blocks = find_blocks(input.code, *layout, part);
        const auto live = static_cast<unsigned>(blocks[0].live_in & kArguments);
        part.parameter_count = index == 0
                                   ? kProgramParameters
                                   : static_cast<std::uint32_t>(live == 0 ? 0 : std::bit_width(live) - 1);
        Function& function = module.functions[function_of[index]];
        function = translate({input, *layout, function_of}, blocks, part.parameter_count);
        normalise(function);
    }
    return module;
}

}  // namespace ebpf::ir
