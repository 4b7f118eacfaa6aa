// SPDX-License-Identifier: MIT
// Requests about maps.
#include <algorithm>
#include <new>

#include "maps/map.hpp"
#include "maps/ring_buffer.hpp"
#include "service/call.hpp"

namespace ebpf::service {
namespace {

using runtime::MapObject;
using runtime::ProgramObject;
using runtime::Ref;

std::string map_text(const MapObject& map) {
    return fmt::format("map {} '{}'", map.id(), map.name());
}

Result<void> check_size(const MapObject& map, const char* what, std::size_t size, std::size_t needed) {
    if (size == needed) return {};
    return fail(Status::InvalidArgument,
                fmt::format("{}: {} has {} bytes, {} are needed", map_text(map), what, size, needed));
}

Result<void> ok_or(Status status, const MapObject& map, const char* action) {
    if (status == Status::Ok) return {};
    return fail_with(status, fmt::format("{}: {}", map_text(map), action));
}

Result<void> put_program(Call& call, MapObject& map, const protocol::MapUpdateRequest& message) {
    EBPF_TRY(const auto program, call.object_as<ProgramObject>("program", message.program[0]));
    if (!message.value.empty() || message.flags != spec::kUpdateAny)
        return fail(Status::InvalidArgument,
                    fmt::format("{}: a program goes in without value and flags", map_text(map)));
    EBPF_TRY_VOID(check_size(map, "key", message.key.size(), sizeof(std::uint32_t)));
    std::uint32_t index = 0;
    std::memcpy(&index, message.key.data(), sizeof(index));
    return ok_or(map.put_program(index, program), map, fmt::format("element {}", index).c_str());
}

/// Takes records of a ring buffer into a reply, as many as fit.
struct RecordCollector {
    std::vector<protocol::RingRecord>& records;
    std::size_t most = 0;
    std::size_t bytes = 0;
    bool is_short_of_memory = false;

