// SPDX-License-Identifier: MIT
// bpf2c: turns the programs of an object file into C, or into a native image.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "render.hpp"
#include "translate.hpp"

namespace {

using namespace ebpf;

constexpr const char* kFooter =
    "The C needs include/ebpf/native_operations.h and is compiled with: cc -O2 -fno-strict-overflow -shared "
    "-fPIC "
    "-nostdlib\n"
    "An image is loaded with: ebpfctl prog load FILE.o PATH --engine native --image IMAGE\n"
    "The context verifies FILE.o itself and compares a hash; only the owner of the context may load images.\n"
    "Exit codes: 0 done, 1 refused by the verifier or not found, 2 wrong usage, 3 internal error, 4 no "
    "compiler, or "
    "a file cannot be written";

struct Arguments {
    bpf2c::Order order;
    std::string so_path;
    std::string dll_path;
    bool is_json = false;
};

void add_options(CLI::App& app, Arguments& arguments) {
    bpf2c::Order& order = arguments.order;
    app.add_option("file", order.file,
                   "object file, as clang makes it; FILE.o:PROGRAM for one of its programs")
        ->type_name("FILE.o")
        ->required();
    app.add_option("-o", order.c_path, "write the C here; without any output it is printed")
        ->type_name("OUT.c");
    auto* so =
        app.add_option("--so", arguments.so_path, "compile an image for this host")->type_name("OUT.so");
    app.add_option("--dll", arguments.dll_path, "compile an image for Windows")
        ->type_name("OUT.dll")
        ->excludes(so);
    app.add_option("--cc", order.build.compiler,
                   "C compiler: gcc or clang; default: the newest clang there is")
        ->type_name("CC");
    app.add_option("--cflag", order.build.options, "a further option for the compiler; may be repeated")
        ->type_name("OPTION")
        ->allow_extra_args(false);
    app.add_option("--memory-length", order.memory_length, "bytes at r1, for programs of type memory")
        ->check(CLI::NonNegativeNumber);
    app.add_flag("-j,--json", arguments.is_json, "print what was made as JSON; needs an output");
    app.footer(kFooter);
}

int report_error(const Arguments& arguments, ctl::Exit code, const std::string& message) {
    if (arguments.is_json)
        fmt::print("{}", ctl::render_json_error(message, false));
    else
        fmt::print(stderr, "Error: {}\n", message);
    return static_cast<int>(code);
}

int report_refusal(const Arguments& arguments, const ctl::Verification& refused) {
    if (arguments.is_json)
        fmt::print("{}", ctl::render_json(refused, false));
    else
        fmt::print(stderr, "{}", ctl::render_text(refused));
    return static_cast<int>(ctl::Exit::Refused);
}

void print_made(const Arguments& arguments, const bpf2c::Outcome& outcome) {
    nlohmann::json programs = nlohmann::json::array();
    for (const auto& program : outcome.programs) {
        programs.push_back({{"name", program.name},
                            {"section", program.section},
                            {"tag", program.tag},
                            {"hash", program.hash},
                            {"instructions", program.instructions}});
    }
    nlohmann::json made{{"file", arguments.order.file}, {"programs", programs}};
    if (!arguments.order.c_path.empty()) made["c"] = arguments.order.c_path;
    if (!arguments.order.image_path.empty()) made["image"] = arguments.order.image_path;
    fmt::print("{}\n", made.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

ctl::Exit exit_of(const Error& error) {
    if (error.status() == Status::Internal) return ctl::Exit::Internal;
    const bool is_refusal = error.status() == Status::NotFound || error.status() == Status::NotSupported ||
                            error.status() == Status::Malformed || error.status() == Status::Truncated;
    return is_refusal ? ctl::Exit::Refused : ctl::Exit::Environment;
}

int run(Arguments& arguments) {
    bpf2c::Order& order = arguments.order;
    order.image_path = arguments.so_path + arguments.dll_path;
    if (!arguments.dll_path.empty()) order.build.target = native::Target::Windows;
    const bool has_output = !order.image_path.empty() || !order.c_path.empty();
    if (arguments.is_json && !has_output)
        return report_error(arguments, ctl::Exit::Usage, "--json needs one of -o, --so and --dll");
    order.progress = arguments.is_json ? [](std::string_view) {}
                                       : [](std::string_view text) { fmt::print(stderr, "{} ...\n", text); };
    const auto outcome = bpf2c::translate(order);
    if (!outcome) return report_error(arguments, exit_of(outcome.error()), outcome.error().message());
    if (!outcome->refused.programs.empty()) return report_refusal(arguments, outcome->refused);
    if (arguments.is_json)
        print_made(arguments, *outcome);
    else if (!has_output)
        fmt::print("{}", outcome->c);
    return 0;
}

int parse_and_run(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("Turns verified eBPF programs into C, and into native images", "bpf2c");
    app.allow_windows_style_options(false);
    add_options(app, arguments);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        arguments.is_json = app.count("--json") > 0;
        return report_error(arguments, ctl::Exit::Usage, fmt::format("{}; see --help", error.what()));
    }
    return run(arguments);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "Error: internal error: {}\n", error.what());
        return static_cast<int>(ctl::Exit::Internal);
    }
}
