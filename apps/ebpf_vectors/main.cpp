// SPDX-License-Identifier: MIT
// ebpf-vectors: runs test vectors found in folders and says which fail, and which instruction forms none
// covers.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/try.hpp"
#include "isa/text/templates.hpp"
#include "vectors/run.hpp"

namespace {

namespace fs = std::filesystem;
using namespace ebpf;

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitEnvironment = 4;

struct Summary {
    std::size_t passed = 0;
    std::size_t failed = 0;
    std::size_t skipped = 0;
    std::size_t accepted = 0;
    std::size_t rejected = 0;
    nlohmann::json failures = nlohmann::json::array();
    nlohmann::json unexplained_rejections = nlohmann::json::array();
    std::vector<bool> covered = std::vector<bool>(spec::forms().size());
};

struct Arguments {
    vectors::RunOptions run;
    std::vector<std::string> paths;
    bool is_json = false;
    bool is_verbose = false;
    bool needs_all_forms = false;
};

bool is_vector_file(const fs::path& path) {
    return path.extension() == ".bpft" || path.extension() == ".data";
}

std::vector<fs::path> find_files(const std::vector<std::string>& paths) {
    std::vector<fs::path> files;
    for (const std::string& path : paths) {
        if (!fs::is_directory(path)) {
            files.emplace_back(path);
            continue;
        }
        for (const auto& entry : fs::recursive_directory_iterator(path)) {
            if (entry.is_regular_file() && is_vector_file(entry.path())) files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    return files;
}

void note(Summary& summary, const vectors::Vector& vector, const vectors::Outcome& outcome) {
    const std::string where = fmt::format("{}:{}", vector.file, vector.line);
    if (outcome.is_skipped) {
        ++summary.skipped;
        return;
    }
    if (outcome.is_accepted) ++(*outcome.is_accepted ? summary.accepted : summary.rejected);
    if (outcome.is_accepted == false && !vector.verdict && !vector.error) {
        summary.unexplained_rejections.push_back(
            {{"vector", where}, {"name", vector.name}, {"why", outcome.refusal}});
    }
    if (outcome.is_passed) {
        ++summary.passed;
        for (const spec::Form form : outcome.forms) summary.covered[static_cast<std::size_t>(form)] = true;
        return;
    }
    ++summary.failed;
    summary.failures.push_back({{"vector", where}, {"name", vector.name}, {"message", outcome.message}});
}

// Reads the vectors of all files; a file that cannot be read is a failure.
std::vector<vectors::Vector> read_files(Summary& summary, const std::vector<fs::path>& paths) {
    std::vector<vectors::Vector> all;
    for (const fs::path& path : paths) {
        std::ifstream stream(path, std::ios::binary);
        std::stringstream text;
        text << stream.rdbuf();
        auto parsed = vectors::parse_vectors(text.str(), path.string());
        if (!stream || !parsed) {
            ++summary.failed;
            const std::string message = stream ? parsed.error().message() : std::string("cannot be read");
            summary.failures.push_back({{"vector", path.string()}, {"name", ""}, {"message", message}});
            continue;
        }
        for (vectors::Vector& vector : *parsed) all.push_back(std::move(vector));
    }
    return all;
}

void run_all(Summary& summary, const std::vector<vectors::Vector>& all, const vectors::RunOptions& options) {
    const auto outcomes = vectors::run_vectors(all, options);
    for (std::size_t i = 0; i < all.size(); ++i) note(summary, all[i], outcomes[i]);
}

std::vector<std::string> engine_names() {
    std::vector<std::string> names;
    for (const vectors::Engine& engine : vectors::engines()) names.emplace_back(engine.name);
    return names;
}

nlohmann::json missing_forms(const Summary& summary) {
    nlohmann::json missing = nlohmann::json::array();
    for (std::size_t i = 1; i < summary.covered.size(); ++i) {
        const auto form = static_cast<spec::Form>(i);
        if (!summary.covered[i]) missing.push_back(std::string(isa::text::printed_pattern(form)));
    }
    return missing;
}

void print(const Summary& summary, const Arguments& arguments, const nlohmann::json& missing) {
    if (arguments.is_json) {
        const nlohmann::json all{{"engine", arguments.run.engine->name},
                                 {"passed", summary.passed},
                                 {"failed", summary.failed},
                                 {"skipped", summary.skipped},
                                 {"accepted", summary.accepted},
                                 {"rejected", summary.rejected},
                                 {"failures", summary.failures},
                                 {"forms_without_vector", missing},
                                 {"rejected_unexpectedly", summary.unexplained_rejections}};
        fmt::print("{}\n", all.dump(2));
        return;
    }
    const auto line = [](const nlohmann::json& row, const char* key) {
        fmt::print("{} {}: {}\n", row["vector"].get<std::string>(), row["name"].get<std::string>(),
                   row[key].get<std::string>());
    };
    for (const auto& row : summary.failures) line(row, "message");
    if (arguments.is_verbose) {
        for (const auto& row : summary.unexplained_rejections) line(row, "why");
    }
    if (arguments.needs_all_forms) {
        for (const auto& form : missing)
            fmt::print("no passing vector for form: {}\n", form.get<std::string>());
    }
    if (arguments.run.verify != nullptr)
        fmt::print("verifier: {} accepted, {} rejected\n", summary.accepted, summary.rejected);
    if (summary.skipped != 0) fmt::print("{} skipped\n", summary.skipped);
    fmt::print("{} passed, {} failed\n", summary.passed, summary.failed);
}

}  // namespace

int main(int argc, char** argv) try {
    Arguments arguments;
    bool no_verify = false;
    CLI::App app{"Runs test vectors (.bpft, .data) and compares what happens with what they expect.",
                 "ebpf-vectors"};
    app.allow_windows_style_options(false);  // a path may start with a slash on every host
    std::string engine = arguments.run.engine->name;
    app.add_option("--engine", engine, "engine to run them on")->check(CLI::IsMember(engine_names()));
    app.add_flag("--json", arguments.is_json, "print the summary as JSON");
    app.add_flag("--verbose", arguments.is_verbose,
                 "also print why vectors without expectation were rejected");
    app.add_flag("--no-verify", no_verify, "run without the verifier");
    app.add_flag("--require-all-forms", arguments.needs_all_forms,
                 "fail if an instruction form has no passing vector");
    app.add_option("PATH", arguments.paths, "files, or folders to search")
        ->required()
        ->check(CLI::ExistingPath);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kExitUsage;
    }
    arguments.run.engine = vectors::find_engine(engine);
    if (const char* missing = arguments.run.engine->missing; missing != nullptr) {
        fmt::print(stderr, "engine {} is not in this build: it lacks {}\n", engine, missing);
        return kExitEnvironment;
    }
    if (!no_verify) arguments.run.verify = verifier::verify;
    Summary summary;
    const std::vector<fs::path> files = find_files(arguments.paths);
    if (files.empty()) {
        fmt::print(stderr, "no vectors found\n");
        return kExitFailed;
    }
    run_all(summary, read_files(summary, files), arguments.run);
    const nlohmann::json missing = missing_forms(summary);
    print(summary, arguments, missing);
    return summary.failed != 0 || (arguments.needs_all_forms && !missing.empty()) ? kExitFailed : 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 3;
}
