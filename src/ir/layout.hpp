// SPDX-License-Identifier: MIT
// Where subprograms lie in the code, and the order in which to translate them.
#pragma once

#include <expected>
#include <vector>

#include "ir/build.hpp"

namespace ebpf::ir {

/// A subprogram: the run of slots from a call's target, or one whose address is taken, to the next one; the
/// program itself starts at slot 0.
struct Subprogram {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t parameter_count = 0;  ///< filled in when its body is read
};

struct Layout {
    std::vector<Subprogram> subprograms;  ///< by ascending slot; [0] is the program
    std::vector<std::uint32_t>
        callees_first;  ///< those that the program reaches, each after all it calls; the program last
    [[nodiscard]] std::uint32_t at(std::uint32_t slot) const;  ///< index of the one that begins at `slot`
};

/// Errors: those of build() about the shape of the code.
std::expected<Layout, Refusal> find_subprograms(const isa::Code& code);

/// Checks that engines know every instruction and that its map or helper is bound. Errors: those of build().
std::expected<void, Refusal> check_instructions(const isa::Code& code, const engine::Bindings& bindings);

/// Returns the slot that the jump or call at `slot` goes to.
inline std::uint32_t target_of(const isa::Instruction& instruction, std::uint32_t slot) {
    return static_cast<std::uint32_t>(isa::jump_target(instruction, instruction.spec(), std::int64_t{slot}));
}

/// Returns the slot whose address the LoadImm64 CodeAddress at `slot` takes. Requires: find_subprograms() has
/// accepted it.
inline std::uint32_t address_target_of(const isa::Instruction& instruction, std::uint32_t slot) {
    return static_cast<std::uint32_t>(isa::code_address_target(instruction, std::int64_t{slot}));
}

}  // namespace ebpf::ir
