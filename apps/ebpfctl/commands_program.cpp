// SPDX-License-Identifier: MIT
// ebpfctl prog.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/try.hpp"
#include "client/load_object.hpp"
#include "commands.hpp"
#include "object/object_spec.hpp"
#include "platform/file.hpp"
#include "spec/engines.hpp"
#include "spec/rules.hpp"

namespace ebpf::ctl {
namespace {

using client::Client;
using client::Handle;
using client::ObjectKind;

constexpr std::size_t kMaxObjectBytes = std::size_t{64} << 20U;
constexpr std::uint64_t kMaxRepeat = 0xffffffff;

/// Loads one program of a file. The maps stay with the program.
Result<Handle> load_file(Client& client, const object::ObjectSpec& object, const Selector& file,
                         const Options& options) {
    EBPF_TRY(const spec::Engine engine, chosen_engine(options));
    EBPF_TRY(const auto* program, client::find_program(object, file.program));
    client::LoadOptions load{.memory_length = options.memory_length, .engine = engine};
    if (!options.image.empty()) {
        if (engine != spec::Engine::Auto && engine != spec::Engine::Native)
            return fail(Status::InvalidArgument, "--image is for --engine native");
        load.engine = spec::Engine::Native;
        EBPF_TRY(load.image, platform::read_file(options.image, spec::kMaxImageBytes));
    }
    EBPF_TRY(auto loaded, client::load_object(client, object, {program}, load));
    client::Offered& offered = loaded.programs.front().offered;
    if (offered.program.is_empty()) return std::unexpected(rejection(program->name, offered.report));
    return std::move(offered.program);
}

Result<Output> explain(const std::string& id) {
    const spec::RuleSpec* rule = spec::find_rule(id);
    if (rule == nullptr) return fail(Status::NotFound, fmt::format("there is no rule '{}'", id));
    return RuleText{rule->id, rule->category, rule->title, rule->explanation, rule->fix};
}

Result<void> write_file(const std::string& path, const client::Bytes& bytes) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return fail(Status::AccessDenied, fmt::format("{}: cannot be written", path));
    const bool is_written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    if (std::fclose(file) != 0 || !is_written)
        return fail(Status::Environment, fmt::format("{}: writing failed", path));
    return {};
}

/// Stands for standard input after data_in, and for this command's own output after data_out.
constexpr std::string_view kStandardStream = "-";

Result<client::Bytes> read_input(const std::string& path) {
    if (path != kStandardStream) return platform::read_file(path, spec::kMaxTestBytes);
    client::Bytes bytes(spec::kMaxTestBytes + 1);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), stdin));
    if (std::ferror(stdin) != 0) return fail(Status::Environment, "standard input: reading failed");
    if (bytes.size() > spec::kMaxTestBytes)
        return fail(Status::TooBig, fmt::format("standard input: more than {} bytes", spec::kMaxTestBytes));
    return bytes;
}

struct RunWords {
    std::string data_in;
    std::string data_out;
    std::uint32_t repeat = 1;
};

Result<RunWords> read_run_words(Words& words) {
    RunWords read;
    while (!words.is_at_end()) {
        if (read.data_in.empty() && words.accept("data_in")) {
            EBPF_TRY(read.data_in, words.word("data_in file"));
        } else if (read.data_out.empty() && words.accept("data_out")) {
            EBPF_TRY(read.data_out, words.word("data_out file"));
        } else {
            EBPF_TRY_VOID(words.expect("repeat"));
            EBPF_TRY(const auto repeat, words.number("repeat", kMaxRepeat));
            read.repeat = static_cast<std::uint32_t>(std::max<std::uint64_t>(repeat, 1));
        }
    }
    if (read.data_in.empty()) return fail(Status::InvalidArgument, "'data_in FILE' is missing");
    return read;
}

/// Consumes FILE[:PROGRAM], for commands that take nothing else; `command` names them in the error.
Result<Selector> file_word(Words& words, std::string_view command) {
    if (words.is_at_end()) return fail(Status::InvalidArgument, "FILE[:PROGRAM] is missing");
    EBPF_TRY(auto file, words.program());
    if (file.by != Selector::By::File)
        return fail(Status::InvalidArgument, fmt::format("{} takes FILE[:PROGRAM]", command));
    return file;
}

}  // namespace

