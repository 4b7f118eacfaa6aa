// SPDX-License-Identifier: MIT
// A bar chart of the ratios to native: one group of bars for each program, the geometric mean first.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "figures.hpp"

namespace ebpf::bench {
namespace {

constexpr double kMostRatio = 4;  // longer bars end here, with their number
constexpr int kWidth = 900;
constexpr int kLeft = 150;
constexpr int kRight = 70;
constexpr int kTop = 90;
constexpr int kBottom = 40;
constexpr int kBar = 9;
constexpr int kGap = 9;

// Apart in brightness as well as in colour.
constexpr const char* kColours[] = {"#1b6ca8", "#e08e0b", "#4c9f70", "#8c564b", "#777777", "#b04a8c"};

struct Bar {
    std::optional<double> ratio;
};
struct Group {
    std::string name;
    std::string detail;
    std::vector<Bar> bars;
};

std::string escaped(const std::string& text) {
    std::string result;
    for (const char c : text) {
        if (c == '&') {
            result += "&amp;";
        } else if (c == '<') {
            result += "&lt;";
        } else if (c == '"') {
            result += "&quot;";
        } else {
            result += c;
        }
    }
    return result;
}

/// Engines that the chart shows: all but native, which is the line at 1, and the interpreter, whose bars
/// would all be too long.
std::vector<std::size_t> shown_engines(const Figures& figures) {
    std::vector<std::size_t> shown;
    for (std::size_t i = 1; i < figures.engines.size(); ++i) {
        if (figures.engines[i].name != "interpreter" && mean_ratio(figures, i)) shown.push_back(i);
    }
    return shown;
}

std::vector<Group> groups_of(const Figures& figures, const std::vector<std::size_t>& engines) {
    std::vector<Group> groups;
    Group mean{"geometric mean", "of all but 'empty'", {}};
    for (const std::size_t engine : engines) mean.bars.push_back({mean_ratio(figures, engine)});
    groups.push_back(std::move(mean));
    for (const ProgramFigures& program : figures.programs) {
        if (program.name == kEmpty) continue;
        Group group{program.name, program.summary, {}};
        for (const std::size_t engine : engines) group.bars.push_back({ratio_to_native(program, engine)});
        groups.push_back(std::move(group));
    }
    return groups;
}

double at_ratio(double ratio) {
    return kLeft + std::min(ratio, kMostRatio) / kMostRatio * (kWidth - kLeft - kRight);
}

void draw_axis(std::string& svg, int bottom) {
    for (int tick = 0; tick <= static_cast<int>(kMostRatio); ++tick) {
        const double x = at_ratio(tick);
        svg += fmt::format(
            R"(<line x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}" stroke="{3}" stroke-width="{4}"/>)"
            "\n",
            x, kTop - 6, bottom, tick == 1 ? "#222" : "#ddd", tick == 1 ? 1.5 : 1.0);
        svg += fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>)"
                           "\n",
                           x, kTop - 12, tick == 1 ? "1 = native C" : std::to_string(tick));
    }
}

void draw_group(std::string& svg, const Group& group, int y, bool is_mean) {
    const int height = static_cast<int>(group.bars.size()) * kBar;
    svg += fmt::format(R"(<text x="{}" y="{}" text-anchor="end"{}>{}<title>{}</title></text>)"
                       "\n",
                       kLeft - 8, y + height / 2 + 4, is_mean ? R"( font-weight="bold")" : "",
                       escaped(group.name), escaped(group.detail));
    for (std::size_t i = 0; i < group.bars.size(); ++i) {
        if (!group.bars[i].ratio) continue;
        const double ratio = *group.bars[i].ratio;
        const int top = y + static_cast<int>(i) * kBar;
        const double end = at_ratio(ratio);
        svg += fmt::format(R"(<rect x="{}" y="{}" width="{:.1f}" height="{}" fill="{}"/>)"
                           "\n",
                           kLeft, top, end - kLeft, kBar - 1, kColours[i % std::size(kColours)]);
        svg += fmt::format(R"(<text x="{:.1f}" y="{}" font-size="9">{:.2f}{}</text>)"
                           "\n",
                           end + 4, top + kBar - 2, ratio, ratio > kMostRatio ? " →" : "");
    }
}

}  // namespace

std::string to_svg(const Figures& figures) {
    const auto engines = shown_engines(figures);
    const auto groups = groups_of(figures, engines);
    const int step = static_cast<int>(engines.size()) * kBar + kGap;
    const int bottom = kTop + static_cast<int>(groups.size()) * step;
    std::string svg = fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" )"
        R"(font-family="sans-serif" font-size="11">)"
        "\n"
        R"(<rect width="{0}" height="{1}" fill="white"/>)"
        "\n"
        R"(<text x="16" y="24" font-size="15" font-weight="bold">Time of a run, native C = 1 (less is better)</text>)"
        "\n",
        kWidth, bottom + kBottom);
    double x = 16;
    for (std::size_t i = 0; i < engines.size(); ++i) {
        const std::string& title = figures.engines[engines[i]].title;
        svg += fmt::format(R"(<rect x="{:.0f}" y="40" width="12" height="12" fill="{}"/>)"
                           R"(<text x="{:.0f}" y="50">{}</text>)"
                           "\n",
                           x, kColours[i % std::size(kColours)], x + 17, escaped(title));
        x += 40 + 7.0 * static_cast<double>(title.size());
    }
    draw_axis(svg, bottom);
    for (std::size_t i = 0; i < groups.size(); ++i)
        draw_group(svg, groups[i], kTop + static_cast<int>(i) * step, i == 0);
    svg += fmt::format(R"(<text x="16" y="{}" fill="#555" font-size="10">{}; {}; medians of {} rounds</text>)"
                       "\n</svg>\n",
                       bottom + 24, escaped(figures.machine), escaped(figures.compilers), figures.rounds);
    return svg;
}

}  // namespace ebpf::bench
