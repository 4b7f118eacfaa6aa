// SPDX-License-Identifier: MIT
// Figures: what was measured, and how it is shown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ebpf::bench {

/// The program that does nothing: its time in the kernel is what a test run costs besides the program.
inline constexpr const char* kEmpty = "empty";

/// One engine on one program.
struct Figure {
    std::string missing;    ///< why there are no figures; empty if there are
    double raw_ns = 0;      ///< median time of a run
    double ns = 0;          ///< the same without the engine's fixed overhead (kernel), else raw_ns
    double compile_ns = 0;  ///< 0: unknown
    std::size_t code_bytes = 0;
};

struct ProgramFigures {
    std::string name;
    std::string summary;
    std::size_t slots = 0;
    std::uint64_t executed = 0;   ///< instructions of the first run
    std::vector<Figure> engines;  ///< as Figures::engines
};

struct EngineTitle {
    std::string name;
    std::string title;
};

/// A single operation.
struct Cost {
    std::string what;
    double ns = 0;
};

struct Figures {
    std::string machine;
    std::string compilers;
    unsigned rounds = 0;
    std::vector<EngineTitle> engines;  ///< the first one is native
    std::vector<ProgramFigures> programs;
    std::vector<Cost> costs;
};

/// Ratio of an engine's time to native's; nothing where one of them is missing.
std::optional<double> ratio_to_native(const ProgramFigures& program, std::size_t engine);

/// Geometric mean of ratio_to_native() over all programs but kEmpty; nothing if there is none.
std::optional<double> mean_ratio(const Figures& figures, std::size_t engine);

/// Geometric mean of an engine's time to that of engine `other`, over all programs but kEmpty.
std::optional<double> mean_ratio(const Figures& figures, std::size_t engine, std::size_t other);

/// The figures as a table of text, as JSON, and as an SVG chart.
std::string to_table(const Figures& figures);
std::string to_json(const Figures& figures);
std::string to_svg(const Figures& figures);

}  // namespace ebpf::bench
