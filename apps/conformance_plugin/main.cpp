// SPDX-License-Identifier: MIT
// ebpf-conformance-plugin: lets the runner of bpf_conformance judge our engines. One program in hexadecimal
// on stdin, its memory as an argument, r0 in hexadecimal on stdout. Source:
// https://github.com/Alan-Jowett/bpf_conformance, README, "bpf_conformance_runner plugins".
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "base/try.hpp"
#include "elf/file.hpp"
#include "vectors/execute.hpp"

namespace {

using namespace ebpf;
using Bytes = std::vector<std::byte>;

constexpr int kExitRefused = 1;
constexpr int kExitUsage = 2;
constexpr int kExitInternal = 3;

/// Bytes in hexadecimal, two digits each, with any white space between them.
Result<Bytes> parse_hex(std::string_view text, std::string_view what) {
    Bytes bytes;
    int half = -1;
    for (const char c : text) {
        int digit = -1;
        if (c >= '0' && c <= '9') digit = c - '0';
        if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
        if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
        const bool is_space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
        if (digit < 0 ? !is_space || half >= 0 : false) {
            return fail(Status::Malformed, fmt::format("{}: '{}' after {} bytes is no byte in hexadecimal",
                                                       what, c, bytes.size()));
        }
        if (digit < 0) continue;
        if (half < 0) {
            half = digit;
        } else {
            bytes.push_back(static_cast<std::byte>(half * 16 + digit));
            half = -1;
        }
    }
    if (half >= 0) return fail(Status::Truncated, fmt::format("{}: half a byte at the end", what));
    return bytes;
}

std::string read_stdin() {
    std::string text;
    std::array<char, 4096> part{};
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), stdin))
        text.append(part.data(), size);
    return text;
}

struct Program {
    Bytes bytecode;
    spec::ProgramType type = spec::ProgramType::Memory;
};

/// The only code of an object as the runner writes it: in `xdp` with a prologue that turns the context into
/// memory and length, in `.text` without one.
Result<Program> read_elf(const Bytes& file) {
    EBPF_TRY(const auto object, elf::File::parse(file));
    const elf::Section* code = nullptr;
    for (const elf::Section& section : object.sections()) {
        if (!section.is_executable() || section.bytes.empty()) continue;
        if (code != nullptr) {
            return fail(Status::NotSupported,
                        fmt::format("code in both {} and {}", elf::describe(*code), elf::describe(section)));
        }
        code = &section;
    }
    if (code == nullptr) return fail(Status::NotFound, "the object has no section with code");
    EBPF_TRY(const auto relocations, object.relocations_of(*code));
    if (!relocations.empty()) {
        return fail(Status::NotSupported,
                    fmt::format("{}: {} relocations", elf::describe(*code), relocations.size()));
    }
    Program program;
    program.bytecode.assign(code->bytes.begin(), code->bytes.end());
    if (code->name == "xdp") program.type = spec::ProgramType::Xdp;
    return program;
}

struct Arguments {
    std::string memory;
    std::string program;
    std::string engine = vectors::interpreter().name;
    bool is_elf = false;
    bool is_xdp = false;
    bool allows_refused = false;
};

Result<std::uint64_t> run(const Arguments& arguments) {
    EBPF_TRY(const Bytes memory, parse_hex(arguments.memory, "memory"));
    EBPF_TRY(Bytes input, parse_hex(arguments.program, "program"));
    Program program;
    if (arguments.is_elf) {
        EBPF_TRY(program, read_elf(input));
    } else {
        program.bytecode = std::move(input);
    }
    if (arguments.is_xdp) program.type = spec::ProgramType::Xdp;
    EBPF_TRY(const auto executed, vectors::execute({.bytecode = program.bytecode,
                                                    .memory = memory,
                                                    .type = program.type,
                                                    .engine = vectors::find_engine(arguments.engine),
                                                    .allows_refused = arguments.allows_refused}));
    return executed.result;
}

int parse_and_run(int argc, char** argv) {
    Arguments arguments;
    std::vector<std::string> names;
    for (const vectors::Engine& engine : vectors::engines()) names.emplace_back(engine.name);
    CLI::App app("Runs one program as a plugin of bpf_conformance's runner: reads it from stdin, prints r0.",
                 "ebpf-conformance-plugin");
    app.allow_windows_style_options(false);
    app.add_option("MEMORY", arguments.memory, "bytes at r1 (r2: how many), in hexadecimal");
    app.add_option("--program", arguments.program, "the program, instead of reading stdin");
    app.add_option("--engine", arguments.engine, "engine to run it on")->check(CLI::IsMember(names));
    app.add_flag("--elf", arguments.is_elf, "the program is an ELF object");
    app.add_flag("--xdp", arguments.is_xdp, "the program is one of type xdp (the runner's --xdp_prolog)");
    app.add_flag("--allow-refused", arguments.allows_refused,
                 "also run what the verifier refuses, which may do anything to this process");
    app.footer(
        "Exit codes: 0 r0 is on stdout, 1 refused with the reason on stderr, 2 wrong usage, 3 internal.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kExitUsage;
    }
    if (arguments.program.empty()) {
        arguments.program = read_stdin();
    }
    const auto result = run(arguments);
    if (!result) {
        fmt::print(stderr, "{}\n", result.error().message());
        return kExitRefused;
    }
    fmt::print("{:x}\n", *result);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "internal error: {}\n", error.what());
        return kExitInternal;
    }
}
