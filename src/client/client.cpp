// SPDX-License-Identifier: MIT
#include "client/client.hpp"

#include <fmt/format.h>

#include <utility>
#include <variant>

namespace ebpf::client {
namespace {

Bytes copy(std::span<const std::byte> bytes) {
    return {bytes.begin(), bytes.end()};
}

/// Takes the handle that a reply names. Errors: Malformed.
Result<Handle> take(std::vector<Handle>& handles, protocol::HandleIndex index) {
    if (index >= handles.size() || handles[index].is_empty())
        return fail(Status::Malformed, "the context's reply lacks a handle");
    return std::move(handles[index]);
}

template <typename T>
Result<T> only(std::vector<T>& list, const char* kind) {
    if (list.size() != 1) return fail(Status::WrongKind, fmt::format("the object is not a {}", kind));
    return std::move(list.front());
}

const char* name_of(ObjectKind kind) {
    switch (kind) {
        case ObjectKind::Map:
            return "map";
        case ObjectKind::Program:
            return "program";
        case ObjectKind::Link:
            return "link";
    }
    return "object";
}

}  // namespace

template <typename Request>
Result<Client::Full<Request>> Client::call(const Request& request, std::span<const Handle* const> handles) {
    EBPF_TRY(auto answer, backend_->call(request, handles));
    auto* reply = std::get_if<typename Request::Reply>(&answer.reply);
    if (reply == nullptr) return fail(Status::Malformed, "the context's reply is of another operation");
    return Full<Request>{std::move(*reply), std::move(answer.handles)};
}

template <typename Request>
Result<typename Request::Reply> Client::ask(const Request& request,
                                            std::initializer_list<const Handle*> handles) {
    EBPF_TRY(auto full, call(request, {handles.begin(), handles.size()}));
    return std::move(full.reply);
}

template <typename Request>
Result<Handle> Client::ask_handle(const Request& request, std::initializer_list<const Handle*> handles,
                                  protocol::HandleIndex Request::Reply::* field) {
    EBPF_TRY(auto full, call(request, {handles.begin(), handles.size()}));
    return take(full.handles, full.reply.*field);
}

Result<Handle> Client::create_map(const object::MapSpec& map, std::span<const std::byte> types) {
    protocol::MapCreateRequest request;
    request.type = static_cast<std::uint32_t>(map.shape.type);
    request.key_size = map.shape.key_size;
    request.value_size = map.shape.value_size;
    request.max_entries = map.shape.max_entries;
    request.flags = map.shape.flags;
    request.name = map.name;
    if (map.btf_value_type != 0) {
        request.key_type = map.btf_key_type;
        request.value_type = map.btf_value_type;
        request.types = copy(types);
    }
    return ask_handle(request, {}, &protocol::MapCreateReply::map);
}

Result<Bytes> Client::lookup(const Handle& map, std::span<const std::byte> key) {
    protocol::MapLookupRequest request;
    request.map = 0;
    request.key = copy(key);
    EBPF_TRY(auto reply, ask(request, {&map}));
    return std::move(reply.value);
}

Result<void> Client::update(const Handle& map, std::span<const std::byte> key,
                            std::span<const std::byte> value, std::uint64_t flags) {
    protocol::MapUpdateRequest request;
    request.map = 0;
    request.flags = flags;
    request.key = copy(key);
    request.value = copy(value);
    EBPF_TRY_VOID(ask(request, {&map}));
    return {};
}

Result<void> Client::put_program(const Handle& map, std::uint32_t index, const Handle& program) {
    protocol::MapUpdateRequest request;
    request.map = 0;
    request.key = copy(std::as_bytes(std::span(&index, 1)));
    request.program = {1};
    EBPF_TRY_VOID(ask(request, {&map, &program}));
    return {};
}

Result<void> Client::erase(const Handle& map, std::span<const std::byte> key) {
    protocol::MapDeleteRequest request;
    request.map = 0;
    request.key = copy(key);
    EBPF_TRY_VOID(ask(request, {&map}));
    return {};
}

Result<Bytes> Client::next_key(const Handle& map, std::span<const std::byte> key) {
    protocol::MapNextKeyRequest request;
    request.map = 0;
    request.key = copy(key);
    EBPF_TRY(auto reply, ask(request, {&map}));
    return std::move(reply.key);
}

Result<void> Client::freeze(const Handle& map) {
    protocol::MapFreezeRequest request;
    request.map = 0;
    EBPF_TRY_VOID(ask(request, {&map}));
    return {};
}

Result<protocol::MapRecordsReply> Client::records(const Handle& map, const RecordsWanted& wanted) {
    protocol::MapRecordsRequest request;
    request.map = 0;
    request.taken = wanted.taken;
    request.most = wanted.most;
    request.timeout_ms = wanted.timeout_ms;
    return ask(request, {&map});
}

Result<protocol::MapTypesReply> Client::types(const Handle& map) {
    protocol::MapTypesRequest request;
    request.map = 0;
    return ask(request, {&map});
}

Result<verifier::Report> Client::verify(const verifier::Request& request) {
    EBPF_TRY(auto reply, ask(protocol::ProgramVerifyRequest{request}));
    return std::move(reply.report);
}

Result<Offered> Client::offer(const protocol::ProgramLoadRequest& request,
                              std::span<const Handle* const> maps) {
    EBPF_TRY(auto full, call(request, maps));
    Offered offered;
    offered.report = std::move(full.reply.report);
    if (!full.reply.program.empty()) {
        EBPF_TRY(offered.program, take(full.handles, full.reply.program[0]));
    }
    return offered;
}

Result<TestRun> Client::test_run(const Handle& program, std::span<const std::byte> data,
                                 std::uint32_t repeat) {
    protocol::ProgramTestRunRequest request;
    request.program = 0;
    request.repeat = repeat;
    request.data = copy(data);
    EBPF_TRY(auto reply, ask(request, {&program}));
    return TestRun{reply.result, reply.duration_ns, std::move(reply.data)};
}

Result<protocol::ProgramCodeReply> Client::code(const Handle& program) {
    protocol::ProgramCodeRequest request;
    request.program = 0;
    return ask(request, {&program});
}

Result<protocol::ProgramMachineCodeReply> Client::machine_code(const Handle& program) {
    protocol::ProgramMachineCodeRequest request;
    request.program = 0;
    return ask(request, {&program});
}

Result<Handle> Client::create_link(const Handle& program, const LinkTarget& target) {
    protocol::LinkCreateRequest request;
    request.program = 0;
    request.attach_type = target.attach_type;
    request.flags = target.flags;
    request.interface = target.interface;
    request.hook = target.hook;
    request.ifindex = target.place;
    if (target.priority) request.priority.push_back({*target.priority});
    if (target.actions) request.actions.push_back({*target.actions});
    return ask_handle(request, {&program}, &protocol::LinkCreateReply::link);
}

Result<std::string> Client::load_extension(const std::string& path) {
    protocol::ExtensionLoadRequest request;
    request.path = path;
    EBPF_TRY(auto reply, ask(request));
    return std::move(reply.name);
}

Result<void> Client::unload_extension(const std::string& name) {
    protocol::ExtensionUnloadRequest request;
    request.name = name;
    EBPF_TRY_VOID(ask(request));
    return {};
}

Result<std::vector<protocol::ExtensionDetails>> Client::extensions() {
    EBPF_TRY(auto reply, ask(protocol::ExtensionListRequest{}));
    return std::move(reply.extensions);
}

Result<std::vector<protocol::TypeDetails>> Client::program_types() {
    EBPF_TRY(auto reply, ask(protocol::TypeListRequest{}));
    return std::move(reply.types);
}

Result<void> Client::update_link(const Handle& link, const Handle& program) {
    protocol::LinkUpdateRequest request;
    request.link = 0;
    request.program = 1;
    EBPF_TRY_VOID(ask(request, {&link, &program}));
    return {};
}

Result<void> Client::detach(const Handle& link) {
    protocol::LinkDetachRequest request;
    request.link = 0;
    EBPF_TRY_VOID(ask(request, {&link}));
    return {};
}

Result<protocol::ObjectInfoReply> Client::info(const Handle& object) {
    protocol::ObjectInfoRequest request;
    request.object = 0;
    return ask(request, {&object});
}

Result<protocol::MapDetails> Client::map_info(const Handle& map) {
    EBPF_TRY(auto reply, info(map));
    return only(reply.map, "map");
}

Result<protocol::ProgramDetails> Client::program_info(const Handle& program) {
    EBPF_TRY(auto reply, info(program));
    return only(reply.program, "program");
}

Result<protocol::LinkDetails> Client::link_info(const Handle& link) {
    EBPF_TRY(auto reply, info(link));
    return only(reply.link, "link");
}

template <typename Request>
Result<std::vector<std::uint32_t>> Client::ids_by() {
    std::vector<std::uint32_t> all;
    Request request;
    while (true) {
        auto reply = ask(request);
        if (!reply && reply.error().status() == Status::NotFound) return all;
        if (!reply) return std::unexpected(std::move(reply).error());
        if (reply->id <= request.id) return fail(Status::Malformed, "the context's ids do not ascend");
        all.push_back(reply->id);
        request.id = reply->id;
    }
}

Result<std::vector<std::uint32_t>> Client::ids(ObjectKind kind) {
    switch (kind) {
        case ObjectKind::Map:
            return ids_by<protocol::MapNextIdRequest>();
        case ObjectKind::Program:
            return ids_by<protocol::ProgramNextIdRequest>();
        case ObjectKind::Link:
            return ids_by<protocol::LinkNextIdRequest>();
    }
    return fail(Status::InvalidArgument, "unknown kind of object");
}

Result<Handle> Client::open(ObjectKind kind, std::uint32_t id) {
    switch (kind) {
        case ObjectKind::Map:
            return ask_handle(protocol::MapByIdRequest{id}, {}, &protocol::MapByIdReply::object);
        case ObjectKind::Program:
            return ask_handle(protocol::ProgramByIdRequest{id}, {}, &protocol::ProgramByIdReply::object);
        case ObjectKind::Link:
            return ask_handle(protocol::LinkByIdRequest{id}, {}, &protocol::LinkByIdReply::object);
    }
    return fail(Status::InvalidArgument, "unknown kind of object");
}

Result<void> Client::pin(const Handle& object, const std::string& path) {
    if (!is_lasting()) {
        return fail(
            Status::NotSupported,
            fmt::format("pin '{}': the in-process context ends with this command, so its pins would too; "
                        "use a daemon's context",
                        path));
    }
    protocol::ObjectPinRequest request;
    request.object = 0;
    request.path = path;
    EBPF_TRY_VOID(ask(request, {&object}));
    return {};
}

Result<void> Client::unpin(const std::string& path) {
    EBPF_TRY_VOID(ask(protocol::ObjectUnpinRequest{path}));
    return {};
}

Result<Handle> Client::open_pin(ObjectKind kind, const std::string& path) {
    EBPF_TRY(auto full, call(protocol::ObjectGetRequest{path}, {}));
    if (full.reply.kind != static_cast<std::uint32_t>(kind)) {
        return fail(Status::WrongKind,
                    fmt::format("pin '{}' is a {}, not a {}", path,
                                name_of(static_cast<ObjectKind>(full.reply.kind)), name_of(kind)));
    }
    return take(full.handles, full.reply.object);
}

Result<std::vector<PinnedObject>> Client::pins() {
    std::vector<PinnedObject> all;
    protocol::PinNextRequest request;
    while (true) {
        auto reply = ask(request);
        if (!reply && reply.error().status() == Status::NotFound) return all;
        if (!reply) return std::unexpected(std::move(reply).error());
        if (reply->path <= request.after) return fail(Status::Malformed, "the context's pins do not ascend");
        all.push_back({reply->path, static_cast<ObjectKind>(reply->kind), reply->id});
        request.after = reply->path;
    }
}

}  // namespace ebpf::client
