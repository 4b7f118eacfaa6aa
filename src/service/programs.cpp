// SPDX-License-Identifier: MIT
// Requests about programs: loading and verifying, reading them back.
#include <algorithm>

#include "service/call.hpp"
#include "service/compile.hpp"
#include "service/load.hpp"

namespace ebpf::service {

Result<protocol::ProgramLoadReply> carry_out(Call& call, const protocol::ProgramLoadRequest& message) {
    EBPF_TRY(auto loaded, load_program(call, message));
    protocol::ProgramLoadReply reply;
    reply.report = std::move(loaded.report);
    if (loaded.program) reply.program.push_back(call.give(std::move(loaded.program)));
    return reply;
}

Result<protocol::ProgramVerifyReply> carry_out(Call& call, const protocol::ProgramVerifyRequest& message) {
    // A caller may ask for less work than usual, not for more.
    verifier::Request request = message.request;
    const verifier::Limits most;
    request.limits.time_ns = std::min(request.limits.time_ns, most.time_ns);
    request.limits.memory_bytes = std::min(request.limits.memory_bytes, most.memory_bytes);
    request.limits.instructions = std::min(request.limits.instructions, most.instructions);
    request.limits.path_budget = std::min(request.limits.path_budget, most.path_budget);
    request.wants_invariants = false;
    request.groups.bits &= call.service.groups().bits;
    const auto registered = call.service.program_types().find(static_cast<std::uint32_t>(request.type));
    if (registered) request.registered = {registered->info};
    protocol::ProgramVerifyReply reply;
    EBPF_TRY(reply.report, verify_checked(call.service.verifier(), request));
    return reply;
}

Result<protocol::ProgramCodeReply> carry_out(Call& call, const protocol::ProgramCodeRequest& message) {
    EBPF_TRY(const auto program, call.object_as<runtime::ProgramObject>("program", message.program));
    protocol::ProgramCodeReply reply;
    reply.bytecode.assign(program->bytecode().begin(), program->bytecode().end());
    for (const runtime::MapObject* map : program->maps()) reply.maps.push_back({map->id()});
    ProgramNote note = call.service.notes().program(program->id());
    reply.lines = std::move(note.lines);
    reply.subprograms = std::move(note.subprograms);
    return reply;
}

Result<protocol::ProgramMachineCodeReply> carry_out(Call& call,
                                                    const protocol::ProgramMachineCodeRequest& message) {
    EBPF_TRY(const auto program, call.object_as<runtime::ProgramObject>("program", message.program));
    const engine::Image& image = program->image();
    const auto* engine = spec::find_engine(static_cast<std::uint32_t>(engine_of(image)));
    const std::string about = fmt::format("program {} '{}'", program->id(), program->name());
    if (image.code.empty()) {
        return fail(Status::NotFound,
                    fmt::format("{}: engine {} has no machine code to show", about, engine->name));
    }
    protocol::ProgramMachineCodeReply reply;
    MachineNote note = call.service.notes().program(program->id()).machine;
    if (image.code.size() > spec::kMaxMachineCodeBytes || note.slots.size() > spec::kMaxMachineSlots) {
        return fail(Status::TooBig, fmt::format("{}: {} bytes of machine code", about, image.code.size()));
    }
    reply.machine = note.machine;
    reply.address = reinterpret_cast<std::uintptr_t>(image.code.data());
    reply.code.assign(image.code.begin(), image.code.end());
    reply.slots = std::move(note.slots);
    return reply;
}

}  // namespace ebpf::service
