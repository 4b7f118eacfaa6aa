// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include "figures.hpp"

namespace ebpf::bench {
namespace {

using nlohmann::ordered_json;

ordered_json of_figure(const Figures& figures, const ProgramFigures& program, std::size_t engine) {
    const Figure& figure = program.engines[engine];
    if (!figure.missing.empty()) return {{"missing", figure.missing}};
    ordered_json json = {{"ns", figure.ns}, {"raw_ns", figure.raw_ns}};
    if (const auto ratio = ratio_to_native(program, engine)) json["ratio_to_native"] = *ratio;
    const std::size_t last = figures.engines.size() - 1;
    if (program.engines[last].missing.empty() && program.engines[last].ns > 0)
        json["ratio_to_" + figures.engines[last].name] = figure.ns / program.engines[last].ns;
    if (figure.compile_ns != 0) json["compile_ns"] = figure.compile_ns;
    if (figure.code_bytes != 0) json["code_bytes"] = figure.code_bytes;
    return json;
}

}  // namespace

std::string to_json(const Figures& figures) {
    ordered_json json = {
        {"machine", figures.machine}, {"compilers", figures.compilers}, {"rounds", figures.rounds}};
    json["geometric_mean_to_native"] = ordered_json::object();
    for (std::size_t i = 0; i < figures.engines.size(); ++i) {
        if (const auto mean = mean_ratio(figures, i))
            json["geometric_mean_to_native"][figures.engines[i].name] = *mean;
    }
    json["programs"] = ordered_json::array();
    for (const ProgramFigures& program : figures.programs) {
        ordered_json entry = {{"name", program.name},
                              {"summary", program.summary},
                              {"slots", program.slots},
                              {"executed", program.executed}};
        for (std::size_t i = 0; i < program.engines.size(); ++i)
            entry["engines"][figures.engines[i].name] = of_figure(figures, program, i);
        json["programs"].push_back(std::move(entry));
    }
    json["costs_ns"] = ordered_json::object();
    for (const Cost& cost : figures.costs) json["costs_ns"][cost.what] = cost.ns;
    return json.dump(2) + "\n";
}

}  // namespace ebpf::bench