    static bool take(void* state, std::span<const std::byte> record) noexcept {
        auto& self = *static_cast<RecordCollector*>(state);
        const auto kept = record.first(std::min(record.size(), spec::kMaxRecordData));
        if (self.records.size() == self.most || self.bytes + kept.size() > spec::kMaxRecordData) return false;
        try {
            self.records.push_back(
                {.size = static_cast<std::uint32_t>(record.size()), .data = {kept.begin(), kept.end()}});
        } catch (const std::bad_alloc&) {
            self.is_short_of_memory = true;
            return false;
        }
        self.bytes += kept.size();
        return true;
    }
};

Result<void> collect_records(const MapObject& map, std::uint64_t most, protocol::MapRecordsReply& reply) {
    RecordCollector collector{
        .records = reply.records,
        .most = static_cast<std::size_t>(std::min<std::uint64_t>(most, spec::kMaxRecordsAtOnce))};
    const auto position = maps::read_records(map.map(), RecordCollector::take, &collector);
    if (!position) return ok_or(position.error(), map, "records");
    if (collector.is_short_of_memory && reply.records.empty())
        return ok_or(Status::OutOfMemory, map, "records");
    reply.position = *position;
    return {};
}

}  // namespace

Result<protocol::MapCreateReply> carry_out(Call& call, const protocol::MapCreateRequest& message) {
    const spec::MapShape shape{static_cast<spec::MapType>(message.type), message.key_size, message.value_size,
                               message.max_entries, message.flags};
    auto map = call.context().create_map(shape, message.name.c_str(), call.caller.uid);
    if (!map) {
        return fail_with(map.error(),
                         fmt::format("map '{}' (type {}, key {} B, value {} B, max_entries {}, flags {:#x})",
                                     message.name, message.type, message.key_size, message.value_size,
                                     message.max_entries, message.flags));
    }
    if (!message.types.empty()) {
        // Clients may make and close maps without ever loading a program.
        if (call.service.notes().is_sweep_due()) call.service.sweep_notes();
        call.service.notes().add_map((*map)->id(), message.key_type, message.value_type, message.types);
    }
    protocol::MapCreateReply reply;
    reply.map = call.give(*std::move(map));
    return reply;
}

Result<protocol::MapLookupReply> carry_out(Call& call, const protocol::MapLookupRequest& message) {
    EBPF_TRY(const auto map, call.object_as<MapObject>("map", message.map));
    EBPF_TRY_VOID(check_size(*map, "key", message.key.size(), map->shape().key_size));
    protocol::MapLookupReply reply;
    reply.value.resize(map->shape().value_size);
    EBPF_TRY_VOID(ok_or(map->read(message.key.data(), reply.value.data()), *map, "lookup"));
    return reply;
}

Result<protocol::MapUpdateReply> carry_out(Call& call, const protocol::MapUpdateRequest& message) {
    EBPF_TRY(const auto map, call.object_as<MapObject>("map", message.map));
    if (!message.program.empty()) {
        EBPF_TRY_VOID(put_program(call, *map, message));
        return protocol::MapUpdateReply{};
    }
    EBPF_TRY_VOID(check_size(*map, "key", message.key.size(), map->shape().key_size));
    EBPF_TRY_VOID(check_size(*map, "value", message.value.size(), map->shape().value_size));
    EBPF_TRY_VOID(
        ok_or(map->update(message.key.data(), message.value.data(), message.flags), *map, "update"));
    return protocol::MapUpdateReply{};
}

Result<protocol::MapDeleteReply> carry_out(Call& call, const protocol::MapDeleteRequest& message) {
    EBPF_TRY(const auto map, call.object_as<MapObject>("map", message.map));
    EBPF_TRY_VOID(check_size(*map, "key", message.key.size(), map->shape().key_size));
    EBPF_TRY_VOID(ok_or(map->erase(message.key.data()), *map, "delete"));
    return protocol::MapDeleteReply{};
}

Result<protocol::MapNextKeyReply> carry_out(Call& call, const protocol::MapNextKeyRequest& message) {
    EBPF_TRY(const auto map, call.object_as<MapObject>("map", message.map));
    if (!message.key.empty()) {
        EBPF_TRY_VOID(check_size(*map, "key", message.key.size(), map->shape().key_size));
    }
    protocol::MapNextKeyReply reply;
    reply.key.resize(map->shape().key_size);
    const void* after = message.key.empty() ? nullptr : message.key.data();
    EBPF_TRY_VOID(ok_or(map->next_key(after, reply.key.data()), *map, "next key"));
    return reply;
}

Result<protocol::MapFreezeReply> carry_out(Call& call, const protocol::MapFreezeRequest& message) {
    EBPF_TRY(const auto map, call.object_as<MapObject>("map", message.map));
    EBPF_TRY_VOID(ok_or(map->freeze(), *map, "freeze"));
    return protocol::MapFreezeReply{};
}

Result<protocol::MapTypesReply> carry_out(Call& call, const protocol::MapTypesRequest& message) {
    EBPF_TRY(const auto map, call.object_as<MapObject>("map", message.map));
    protocol::MapTypesReply reply;
    if (const MapNote note = call.service.notes().map(map->id()); note.types) {
        reply.key_type = note.key_type;
        reply.value_type = note.value_type;
        reply.types = *note.types;
    }
    return reply;
}

Result<protocol::MapRecordsReply> carry_out(Call& call, const protocol::MapRecordsRequest& message) {
    EBPF_TRY(const auto map, call.object_as<MapObject>("map", message.map));
    EBPF_TRY_VOID(ok_or(maps::release_records(map->map(), message.taken), *map,
                        fmt::format("records up to position {}", message.taken).c_str()));
    protocol::MapRecordsReply reply;
    EBPF_TRY_VOID(collect_records(*map, message.most, reply));
    const std::uint32_t timeout_ms = std::min(message.timeout_ms, spec::kMostWaitMs);
    if (!reply.records.empty() || message.most == 0 || timeout_ms == 0) return reply;
    const Status waited = maps::wait_for_record(map->map(), std::uint64_t{timeout_ms} * 1'000'000);
    if (waited != Status::TimedOut) EBPF_TRY_VOID(ok_or(waited, *map, "waiting for a record"));
    EBPF_TRY_VOID(collect_records(*map, message.most, reply));
    return reply;
}

}  // namespace ebpf::service