/// What a refusal says when it ends the command.
Error rejection(const std::string& name, const verifier::Report& report) {
    std::string text = fmt::format("program '{}' was rejected", name);
    if (!report.failures.empty()) {
        const auto& failure = report.failures.front();
        text += fmt::format(": {} {}: instruction {}: {}", failure.rule, failure.category, failure.slot,
                            failure.message);
        if (failure.source.line != 0)
            text += fmt::format(" ({}:{})", failure.source.file, failure.source.line);
    }
    return {Status::Rejected, text};
}

Result<spec::Engine> chosen_engine(const Options& options) {
    if (const auto* row = spec::find_engine(options.engine)) return row->engine;
    std::string known;
    for (const auto& row : spec::engines()) known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
    return fail(Status::InvalidArgument,
                fmt::format("--engine '{}': there is no such engine among {}", options.engine, known));
}

Result<object::ObjectSpec> read_object(Client& client, const std::string& path) {
    EBPF_TRY(const auto bytes, platform::read_file(path, kMaxObjectBytes));
    auto object = client::read_object(client, bytes, path);
    if (!object) return std::unexpected(std::move(object).error().in(path));
    return object;
}

Result<Handle> program_for(Client& client, const Options& options, const Selector& selector) {
    if (selector.by != Selector::By::File) return select_one(client, ObjectKind::Program, selector);
    EBPF_TRY(const auto object, read_object(client, selector.text));
    return load_file(client, object, selector, options);
}

Result<Output> program_verify(const Options& options, Words& words) {
    if (!options.explain.empty()) return explain(options.explain);
    EBPF_TRY(const auto file, file_word(words, "prog verify"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::InProcess));
    Client client(*backend);
    EBPF_TRY(const auto object, read_object(client, file.text));
    std::vector<const object::ProgramSpec*> programs;
    programs.reserve(object.programs.size());
    for (const auto& program : object.programs) programs.push_back(&program);
    if (!file.program.empty()) {
        EBPF_TRY(const auto* program, client::find_program(object, file.program));
        programs = {program};
    }
    if (programs.empty()) return fail(Status::NotFound, fmt::format("{}: there are no programs", file.text));
    Verification verification;
    for (const auto* program : programs) {
        const auto request = client::verification_request(object, *program, options.memory_length);
        EBPF_TRY(auto report, client.verify(request));
        verification.programs.push_back({program->name, program->section, std::move(report)});
    }
    return verification;
}

Result<Output> program_load(const Options& options, Words& words) {
    EBPF_TRY(const auto file, file_word(words, "prog load"));
    EBPF_TRY(const auto path, words.word("PATH of the pin"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(const auto object, read_object(client, file.text));
    EBPF_TRY(const auto program, load_file(client, object, file, options));
    EBPF_TRY_VOID(client.pin(program, path));
    return Done{};
}

Result<Output> program_show(const Options& options, Words& words) {
    Programs shown;
    EBPF_TRY(const auto selector, words.last_object("program"));
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(const auto handles, select_any(client, ObjectKind::Program, selector));
    shown.is_list = !selector || handles.size() > 1;
    for (const auto& handle : handles) {
        EBPF_TRY(auto info, client.program_info(handle));
        EBPF_TRY(auto pins, pins_of(client, ObjectKind::Program, info.id));
        shown.programs.push_back(std::move(info));
        shown.pins.push_back(std::move(pins));
    }
    return shown;
}

Result<Output> program_run(const Options& options, Words& words) {
    EBPF_TRY(const auto selector, words.program());
    EBPF_TRY(const auto run_words, read_run_words(words));
    EBPF_TRY(const auto data, read_input(run_words.data_in));
    const auto place = selector.by == Selector::By::File ? Place::InProcess : Place::Daemon;
    EBPF_TRY(const auto backend, open_context(options, place));
    Client client(*backend);
    Options run_options = options;
    run_options.memory_length = data.size();
    EBPF_TRY(const auto program, program_for(client, run_options, selector));
    EBPF_TRY(const auto run, client.test_run(program, data, run_words.repeat));
    Run shown{run.result, run.duration_ns, run_words.repeat, {}};
    if (run_words.data_out == kStandardStream) {
        shown.data = run.data;
    } else if (!run_words.data_out.empty()) {
        EBPF_TRY_VOID(write_file(run_words.data_out, run.data));
    }
    return shown;
}

Result<Output> program_pin(const Options& options, Words& words) {
    EBPF_TRY(const auto selector, words.object("program"));
    EBPF_TRY(const auto path, words.word("PATH of the pin"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(const auto program, select_one(client, ObjectKind::Program, selector));
    EBPF_TRY_VOID(client.pin(program, path));
    return Done{};
}

}  // namespace ebpf::ctl
