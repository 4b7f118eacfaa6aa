// SPDX-License-Identifier: MIT
// Requests about objects of any kind: ids, descriptions, pins.
#include <algorithm>
#include <array>
#include <string_view>

#include "maps/map.hpp"
#include "platform/clock.hpp"
#include "platform/interface.hpp"
#include "service/call.hpp"
#include "service/compile.hpp"

namespace ebpf::service {
namespace {

using runtime::LinkObject;
using runtime::MapObject;
using runtime::ObjectKind;
using runtime::ProgramObject;

template <typename Reply>
Result<Reply> next_id(const Call& call, ObjectKind kind, std::uint32_t after) {
    const auto id = call.context().next_id(kind, after);
    if (!id) return fail_with(id.error(), fmt::format("{} with an id above {}", kind_name(kind), after));
    Reply reply;
    reply.id = *id;
    return reply;
}

template <typename Reply, typename T>
Result<Reply> opened(Call& call, const char* kind, std::uint32_t id, StatusOr<runtime::Ref<T>> object) {
    if (!object) return fail_with(object.error(), fmt::format("{} with id {}", kind, id));
    Reply reply;
    reply.object = call.give(*std::move(object));
    return reply;
}

protocol::MapDetails describe(const Call& call, const MapObject& map) {
    protocol::MapDetails details;
    const spec::MapShape& shape = map.shape();
    details.id = map.id();
    details.type = static_cast<std::uint32_t>(shape.type);
    details.key_size = shape.key_size;
    details.value_size = shape.value_size;
    details.max_entries = shape.max_entries;
    details.flags = shape.flags;
    details.is_frozen = map.is_frozen() ? 1 : 0;
    details.count = map.count();
    details.creator_uid = map.creator_uid();
    details.pins = map.pins();
    details.memory_bytes = map.map().region().size();
    details.has_types = call.service.notes().map(map.id()).types ? 1 : 0;
    details.name = map.name();
    return details;
}

std::uint64_t wall_clock_seconds(std::uint64_t created_ns) {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    return (platform::realtime_ns() - (platform::monotonic_ns() - created_ns)) / kNsPerSecond;
}

/// The name of a program type of the tables, or of one that a provider registered.
std::string type_name(const Call& call, std::uint32_t type) {
    if (const auto* row = spec::find_program_type(type)) return row->name;
    return call.service.program_types().name_of(type);
}

protocol::ProgramDetails describe(const Call& call, const ProgramObject& program) {
    protocol::ProgramDetails details;
    details.id = program.id();
    details.type = static_cast<std::uint32_t>(program.type());
    details.attach_type = program.attach_type();
    details.is_gpl_compatible = program.is_gpl_compatible() ? 1 : 0;
    details.creator_uid = program.creator_uid();
    details.pins = program.pins();
    const engine::Image& image = program.image();
    details.engine = static_cast<std::uint32_t>(engine_of(image));
    details.machine_code_bytes = image.code.size();
    details.loaded_at = wall_clock_seconds(program.created_ns());
    details.run_count = program.run_count();
    details.run_time_ns = program.run_time_ns();
    details.memory_bytes = program.image_bytes() + program.bytecode().size();
    details.memory_length = program.memory_length();
    details.bytecode_bytes = static_cast<std::uint32_t>(program.bytecode().size());
    for (const std::uint8_t byte : program.tag()) details.tag.push_back(std::byte{byte});
    details.name = program.name();
    details.type_name = type_name(call, details.type);
    details.is_type_gone =
        spec::find_program_type(details.type) == nullptr && !call.service.program_types().find(details.type)
            ? 1
            : 0;
    for (const MapObject* map : program.maps()) details.maps.push_back({map->id()});
    return details;
}

protocol::LinkDetails describe(const Call& call, LinkObject& link) {
    protocol::LinkDetails details;
    details.id = link.id();
    details.attach_type = link.request().attach_type;
    details.ifindex = link.request().ifindex;
    details.flags = link.request().flags;
    details.is_attached = link.is_attached() ? 1 : 0;
    details.is_suspended = link.is_suspended() ? 1 : 0;
    details.hook = link.hook();
    details.combine = link.combine();
    details.priority = link.priority();
    details.actions = link.actions();
    details.position = link.position().value_or(0);
    details.run_count = link.run_count();
    details.ended_count = link.ended_count();
    details.creator_uid = link.creator_uid();
    details.pins = link.pins();
    if (const auto program = link.program()) {
        details.program_id = program->id();
        details.program_type = static_cast<std::uint32_t>(program->type());
        details.type_name = type_name(call, details.program_type);
    }
    const bool is_at_interface = details.program_type == static_cast<std::uint32_t>(spec::ProgramType::Xdp);
    if (details.ifindex != 0 && is_at_interface)
        details.interface = platform::interface_name(details.ifindex).value_or("");
    std::array<ebpf_hook_counter, spec::kMaxCounters> counters{};
    const std::size_t count = std::min(link.counters(counters).value_or(0), counters.size());
    for (std::size_t i = 0; i < count; ++i) {
        const std::string_view name(counters[i].name, sizeof(counters[i].name));
        details.counters.push_back({std::string(name.substr(0, name.find('\0'))), counters[i].value});
    }
    return details;
}

Result<void> ok_or(Status status, const std::string& path, const char* action) {
    if (status == Status::Ok) return {};
    return fail_with(status, fmt::format("{} '{}'", action, path));
}

}  // namespace

Result<protocol::ProgramNextIdReply> carry_out(Call& call, const protocol::ProgramNextIdRequest& message) {
    return next_id<protocol::ProgramNextIdReply>(call, ObjectKind::Program, message.id);
}

Result<protocol::MapNextIdReply> carry_out(Call& call, const protocol::MapNextIdRequest& message) {
    return next_id<protocol::MapNextIdReply>(call, ObjectKind::Map, message.id);
}

Result<protocol::LinkNextIdReply> carry_out(Call& call, const protocol::LinkNextIdRequest& message) {
    return next_id<protocol::LinkNextIdReply>(call, ObjectKind::Link, message.id);
}

Result<protocol::ProgramByIdReply> carry_out(Call& call, const protocol::ProgramByIdRequest& message) {
    return opened<protocol::ProgramByIdReply>(call, "program", message.id,
                                              call.context().find_program(message.id));
}

Result<protocol::MapByIdReply> carry_out(Call& call, const protocol::MapByIdRequest& message) {
    return opened<protocol::MapByIdReply>(call, "map", message.id, call.context().find_map(message.id));
}

Result<protocol::LinkByIdReply> carry_out(Call& call, const protocol::LinkByIdRequest& message) {
    return opened<protocol::LinkByIdReply>(call, "link", message.id, call.context().find_link(message.id));
}

Result<protocol::ObjectInfoReply> carry_out(Call& call, const protocol::ObjectInfoRequest& message) {
    EBPF_TRY(const ObjectRef object, call.object("object", message.object));
    protocol::ObjectInfoReply reply;
    switch (object->kind()) {
        case ObjectKind::Map:
            reply.map.push_back(describe(call, static_cast<const MapObject&>(*object)));
            break;
        case ObjectKind::Program:
            reply.program.push_back(describe(call, static_cast<const ProgramObject&>(*object)));
            break;
        case ObjectKind::Link:
            reply.link.push_back(describe(call, static_cast<LinkObject&>(*object)));
            break;
    }
    return reply;
}

Result<protocol::ObjectPinReply> carry_out(Call& call, const protocol::ObjectPinRequest& message) {
    EBPF_TRY(const ObjectRef object, call.object("object", message.object));
    EBPF_TRY_VOID(ok_or(call.context().pin(message.path.c_str(), object), message.path, "pin"));
    return protocol::ObjectPinReply{};
}

Result<protocol::ObjectGetReply> carry_out(Call& call, const protocol::ObjectGetRequest& message) {
    auto object = call.context().find_pin(message.path.c_str());
    if (!object) return fail_with(object.error(), fmt::format("pin '{}'", message.path));
    protocol::ObjectGetReply reply;
    reply.kind = static_cast<std::uint32_t>((*object)->kind());
    reply.object = call.give(*std::move(object));
    return reply;
}

Result<protocol::ObjectUnpinReply> carry_out(Call& call, const protocol::ObjectUnpinRequest& message) {
    EBPF_TRY_VOID(ok_or(call.context().unpin(message.path.c_str()), message.path, "unpin"));
    return protocol::ObjectUnpinReply{};
}

Result<protocol::PinNextReply> carry_out(Call& call, const protocol::PinNextRequest& message) {
    std::array<char, runtime::kMaxPinBytes> path{};
    const auto object = call.context().next_pin(message.after.c_str(), path);
    if (!object) return fail_with(object.error(), fmt::format("pin after '{}'", message.after));
    protocol::PinNextReply reply;
    reply.path = path.data();
    reply.kind = static_cast<std::uint32_t>((*object)->kind());
    reply.id = (*object)->id();
    return reply;
}

}  // namespace ebpf::service
