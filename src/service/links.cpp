// SPDX-License-Identifier: MIT
// Requests about links.
#include <array>
#include <optional>
#include <vector>

#include "platform/interface.hpp"
#include "runtime/provider.hpp"
#include "service/call.hpp"

namespace ebpf::service {
namespace {

using runtime::LinkObject;
using runtime::ProgramObject;

constexpr std::size_t kReasonBytes = 512;

std::optional<std::uint32_t> value_of(const std::vector<protocol::Setting>& setting) {
    if (setting.empty()) return std::nullopt;
    return setting.front().value;
}

Result<std::uint32_t> ifindex_of(const protocol::LinkCreateRequest& message) {
    if (message.interface.empty()) return message.ifindex;
    if (message.ifindex != 0)
        return fail(Status::InvalidArgument, "an interface is given both by name and by number");
    const auto index = platform::interface_index(message.interface);
    if (!index) return fail_with(index.error(), fmt::format("interface '{}'", message.interface));
    return *index;
}

/// The attach type of the hook that is named, or else the one that is numbered.
Result<std::uint32_t> attach_type_of(const Call& call, const protocol::LinkCreateRequest& message,
                                     const ProgramObject& program) {
    if (message.hook.empty()) return message.attach_type;
    if (message.attach_type != 0)
        return fail(Status::InvalidArgument, "a hook is given both by name and by attach type");
    const auto hook = call.context().find_hook(message.hook.c_str());
    if (!hook) return fail(hook.error(), fmt::format("there is no hook '{}'", message.hook));
    if (hook->program_type != static_cast<std::uint32_t>(program.type())) {
        return fail(Status::InvalidArgument,
                    fmt::format("program {} '{}' is of another type than hook '{}' runs", program.id(),
                                program.name(), message.hook));
    }
    return hook->attach_type;
}

}  // namespace

Result<runtime::Ref<LinkObject>> attach(runtime::Context& context, const runtime::Ref<ProgramObject>& program,
                                        ebpf_attach_request request, const runtime::ChainPlace& place) {
    request.version = EBPF_HOOK_ABI_VERSION;
    request.size = sizeof(request);
    std::array<char, kReasonBytes> reason{};
    auto link = context.create_link(program, request, reason, place);
    if (link) return *std::move(link);
    const std::string_view why = reason[0] != '\0' ? reason.data() : status_text(link.error());
    return fail(link.error(), fmt::format("program {} '{}': {}", program->id(), program->name(), why));
}

Result<protocol::LinkCreateReply> carry_out(Call& call, const protocol::LinkCreateRequest& message) {
    EBPF_TRY(const auto program, call.object_as<ProgramObject>("program", message.program));
    ebpf_attach_request request{};
    EBPF_TRY(request.attach_type, attach_type_of(call, message, *program));
    request.flags = message.flags;
    EBPF_TRY(request.ifindex, ifindex_of(message));
    EBPF_TRY(auto link, attach(call.context(), program, request,
                               {value_of(message.priority), value_of(message.actions)}));
    protocol::LinkCreateReply reply;
    reply.link = call.give(std::move(link));
    return reply;
}

Result<protocol::LinkUpdateReply> carry_out(Call& call, const protocol::LinkUpdateRequest& message) {
    EBPF_TRY(const auto link, call.object_as<LinkObject>("link", message.link));
    EBPF_TRY(const auto program, call.object_as<ProgramObject>("program", message.program));
    const Status status = call.context().update_link(*link, program);
    if (status == Status::Ok) return protocol::LinkUpdateReply{};
    const std::string about =
        fmt::format("link {} and program {} '{}'", link->id(), program->id(), program->name());
    if (status == Status::AlreadyExists)
        return fail(status, about + ": another link has the program at this hook");
    if (status == Status::InvalidArgument)
        return fail(status,
                    about + ": program type or attach type is not that of the program to be replaced");
    return fail_with(status, about);
}

Result<protocol::LinkDetachReply> carry_out(Call& call, const protocol::LinkDetachRequest& message) {
    EBPF_TRY(const auto link, call.object_as<LinkObject>("link", message.link));
    if (const Status status = call.context().detach(*link); status != Status::Ok)
        return fail_with(status, fmt::format("link {}", link->id()));
    return protocol::LinkDetachReply{};
}

}  // namespace ebpf::service
