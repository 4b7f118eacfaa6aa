// SPDX-License-Identifier: MIT
// Functions of a program: where they lie, what they take, and what is bound for them.
#include "native/program_writer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "interp/frames.hpp"
#include "spec/helpers.hpp"

namespace ebpf::native {
namespace {

using spec::Family;

constexpr std::uint8_t kAllParameters = 0x3e;  // r1..r5

std::uint8_t bit(unsigned number) {
    return number >= 1 && number <= 5 ? static_cast<std::uint8_t>(1U << number) : std::uint8_t{0};
}

std::uint8_t arguments_of(std::int64_t helper) {
    const spec::HelperSpec* row = spec::find_helper(static_cast<std::uint32_t>(helper));
    if (row == nullptr) return kAllParameters;
    std::uint8_t used = 0;
    for (unsigned i = 0; i < row->arguments.size(); ++i) {
        if (row->arguments[i] != spec::ArgKind::None) used |= bit(i + 1);
    }
    return used;
}

}  // namespace

void ProgramWriter::find_functions() {
    const isa::Code& code = *input_.code;
    std::set<std::uint32_t> entries{0};
    std::set<std::uint32_t> callbacks;
    for (std::size_t slot = 0; slot < code.size(); ++slot) {
        const spec::FormSpec& form = code[slot].spec();
        if (form.family == Family::CallLocal)
            entries.insert(static_cast<std::uint32_t>(
                isa::jump_target(code[slot], form, static_cast<std::int64_t>(slot))));
        if (isa::takes_code_address(code[slot])) {
            callbacks.insert(static_cast<std::uint32_t>(
                isa::code_address_target(code[slot], static_cast<std::int64_t>(slot))));
        }
    }
    entries.insert(callbacks.begin(), callbacks.end());
    for (auto at = entries.begin(); at != entries.end(); ++at) {
        const auto next = std::next(at);
        Function function;
        function.range = {*at, next == entries.end() ? static_cast<std::uint32_t>(code.size()) : *next};
        std::string wanted = input_.name;
        if (*at != 0) {
            const auto named = std::ranges::find(input_.subprograms, *at, &verifier::Subprogram::slot);
            wanted += '_' + (named == input_.subprograms.end() ? fmt::format("sub_{}", *at) : named->name);
        }
        function.name = names_.take("bpf_", wanted);
        functions_.emplace(*at, std::move(function));
    }
    std::uint32_t count = 0;
    for (const std::uint32_t slot : callbacks) functions_.at(slot).number = ++count;
    if (count != 0) call_back_ = names_.take("bpf_", input_.name + "_call_back");
}

// Those that the function reads before it writes them, and a few more: what it reads anywhere. Calls are not
// recursive, so that this ends.
std::uint8_t ProgramWriter::find_parameters(std::uint32_t entry) {
    Function& function = functions_.at(entry);
    std::uint8_t& found = function.parameters;
    for (std::uint32_t slot = function.range.begin; slot < function.range.end; ++slot) {
        const isa::Instruction& instruction = (*input_.code)[slot];
        const spec::FormSpec& form = instruction.spec();
        if (form.reads_dst) found |= bit(instruction.dst);
        if (form.reads_src) found |= bit(instruction.src);
        if (form.family == Family::CallHelper) found |= arguments_of(instruction.imm);
        if (form.family == Family::CallLocal)
            found |= find_parameters(static_cast<std::uint32_t>(isa::jump_target(instruction, form, slot)));
    }
    return found;
}

/// Returns what the calls of a function take, by slot: bit n: rn.
std::vector<std::uint16_t> ProgramWriter::arguments_of_calls(Range range) const {
    std::vector<std::uint16_t> found(range.end - range.begin);
    for (std::uint32_t slot = range.begin; slot < range.end; ++slot) {
        const isa::Instruction& instruction = (*input_.code)[slot];
        const spec::FormSpec& form = instruction.spec();
        std::uint16_t& taken = found[slot - range.begin];
        if (form.family == Family::CallHelper) taken = arguments_of(instruction.imm);
        if (form.family == Family::CallLocal) {
            const auto callee = static_cast<std::uint32_t>(isa::jump_target(instruction, form, slot));
            taken = functions_.at(callee).parameters;
        }
    }
    return found;
}

std::string ProgramWriter::signature(const Function& function) const {
    if (function.range.begin == 0) {
        return fmt::format(
            "static uint64_t {}(const struct ebpf_native_image* restrict image,\n"
            "    struct ebpf_native_invocation* invocation)",
            function.name);
    }
    std::string text = fmt::format(
        "static uint64_t {}(const struct ebpf_native_image* restrict image,\n"
        "    struct ebpf_native_invocation* invocation",
        function.name);
    for (unsigned i = 1; i <= 5; ++i) {
        if ((function.parameters & bit(i)) != 0) text += fmt::format(", uint64_t r{}", i);
    }
    return text + ")";
}

/// Functions by number rather than by pointer: the C compiler sees what a helper can call.
std::string ProgramWriter::call_back_function() const {
    std::string text = fmt::format(
        "/* How helpers call the functions whose addresses they are given. */\n"
        "static uint64_t {}(struct ebpf_native_invocation* invocation, uint64_t code,\n"
        "    uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4) {{\n"
        "    const struct ebpf_native_image* image = invocation->engine_state;\n"
        "    (void)r1;\n    (void)r2;\n    (void)r3;\n    (void)r4;\n"
        "    switch (code) {{\n",
        call_back_);
    for (const auto& [slot, function] : functions_) {
        if (function.number == 0) continue;
        text +=
            fmt::format("    case {}:\n        return {}(image, invocation", function.number, function.name);
        for (unsigned i = 1; i <= 5; ++i) {
            if ((function.parameters & bit(i)) == 0) continue;
            text += i == 5 ? std::string(", 0") : fmt::format(", r{}", i);
        }
        text += ");\n";
    }
    return text + "    }\n    return 1;\n}\n\n";
}

std::size_t ProgramWriter::bind(ebpf_native_binding_kind kind, std::uint32_t number, std::uint32_t slot) {
    for (std::size_t i = 0; i < bindings_.size(); ++i) {
        if (bindings_[i].kind == kind && bindings_[i].number == number) return i;
    }
    bindings_.push_back({static_cast<std::uint32_t>(kind), number, slot});
    return bindings_.size() - 1;
}

std::expected<std::string, Fault> ProgramWriter::write() {
    interp::Refusal refusal;
    if (const auto frames = interp::count_frames(*input_.code, refusal); !frames) {
        return std::unexpected(Fault{0, frames.error(), refusal.slot,
                                     fmt::format("instruction {}: {} {}: {}", refusal.slot, refusal.what,
                                                 refusal.value, status_text(frames.error()))});
    }
    find_functions();
    find_parameters(0);
    std::string text;
    for (const auto& [slot, function] : functions_) {
        // A function that only code calls which nothing reaches has not been looked at yet.
        find_parameters(slot);
        if (slot != 0) text += signature(function) + ";\n";
    }
    if (functions_.size() > 1) text += '\n';
    if (!call_back_.empty()) text += call_back_function();
    for (const auto& [slot, function] : functions_) {
        FunctionWriter draft(*this, function, {});
        auto body = draft.write();
        if (!body) return std::unexpected(std::move(body).error());
        if (!draft.wanted_parts().empty()) {
            body = FunctionWriter(*this, function, draft.wanted_parts()).write();
            if (!body) return std::unexpected(std::move(body).error());
        }
        text += fmt::format("{} {{\n{}}}\n\n", signature(function), *body);
    }
    return text;
}

}  // namespace ebpf::native
