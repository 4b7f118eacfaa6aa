// SPDX-License-Identifier: MIT
// ebpf-bench: the same programs natively, on every engine of this project and in the Linux kernel, side by
// side.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "figures.hpp"
#include "session.hpp"

namespace {

using namespace ebpf;

constexpr int kFailed = 3;
constexpr int kNotFound = 1;

bool write_file(const std::string& path, const std::string& text) {
    if (path == "-") return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    std::ofstream file(path, std::ios::binary);
    file << text;
    return file.flush().good();
}

int run(int argc, char** argv) {
    CLI::App app(
        "Runs the programs of bench/programs natively, on every engine and in the Linux kernel (which needs "
        "root), checks that all agree, and prints times, ratios, compile times and sizes.",
        "ebpf-bench");
    bench::Settings settings;
    settings.folder = EBPF_BENCH_OBJECTS;
    std::string json;
    std::string svg;
    app.add_option("--filter", settings.filter, "only programs whose name contains this");
    app.add_option("--engine", settings.engines, "only these engines (native always runs)");
    app.add_option("--rounds", settings.rounds, "interleaved rounds, whose median counts")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--sample-ms", settings.sample_ms, "time of each engine in a round")
        ->check(CLI::Range(0.1, 1000.0))
        ->capture_default_str();
    app.add_option("--programs", settings.folder, "folder of the BPF objects")->capture_default_str();
    app.add_option("--json", json, "write the figures as JSON to this file; - is standard output");
    app.add_option("--svg", svg, "write a bar chart to this file");
    app.add_flag("--quiet", settings.is_quiet, "no progress on standard error");
    CLI11_PARSE(app, argc, argv);

    const auto figures = bench::measure_all(settings);
    if (!figures) {
        fmt::print(stderr, "ebpf-bench: {}\n", figures.error().message());
        return figures.error().status() == Status::NotFound ? kNotFound : kFailed;
    }
    if (json != "-") fmt::print("{}", bench::to_table(*figures));
    if (!json.empty() && !write_file(json, bench::to_json(*figures))) {
        fmt::print(stderr, "ebpf-bench: {}: cannot be written\n", json);
        return kFailed;
    }
    if (!svg.empty() && !write_file(svg, bench::to_svg(*figures))) {
        fmt::print(stderr, "ebpf-bench: {}: cannot be written\n", svg);
        return kFailed;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& exception) {
        std::fputs("ebpf-bench: ", stderr);
        std::fputs(exception.what(), stderr);
        std::fputc('\n', stderr);
        return kFailed;
    }
}
