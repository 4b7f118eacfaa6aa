// SPDX-License-Identifier: MIT
// Requests about programs: loading and verifying, reading them back.
#include <algorithm>

#include "service/call.hpp"
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

}  // namespace ebpf::service
