// SPDX-License-Identifier: MIT
// Gives each function the line records that cover it.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "base/try.hpp"
#include "object/source.hpp"
#include "spec/instructions.hpp"

namespace ebpf::object {
namespace {

Result<void> assign_section(Source& source, const elf::Section& section, std::vector<btf::LineRecord> lines) {
    for (const auto& line : lines) {
        if (line.offset % spec::kSlotBytes != 0 || line.offset >= section.size) {
            return fail(Status::Malformed,
                        fmt::format("section '.BTF.ext': line {} is at offset {} of {} of {} bytes",
                                    line.line, line.offset, elf::describe(section), section.size));
        }
    }
    // Of two records for one instruction the earlier line is kept, whatever their order in the file.
    const auto place = [](const btf::LineRecord& line) {
        return std::tuple(line.offset, line.line, line.column);
    };
    std::ranges::sort(lines, {}, place);
    const auto same_slot = [](const btf::LineRecord& a, const btf::LineRecord& b) {
        return a.offset == b.offset;
    };
    lines.erase(std::unique(lines.begin(), lines.end(), same_slot), lines.end());
    for (auto& function : functions_of(source, section)) {
        auto line = std::ranges::lower_bound(lines, function.offset, {}, &btf::LineRecord::offset);
        for (; line != lines.end() && line->offset < function.offset + function.size; ++line) {
            btf::LineRecord copy = *line;
            copy.offset -= static_cast<std::uint32_t>(function.offset);
            function.lines.push_back(copy);
        }
    }
    return {};
}

}  // namespace

Result<void> assign_lines(Source& source) {
    if (!source.ext) return {};
    std::unordered_map<std::string_view, std::vector<btf::LineRecord>> lines_by_section;
    for (const auto& block : source.ext->lines) {
        auto& lines = lines_by_section[block.section];
        lines.insert(lines.end(), block.lines.begin(), block.lines.end());
    }
    for (const auto& section : source.file.sections()) {
        if (!is_code(section)) continue;
        const auto lines = lines_by_section.find(section.name);
        if (lines != lines_by_section.end())
            EBPF_TRY_VOID(assign_section(source, section, std::move(lines->second)));
    }
    return {};
}

}  // namespace ebpf::object
