// SPDX-License-Identifier: MIT
#include "ir/layout.hpp"

#include <algorithm>

namespace ebpf::ir {
namespace {

using spec::Family;
using spec::WideKind;

std::unexpected<Refusal> refuse(Status status, std::size_t slot, const char* what, std::int64_t value) {
    return std::unexpected(Refusal{status, static_cast<std::uint32_t>(slot), what, value});
}

bool is_local_call(const isa::Instruction& instruction) {
    return instruction.spec().family == Family::CallLocal;
}

/// Returns the slots at which subprograms begin, ascending.
std::expected<std::vector<std::uint32_t>, Refusal> find_entries(const isa::Code& code) {
    std::vector<std::uint32_t> entries{0};
    for (std::uint32_t slot = 0; slot < code.size(); ++slot) {
        if (is_local_call(code[slot])) entries.push_back(target_of(code[slot], slot));
        if (!isa::takes_code_address(code[slot])) continue;
        const std::int64_t target = isa::code_address_target(code[slot], slot);
        const bool is_inside = target > 0 && target < static_cast<std::int64_t>(code.size());
        if (!is_inside || code[static_cast<std::size_t>(target)].spec().family == Family::WideTail)
            return refuse(Status::NotSupported, slot, "address of the code at instruction", target);
        entries.push_back(static_cast<std::uint32_t>(target));
    }
    std::ranges::sort(entries);
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    return entries;
}

/// Returns those subprograms whose address is taken by code that can be reached from the program, those that
/// were found last first: mostly, callbacks of callbacks come before these.
std::vector<std::uint32_t> find_callbacks(const isa::Code& code, const Layout& layout) {
    std::vector<bool> is_reached(layout.subprograms.size());
    std::vector<bool> is_callback(layout.subprograms.size());
    std::vector<std::uint32_t> callbacks;
    std::vector<std::uint32_t> work{0};
    is_reached[0] = true;
    while (!work.empty()) {
        const Subprogram part = layout.subprograms[work.back()];
        work.pop_back();
        for (std::uint32_t slot = part.begin; slot < part.end; ++slot) {
            const bool is_address = isa::takes_code_address(code[slot]);
            if (!is_address && !is_local_call(code[slot])) continue;
            const std::uint32_t index =
                layout.at(is_address ? address_target_of(code[slot], slot) : target_of(code[slot], slot));
            if (!is_reached[index]) work.push_back(index);
            is_reached[index] = true;
            if (is_address && !is_callback[index]) callbacks.push_back(index);
            is_callback[index] = is_callback[index] || is_address;
        }
    }
    std::ranges::reverse(callbacks);
    return callbacks;
}

std::expected<void, Refusal> check_borders(const isa::Code& code, const Subprogram& part) {
    for (std::uint32_t slot = part.begin; slot < part.end; ++slot) {
        const spec::FormSpec& form = code[slot].spec();
        if (form.may_jump) {
            const std::uint32_t target = target_of(code[slot], slot);
            if (target < part.begin || target >= part.end)
                return refuse(Status::JumpOutOfRange, slot, "jump out of its subprogram", target);
        }
        if (slot + 1 == part.end && !form.ends_block)
            return refuse(Status::JumpOutOfRange, slot, "last instruction of a subprogram goes on to",
                          std::int64_t{slot} + 1);
    }
    return {};
}

/// Visits calls depth first. The depth of the visit is the number of frames, so that chains that are too
/// long, recursion among them, show before they are followed further.
class CallOrder {
  public:
    CallOrder(const isa::Code& code, Layout& layout) : code_(code), layout_(layout) {
        height_.resize(layout.subprograms.size());
    }

    // Recursion here is bounded by kMaxCallFrames.
    std::expected<unsigned, Refusal> visit(std::uint32_t index, unsigned depth) {
        if (height_[index] != 0) return height_[index];
        const Subprogram& part = layout_.subprograms[index];
        unsigned height = 1;
        for (std::uint32_t slot = part.begin; slot < part.end; ++slot) {
            if (!is_local_call(code_[slot])) continue;
            if (depth + 1 > spec::kMaxCallFrames) return too_deep(slot, depth + 1);
            const auto below = visit(layout_.at(target_of(code_[slot], slot)), depth + 1);
            if (!below) return below;
            height = std::max(height, *below + 1);
            if (depth + *below > spec::kMaxCallFrames) return too_deep(slot, depth + *below);
        }
        height_[index] = height;
        layout_.callees_first.push_back(index);
        return height;
    }

