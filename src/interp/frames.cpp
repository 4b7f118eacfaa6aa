// SPDX-License-Identifier: MIT
#include "interp/frames.hpp"

#include <utility>

#include "base/try.hpp"

namespace ebpf::interp {
namespace {

using spec::Family;

// A subprogram is the run of slots from a call's target, or a place whose address is taken, to the next one;
// the program itself starts at slot 0.
struct Layout {
    FallibleVector<std::uint32_t> entry_of;  ///< by slot: first slot of its subprogram
    FallibleVector<std::uint8_t> depth;      ///< by first slot: frames of the deepest chain from there
};

std::size_t target_of(const isa::Instruction& instruction, std::size_t slot) {
    return static_cast<std::size_t>(
        isa::jump_target(instruction, instruction.spec(), static_cast<std::int64_t>(slot)));
}

std::unexpected<Status> refuse(Refusal& refusal, Status status, std::size_t slot, const char* what,
                               std::int64_t value) {
    refusal = {static_cast<std::uint32_t>(slot), what, value};
    return std::unexpected(status);
}

StatusOr<Layout> find_subprograms(const isa::Code& code, Refusal& refusal) {
    Layout layout;
    if (!layout.entry_of.resize(code.size()) || !layout.depth.resize(code.size())) {
        return std::unexpected(Status::OutOfMemory);
    }
    layout.depth[0] = 1;
    for (std::size_t slot = 0; slot < code.size(); ++slot) {
        if (code[slot].spec().family == Family::CallLocal) layout.depth[target_of(code[slot], slot)] = 1;
        if (!isa::takes_code_address(code[slot])) continue;
        const std::int64_t target = isa::code_address_target(code[slot], static_cast<std::int64_t>(slot));
        const bool is_inside = target >= 0 && target < static_cast<std::int64_t>(code.size());
        if (!is_inside || code[static_cast<std::size_t>(target)].spec().family == Family::WideTail)
            return refuse(refusal, Status::NotSupported, slot, "unresolved wide immediate of kind",
                          static_cast<std::int64_t>(spec::WideKind::CodeAddress));
        layout.depth[static_cast<std::size_t>(target)] = 1;
    }
    std::uint32_t entry = 0;
    for (std::size_t slot = 0; slot < code.size(); ++slot) {
        if (layout.depth[slot] != 0) entry = static_cast<std::uint32_t>(slot);
        layout.entry_of[slot] = entry;
    }
    return layout;
}

StatusOr<bool> check_borders(const isa::Code& code, const Layout& layout, Refusal& refusal) {
    for (std::size_t slot = 0; slot < code.size(); ++slot) {
        const spec::FormSpec& form = code[slot].spec();
        if (form.may_jump) {
            const std::size_t target = target_of(code[slot], slot);
            if (layout.entry_of[target] != layout.entry_of[slot]) {
                return refuse(refusal, Status::JumpOutOfRange, slot, "jump out of its subprogram",
                              static_cast<std::int64_t>(target));
            }
        }
        const bool is_last = slot + 1 == code.size() || layout.entry_of[slot + 1] == slot + 1;
        if (is_last && !form.ends_block) {
            return refuse(refusal, Status::JumpOutOfRange, slot,
                          "last instruction of a subprogram goes on to", static_cast<std::int64_t>(slot) + 1);
        }
    }
    return true;
}

}  // namespace

StatusOr<Frames> count_frames(const isa::Code& code, Refusal& refusal) noexcept {
    if (code.empty()) return refuse(refusal, Status::InvalidArgument, 0, "number of instructions", 0);
    EBPF_TRY(Layout layout, find_subprograms(code, refusal));
    EBPF_TRY([[maybe_unused]] const bool checked, check_borders(code, layout, refusal));
    // Each round lengthens every chain that is not complete; one that is longer than allowed shows within the
    // limit, and recursion is a chain without end.
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (std::size_t slot = 0; slot < code.size(); ++slot) {
            if (code[slot].spec().family != Family::CallLocal) continue;
            const unsigned frames = layout.depth[target_of(code[slot], slot)] + 1U;
            std::uint8_t& depth = layout.depth[layout.entry_of[slot]];
            if (frames <= depth) continue;
            if (frames > spec::kMaxCallFrames) {
                return refuse(refusal, Status::LimitExceeded, slot, "call frames", frames);
            }
            depth = static_cast<std::uint8_t>(frames);
            is_changed = true;
        }
    }
    Frames frames;
    frames.program = layout.depth[0];
    for (const isa::Instruction& instruction : code) {
        if (isa::takes_code_address(instruction)) frames.program = spec::kMaxCallFrames;
    }
    frames.of_function = std::move(layout.depth);
    return frames;
}

}  // namespace ebpf::interp
