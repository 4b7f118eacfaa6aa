// SPDX-License-Identifier: MIT
#include "translate.hpp"

#include <fmt/format.h>

#include <deque>
#include <utility>

#include "base/try.hpp"
#include "client/load_object.hpp"
#include "native/generate.hpp"
#include "native/identity.hpp"
#include "native/load.hpp"
#include "object/object_spec.hpp"
#include "platform/file.hpp"
#include "platform/process.hpp"
#include "protocol/request_hash.hpp"

namespace ebpf::bpf2c {
namespace {

constexpr std::size_t kMaxObjectBytes = std::size_t{64} << 20U;

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
}

/// The object and those of its programs that are meant. "a:b.o" is a file if there is one of that name.
struct Chosen {
    object::ObjectSpec object;
    std::vector<const object::ProgramSpec*> programs;
};

Result<Chosen> choose(const std::string& file) {
    std::string path = file;
    std::string name;
    auto bytes = platform::read_file(path, kMaxObjectBytes);
    const std::size_t colon = file.rfind(':');
    if (!bytes && colon != std::string::npos) {
        path = file.substr(0, colon);
        name = file.substr(colon + 1);
        bytes = platform::read_file(path, kMaxObjectBytes);
    }
    if (!bytes) return std::unexpected(std::move(bytes).error());
    auto object = object::read_object(*bytes, path);
    if (!object) return std::unexpected(std::move(object).error().in(path));
    Chosen chosen{*std::move(object), {}};
    if (!name.empty()) {
        EBPF_TRY(const auto* program, client::find_program(chosen.object, name));
        chosen.programs.push_back(program);
        return chosen;
    }
    for (const auto& program : chosen.object.programs) chosen.programs.push_back(&program);
    if (chosen.programs.empty())
        return fail(Status::NotFound, fmt::format("{}: there are no programs", path));
    return chosen;
}

native::ProgramInput input_of(const object::ProgramSpec& program, const verifier::Request& request,
                              const verifier::Report& report, const native::Identity& identity) {
    native::ProgramInput input;
    input.name = program.name;
    input.section = program.section;
    input.type = request.type;
    input.attach_type = request.attach_type;
    input.memory_length = request.memory_length;
    input.code = &identity.code;
    input.accesses = report.accesses;
    for (const auto& map : request.maps) input.maps.push_back({map.name, map.shape});
    input.lines = request.lines;
    input.subprograms = request.subprograms;
    const auto tag = protocol::program_tag(request.bytecode);
    input.tag.assign(tag.begin(), tag.end());
    input.hash = identity.hash;
    return input;
}

/// A path that does not exist is wrong with the environment here, not with what was asked for.
Result<void> write_output(const std::string& path, std::string_view contents) {
    const auto written = platform::write_file(path, contents);
    if (!written) return fail(Status::Environment, written.error().message());
    return {};
}

Result<void> write_outputs(const Order& order, const std::string& c) {
    if (!order.image_path.empty()) {
        order.progress(fmt::format("compiling {}", order.image_path));
        const auto library = native::build(c, order.build);
        // Whatever it is, it is this machine's compiler: the program is not to blame.
        if (!library) return fail(Status::Environment, library.error().message());
        const std::string_view bytes(reinterpret_cast<const char*>(library->data()), library->size());
        EBPF_TRY_VOID(write_output(order.image_path, bytes));
    }
    if (!order.c_path.empty()) EBPF_TRY_VOID(write_output(order.c_path, c));
    return {};
}

}  // namespace

Result<Outcome> translate(const Order& order) {
    EBPF_TRY(const Chosen chosen, choose(order.file));
    Outcome outcome;
    ctl::Verification verification;
    std::vector<native::ProgramInput> inputs;
    std::deque<native::Identity> identities;
    bool is_refused = false;
    for (const auto* program : chosen.programs) {
        order.progress(fmt::format("verifying {}", program->name));
        const auto request = client::verification_request(chosen.object, *program, order.memory_length);
        EBPF_TRY(auto verified, native::verify_for_image(request, [](const verifier::Request& asked) {
                     return Result<verifier::Report>(verifier::verify(asked));
                 }));
        verification.programs.push_back({program->name, program->section, verified.report});
        if (verified.report.verdict != verifier::Verdict::Accept) is_refused = true;
        if (is_refused) continue;
        EBPF_TRY(identities.emplace_back(), native::identify(verified.request, verified.report));
        inputs.push_back(input_of(*program, verified.request, verified.report, identities.back()));
    }
    if (is_refused) {
        outcome.refused = std::move(verification);
        return outcome;
    }
    std::vector<const native::ProgramInput*> all;
    for (const auto& input : inputs) {
        all.push_back(&input);
        outcome.programs.push_back(
            {input.name, input.section, hex(input.tag), hex(input.hash), input.code->size()});
    }
    auto c = native::generate(all, chosen.object.name);
    if (!c) return std::unexpected(native::to_error(c.error()).in(all[c.error().program]->name));
    outcome.c = *std::move(c);
    EBPF_TRY_VOID(write_outputs(order, outcome.c));
    return outcome;
}

}  // namespace ebpf::bpf2c
