// SPDX-License-Identifier: MIT
#include "verifier/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "isa/text/disassemble.hpp"
#include "verifier/message.hpp"

namespace ebpf::verifier {
namespace {

using spec::Family;

constexpr std::size_t kMaxSteps = 1'000'000;
constexpr std::size_t kMaxLines = 8;
constexpr std::size_t kMaxBranches = 4;

struct Step {
    std::uint32_t slot = 0;
    std::uint32_t depth = 0;
    bool is_taken = false;
};

/// The first slot of the function that is called at `slot`; nothing if none is, or if that failed.
std::optional<std::uint32_t> called_function(const analysis::Exploration& exploration,
                                             const check::Program& program, std::uint32_t slot) {
    const isa::Instruction& instruction = program.code[slot];
    if (instruction.spec().family == Family::CallLocal) {
        return static_cast<std::uint32_t>(isa::jump_target(instruction, instruction.spec(), slot));
    }
    for (const analysis::CallTarget& call : exploration.calls) {
        if (call.slot == slot && !call.callee.is_helper) return call.callee.number;
    }
    return std::nullopt;
}

/// True if the helper called at `slot` calls functions of the program.
bool calls_back(const analysis::Exploration& exploration, const check::Program& program, std::uint32_t slot) {
    const isa::Instruction& instruction = program.code[slot];
    std::optional<std::uint32_t> helper;
    if (instruction.spec().family == Family::CallHelper) helper = static_cast<std::uint32_t>(instruction.imm);
    for (const analysis::CallTarget& call : exploration.calls) {
        if (call.slot == slot && call.callee.is_helper) helper = call.callee.number;
    }
    return helper && check::callback_kind(*helper) != spec::CallbackKind::None;
}

/// The instructions of the path that failed, in order; the failing one is not among them.
std::vector<Step> walk(const analysis::Exploration& exploration, const check::Program& program) {
    std::vector<analysis::Decision> decisions;
    for (std::uint32_t at = exploration.last_decision; at != analysis::kNone;
         at = exploration.decisions[at].before) {
        decisions.push_back(exploration.decisions[at]);
    }
    std::vector<Step> steps;
    std::vector<std::uint32_t> returns;
    std::uint32_t slot = 0;
    while (steps.size() < kMaxSteps && slot < program.code.size()) {
        if (decisions.empty() && slot == exploration.slot) return steps;
        const isa::Instruction& instruction = program.code[slot];
        const spec::FormSpec& form = instruction.spec();
        Step step{slot, static_cast<std::uint32_t>(returns.size()), form.family == Family::Goto};
        std::uint32_t next = slot + form.slots;
        if (form.family == Family::Branch) {
            if (decisions.empty()) break;
            step.is_taken = decisions.back().is_taken;
            decisions.pop_back();
        }
        if (step.is_taken) next = static_cast<std::uint32_t>(isa::jump_target(instruction, form, slot));
        if (calls_back(exploration, program, slot)) {
            if (decisions.empty()) break;
            step.is_taken = decisions.back().is_taken;
            if (step.is_taken) {
                returns.push_back(slot);  // where the helper may call once more
                next = decisions.back().function;
            }
            decisions.pop_back();
        }
        if (const auto function = called_function(exploration, program, slot)) {
            returns.push_back(next);
            next = *function;
        }
        if (form.family == Family::Exit) {
            if (returns.empty()) break;
            next = returns.back();
            returns.pop_back();
        }
        steps.push_back(step);
        slot = next;
    }
    return steps;
}

bool writes(const isa::Instruction& instruction, unsigned reg) {
    const spec::FormSpec& form = instruction.spec();
    if (form.writes_dst && instruction.dst == reg) return true;
    if (form.writes_src && instruction.src == reg) return true;
    const bool is_call = form.family == Family::CallHelper || form.family == Family::CallLocal ||
                         form.family == Family::CallRegister || form.family == Family::PacketAbs ||
                         form.family == Family::PacketInd;
    return is_call && reg <= 5;
}

bool is_callback_entry(const Step& step, const spec::FormSpec& form) {
    return step.is_taken && (form.family == Family::CallHelper || form.family == Family::CallRegister);
}

/// Steps, by index, that made `reg`: its last writer, that one's source, and so on, newest first.
std::vector<std::size_t> makers(const std::vector<Step>& steps, const check::Program& program, unsigned reg,
                                std::uint32_t depth) {
    std::vector<std::size_t> found;
    for (std::size_t i = steps.size(); i > 0 && found.size() < kMaxLines - kMaxBranches; --i) {
        const Step& step = steps[i - 1];
        const isa::Instruction& instruction = program.code[step.slot];
        const spec::FormSpec& form = instruction.spec();
        const bool is_call =
            form.family == Family::CallLocal || (form.family == Family::CallRegister && !step.is_taken);
        if (is_call && step.depth + 1 == depth && reg >= 1 && reg <= 5) {
            depth = step.depth;  // an argument: made in the caller
            continue;
        }
        if (is_callback_entry(step, form) && step.depth + 1 == depth && reg <= 5) {
            found.push_back(i - 1);  // the helper made it
            break;
        }
        if (step.depth != depth || !writes(instruction, reg)) continue;
        found.push_back(i - 1);
        const bool is_copy = form.family == Family::Alu && form.alu == spec::AluOp::Mov;
        if (is_copy && form.source == spec::Source::Reg) {
            reg = instruction.src;
        } else if (!form.reads_dst || form.family != Family::Alu) {
            break;
        }
    }
    return found;
}

std::string line_of(const Step& step, const check::Program& program, const Request& request) {
    const isa::Instruction& instruction = program.code[step.slot];
    std::string text = fmt::format("instruction {}: {}", step.slot, isa::disassemble(instruction));
    if (instruction.spec().family == Family::Branch) text += step.is_taken ? " (taken)" : " (not taken)";
    const SourceLine source = source_of(request, step.slot);
    if (source.line != 0) text += fmt::format("  [{}:{}]", source.file, source.line);
    return text;
}

}  // namespace

std::vector<std::string> trace_of(const analysis::Exploration& exploration, const check::Program& program,
                                  const Request& request) {
    std::vector<std::string> lines;
    const unsigned reg = exploration.finding.reg;
    if (reg == check::kNoRegister || reg == spec::kFramePointer) return lines;
    const std::vector<Step> steps = walk(exploration, program);
    if (steps.empty()) return lines;
    std::uint32_t depth = steps.back().depth;
    const Family last = program.code[steps.back().slot].spec().family;
    const bool enters_callback = is_callback_entry(steps.back(), program.code[steps.back().slot].spec());
    if (enters_callback || called_function(exploration, program, steps.back().slot)) ++depth;
    if (last == Family::Exit && depth > 0) --depth;
    std::vector<std::size_t> shown = makers(steps, program, reg, depth);
    std::size_t branches = 0;
    for (std::size_t i = steps.size(); i > 0 && branches < kMaxBranches; --i) {
        if (program.code[steps[i - 1].slot].spec().family != Family::Branch) continue;
        shown.push_back(i - 1);
        ++branches;
    }
    std::ranges::sort(shown);
    for (const std::size_t index : shown) lines.push_back(line_of(steps[index], program, request));
    return lines;
}

}  // namespace ebpf::verifier
