// SPDX-License-Identifier: MIT
#include "verifier/render.hpp"

#include <fmt/format.h>

namespace ebpf::verifier {
namespace {

void render_failure(const Failure& failure, std::string& text) {
    text += fmt::format("  {} [{}] at instruction {}: {}\n", failure.category, failure.rule, failure.slot,
                        failure.message);
    if (failure.source.line != 0) {
        text += fmt::format("  at {}:{}", failure.source.file, failure.source.line);
        if (failure.source.column != 0) text += fmt::format(":{}", failure.source.column);
        if (!failure.source.text.empty()) text += fmt::format(": {}", failure.source.text);
        text += '\n';
    }
    if (!failure.trace.empty()) text += "  how it came about:\n";
    for (const std::string& line : failure.trace) text += fmt::format("    {}\n", line);
    if (!failure.hint.empty()) text += fmt::format("  usual fix: {}\n", failure.hint);
}

}  // namespace

std::string render(const Report& report, const std::string& program_name) {
    const bool is_accepted = report.verdict == Verdict::Accept;
    std::string text = fmt::format("{}: {} ({} instructions processed, {} states, {}.{:03} ms)\n",
                                   program_name, is_accepted ? "accepted" : "refused", report.instructions,
                                   report.states, report.time_ns / 1'000'000, report.time_ns / 1000 % 1000);
    for (const Failure& failure : report.failures) render_failure(failure, text);
    return text;
}

}  // namespace ebpf::verifier