  private:
    static std::unexpected<Refusal> too_deep(std::uint32_t slot, unsigned frames) {
        return refuse(Status::LimitExceeded, slot, "call frames", frames);
    }

    const isa::Code& code_;
    Layout& layout_;
    std::vector<unsigned> height_;  ///< by subprogram: frames of the deepest chain from there; 0: not visited
};

std::expected<void, Refusal> check_wide(const isa::Instruction& instruction, std::size_t slot,
                                        const engine::Bindings& bindings) {
    const WideKind kind = instruction.spec().wide;
    switch (kind) {
        case WideKind::Value:
        case WideKind::CodeAddress:  // find_subprograms() has looked at it
            return {};
        case WideKind::MapIndex:
        case WideKind::MapIndexValue: {
            const std::uint64_t index = static_cast<std::uint64_t>(instruction.imm) & 0xffffffffU;
            if (index >= bindings.maps.size())
                return refuse(Status::NotFound, slot, "map index", static_cast<std::int64_t>(index));
            if (kind == WideKind::MapIndexValue && bindings.maps[index].value_address == 0)
                return refuse(Status::NotSupported, slot, "address of a value in map index",
                              static_cast<std::int64_t>(index));
            return {};
        }
        case WideKind::MapFd:
        case WideKind::MapFdValue:
        case WideKind::VariableAddress:
            break;
    }
    return refuse(Status::NotSupported, slot, "unresolved wide immediate of kind",
                  static_cast<std::int64_t>(kind));
}

bool is_bound(const engine::Bindings& bindings, std::int64_t id) {
    return std::ranges::any_of(bindings.helpers, [id](const engine::HelperBinding& helper) {
        return helper.id == id && helper.function != nullptr;
    });
}

}  // namespace

std::uint32_t Layout::at(std::uint32_t slot) const {
    const auto found = std::ranges::lower_bound(subprograms, slot, {}, &Subprogram::begin);
    return static_cast<std::uint32_t>(found - subprograms.begin());
}

std::expected<Layout, Refusal> find_subprograms(const isa::Code& code) {
    if (code.empty()) return refuse(Status::InvalidArgument, 0, "number of instructions", 0);
    const auto entries = find_entries(code);
    if (!entries) return std::unexpected(entries.error());
    Layout layout;
    for (std::size_t i = 0; i < entries->size(); ++i) {
        const std::size_t end = i + 1 < entries->size() ? (*entries)[i + 1] : code.size();
        layout.subprograms.push_back({(*entries)[i], static_cast<std::uint32_t>(end), 0});
        if (const auto checked = check_borders(code, layout.subprograms.back()); !checked)
            return std::unexpected(checked.error());
    }
    // The program comes last; what is never reached is checked all the same.
    CallOrder order(code, layout);
    for (const std::uint32_t callback : find_callbacks(code, layout)) {
        if (const auto height = order.visit(callback, 1); !height) return std::unexpected(height.error());
    }
    if (const auto height = order.visit(0, 1); !height) return std::unexpected(height.error());
    const auto reached = layout.callees_first.size();
    for (std::uint32_t i = 1; i < layout.subprograms.size(); ++i) {
        if (const auto height = order.visit(i, 1); !height) return std::unexpected(height.error());
    }
    layout.callees_first.resize(reached);
    return layout;
}

std::expected<void, Refusal> check_instructions(const isa::Code& code, const engine::Bindings& bindings) {
    for (std::size_t slot = 0; slot < code.size(); ++slot) {
        const isa::Instruction& instruction = code[slot];
        const Family family = instruction.spec().family;
        if (family == Family::LoadImm64) {
            if (const auto checked = check_wide(instruction, slot, bindings); !checked) return checked;
        } else if (family == Family::CallHelper) {
            if (!is_bound(bindings, instruction.imm))
                return refuse(Status::NotFound, slot, "helper", instruction.imm);
        } else if (family == Family::CallKfunc) {
            return refuse(Status::NotSupported, slot, "kfunc call", instruction.imm);
        } else if (family == Family::CallRegister) {
            return refuse(Status::NotSupported, slot, "indirect call", instruction.imm);
        }
    }
    return {};
}

}  // namespace ebpf::ir
