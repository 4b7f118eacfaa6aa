// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "figures.hpp"

namespace ebpf::bench {
namespace {

constexpr int kNameWidth = 18;
constexpr int kColumnWidth = 17;

std::string number(double value) {
    if (value < 10) return fmt::format("{:.2f}", value);
    return value < 1000 ? fmt::format("{:.1f}", value) : fmt::format("{:.0f}", value);
}

std::string ratio_text(std::optional<double> ratio) {
    return ratio ? fmt::format("{:.2f}", *ratio) : std::string("-");
}

std::string cell(const ProgramFigures& program, std::size_t engine) {
    const Figure& figure = program.engines[engine];
    if (!figure.missing.empty()) return "-";
    if (engine == 0) return number(figure.ns);
    return fmt::format("{} ({})", number(figure.ns), ratio_text(ratio_to_native(program, engine)));
}

void heading(std::string& text, const Figures& figures, const char* second) {
    text += fmt::format("{:<{}}{:>8}", "program", kNameWidth, second);
    for (const EngineTitle& engine : figures.engines)
        text += fmt::format("{:>{}}", engine.title, kColumnWidth);
    text += '\n';
}

void times(std::string& text, const Figures& figures) {
    text += "Nanoseconds a run (ratio to native)\n";
    heading(text, figures, "executed");
    for (const ProgramFigures& program : figures.programs) {
        text += fmt::format("{:<{}}{:>8}", program.name, kNameWidth, program.executed);
        for (std::size_t i = 0; i < program.engines.size(); ++i)
            text += fmt::format("{:>{}}", cell(program, i), kColumnWidth);
        text += '\n';
    }
    text += fmt::format("{:<{}}{:>8}", "geometric mean", kNameWidth, "");
    for (std::size_t i = 0; i < figures.engines.size(); ++i)
        text += fmt::format("{:>{}}", ratio_text(mean_ratio(figures, i)), kColumnWidth);
    const std::size_t last = figures.engines.size() - 1;
    if (mean_ratio(figures, last)) {
        text += fmt::format("\n{:<{}}", "to " + figures.engines[last].title, kNameWidth + 8);
        for (std::size_t i = 0; i < figures.engines.size(); ++i)
            text += fmt::format("{:>{}}", ratio_text(mean_ratio(figures, i, last)), kColumnWidth);
    }
    text += '\n';
}

void compilation(std::string& text, const Figures& figures) {
    text += "\nMicroseconds to compile / bytes of code\n";
    heading(text, figures, "slots");
    for (const ProgramFigures& program : figures.programs) {
        text += fmt::format("{:<{}}{:>8}", program.name, kNameWidth, program.slots);
        for (const Figure& figure : program.engines) {
            const std::string time =
                figure.compile_ns == 0 ? "-" : fmt::format("{:.1f}", figure.compile_ns / 1000);
            const std::string bytes = figure.code_bytes == 0 ? "-" : fmt::format("{}", figure.code_bytes);
            text += fmt::format("{:>{}}", time + " / " + bytes, kColumnWidth);
        }
        text += '\n';
    }
}

void missing(std::string& text, const Figures& figures) {
    for (const ProgramFigures& program : figures.programs) {
        for (std::size_t i = 0; i < program.engines.size(); ++i) {
            const std::string& why = program.engines[i].missing;
            if (!why.empty())
                text += fmt::format("{}, {}: {}\n", program.name, figures.engines[i].title, why);
        }
    }
}

}  // namespace

std::optional<double> ratio_to_native(const ProgramFigures& program, std::size_t engine) {
    const Figure& native = program.engines.front();
    const Figure& other = program.engines[engine];
    if (!native.missing.empty() || !other.missing.empty() || native.ns <= 0 || other.ns <= 0)
        return std::nullopt;
    return other.ns / native.ns;
}

std::optional<double> mean_ratio(const Figures& figures, std::size_t engine) {
    return mean_ratio(figures, engine, 0);
}

std::optional<double> mean_ratio(const Figures& figures, std::size_t engine, std::size_t other) {
    double sum = 0;
    unsigned count = 0;
    for (const ProgramFigures& program : figures.programs) {
        const auto one = ratio_to_native(program, engine);
        const auto two = ratio_to_native(program, other);
        if (program.name == kEmpty || !one || !two) continue;
        sum += std::log(*one / *two);
        ++count;
    }
    if (count == 0) return std::nullopt;
    return std::exp(sum / count);
}

std::string to_table(const Figures& figures) {
    std::string text =
        fmt::format("{}\n{}, medians of {} rounds\n\n", figures.machine, figures.compilers, figures.rounds);
    times(text, figures);
    compilation(text, figures);
    if (!figures.costs.empty()) text += "\nSingle operations, nanoseconds\n";
    for (const Cost& cost : figures.costs) text += fmt::format("{:<60}{:>8.2f}\n", cost.what, cost.ns);
    std::string absent;
    missing(absent, figures);
    if (!absent.empty()) text += "\nMissing\n" + absent;
    return text;
}

}  // namespace ebpf::bench
