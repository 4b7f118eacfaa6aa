// SPDX-License-Identifier: MIT
// Linking: a program is its function followed by every subprogram that it calls, directly or not.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/try.hpp"
#include "object/slots.hpp"
#include "object/source.hpp"
#include "spec/catalogue.hpp"

namespace ebpf::object {
namespace {

constexpr std::size_t kMaxLinePartBytes = 512;  // of a line's text and of its file name

std::string supported_sections(std::span<const spec::SectionSpec> registered) {
    std::string text;
    for (const auto rows : {registered, spec::sections()}) {
        for (const auto& row : rows) {
            std::string_view pattern = row.pattern;
            if (pattern.ends_with('+')) pattern.remove_suffix(1);
            text += fmt::format("{}{}", text.empty() ? "" : ", ", pattern);
        }
    }
    return text;
}

const spec::SectionSpec* find_section(const Source& source, std::string_view name) {
    const spec::SectionSpec* row = spec::find_section(name);
    return row != nullptr ? row : spec::find_section(name, source.sections);
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpaces = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

class Linker {
  public:
    explicit Linker(Source& source) : source_(source) {}

    Result<ProgramSpec> link(std::uint32_t root, const spec::SectionSpec& row) {
        const Function& entry = source_.functions[root];
        ProgramSpec program;
        program.name = entry.name;
        program.section = source_.file.sections()[entry.section].name;
        program.type = row.type;
        program.attach_type = row.attach_type;
        order_.clear();
        first_slots_.clear();
        EBPF_TRY_VOID(place(root));
        // order_ grows while it is walked: breadth first, each function once.
        for (std::size_t i = 0; i < order_.size(); ++i) {
            for (const Call& call : source_.functions[order_[i]].calls) {
                if (!first_slots_.contains(call.callee)) EBPF_TRY_VOID(place(call.callee));
            }
        }
        for (const std::uint32_t function : order_) EBPF_TRY_VOID(append(function, program));
        return program;
    }

  private:
    // Decides where a function goes.
    Result<void> place(std::uint32_t index) {
        Function& function = source_.functions[index];
        std::size_t begin = 0;
        if (!order_.empty()) {
            const Function& last = source_.functions[order_.back()];
            begin = first_slots_.at(order_.back()) + last.bytecode.size() / spec::kSlotBytes;
        }
        const std::size_t slots = function.bytecode.size() / spec::kSlotBytes;
        if (begin + slots > kMaxProgramSlots) {
            return fail(
                Status::LimitExceeded,
                fmt::format("with its subprograms it has more than {} instructions", kMaxProgramSlots));
        }
        total_slots_ += slots;
        if (total_slots_ > kMaxObjectSlots) {
            return fail(Status::LimitExceeded,
                        fmt::format("the programs of the object together have more than {} instructions",
                                    kMaxObjectSlots));
        }
        first_slots_.emplace(index, static_cast<std::uint32_t>(begin));
        order_.push_back(index);
        function.is_linked = true;
        return {};
    }

    Result<void> append(std::uint32_t index, ProgramSpec& program) {
        const Function& function = source_.functions[index];
        const std::uint32_t begin = first_slots_.at(index);
        program.subprograms.push_back({.slot = begin, .name = std::string(function.name)});
        program.bytecode.insert(program.bytecode.end(), function.bytecode.begin(), function.bytecode.end());
        for (const Call& call : function.calls) {
            const std::uint32_t slot = begin + call.slot;
            isa::Slot value = load_slot(program.bytecode, slot);
            value.imm =
                static_cast<std::int32_t>(first_slots_.at(call.callee)) - static_cast<std::int32_t>(slot) - 1;
            store_slot(program.bytecode, slot, value);
        }
        for (const auto& record : function.lines) {
            LineInfo line;
            line.slot = begin + record.offset / static_cast<std::uint32_t>(spec::kSlotBytes);
            line.file = record.file.substr(0, kMaxLinePartBytes);
            line.text = trim(record.text).substr(0, kMaxLinePartBytes);
            line.line = record.line;
            line.column = record.column;
            line_bytes_ += line.file.size() + line.text.size();
            if (line_bytes_ > kMaxLineTextBytes) {
                return fail(
                    Status::LimitExceeded,
                    fmt::format("line information has more than {} bytes of text", kMaxLineTextBytes));
            }
            program.lines.push_back(std::move(line));
        }
        return {};
    }

    Source& source_;
    std::vector<std::uint32_t> order_;
    std::unordered_map<std::uint32_t, std::uint32_t> first_slots_;
    std::size_t total_slots_ = 0;
    std::size_t line_bytes_ = 0;
};

// A section that names no program type may hold subprograms only: every global function in it must be called
// by someone.
Result<void> check_unused_sections(const Source& source) {
    for (const auto& function : source.functions) {
        const elf::Section& section = source.file.sections()[function.section];
        if (function.is_linked || !function.is_global || section.name == ".text") continue;
        return fail(Status::NotSupported,
                    fmt::format("{}: function '{}': the section name selects no program type that is "
                                "supported; supported are {}",
                                elf::describe(section), function.name, supported_sections(source.sections)));
    }
    return {};
}

}  // namespace

Result<std::vector<ProgramSpec>> link_programs(Source& source) {
    std::vector<ProgramSpec> programs;
    std::unordered_set<std::string_view> names;
    Linker linker(source);
    for (std::uint32_t index = 0; index < source.functions.size(); ++index) {
        const Function& function = source.functions[index];
        const elf::Section& section = source.file.sections()[function.section];
        const spec::SectionSpec* row = find_section(source, section.name);
        if (row == nullptr || !function.is_global) continue;
        if (programs.size() == kMaxPrograms) {
            return fail(Status::LimitExceeded, fmt::format("more than {} programs", kMaxPrograms));
        }
        if (!names.insert(function.name).second) {
            return fail(Status::Malformed, fmt::format("{}: program '{}' is defined twice",
                                                       elf::describe(section), function.name));
        }
        auto program = linker.link(index, *row);
        if (!program)
            return std::unexpected(std::move(program).error().in(fmt::format("program '{}'", function.name)));
        programs.push_back(std::move(*program));
    }
    EBPF_TRY_VOID(check_unused_sections(source));
    return programs;
}

}  // namespace ebpf::object
