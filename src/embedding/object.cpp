// SPDX-License-Identifier: MIT
// ebpf/embed.h: object files and their maps.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/try.hpp"
#include "embedding/handles.hpp"
#include "platform/file.hpp"
#include "verifier/render.hpp"

namespace ebpf::embedding {
namespace {

constexpr std::size_t kMostObjectBytes = std::size_t{64} << 20U;

Result<ebpf_object*> load(ebpf_context& context, std::span<const std::byte> bytes, std::string_view name) {
    auto object = std::make_unique<ebpf_object>();
    object->context = &context;
    const std::lock_guard guard(context.mutex);
    EBPF_TRY(object->spec, client::read_object(*context.client, bytes, name));
    std::vector<const object::ProgramSpec*> programs;
    for (const auto& program : object->spec.programs) programs.push_back(&program);
    EBPF_TRY(object->loaded, client::load_object(*context.client, object->spec, programs, {}));
    for (const auto& loaded : object->loaded.programs) {
        if (loaded.offered.program.is_empty())
            return fail(Status::Rejected, verifier::render(loaded.offered.report, loaded.spec->name));
    }
    return object.release();
}

Result<runtime::Ref<runtime::MapObject>> find_map(const ebpf_object& object, std::string_view name) {
    const auto& maps = object.spec.maps;
    const auto spec = std::ranges::find(maps, name, &object::MapSpec::name);
    if (spec == maps.end()) {
        std::string known;
        for (const auto& map : maps) known += (known.empty() ? "" : ", ") + map.name;
        return fail(Status::NotFound, fmt::format("{}: no map '{}' among {}", object.spec.name, name, known));
    }
    const std::lock_guard guard(object.context->mutex);
    const auto& handle = object.loaded.maps[static_cast<std::size_t>(spec - maps.begin())];
    EBPF_TRY(const auto details, object.context->client->map_info(handle));
    auto map = object.context->runtime().find_map(details.id);
    if (!map) return fail(map.error(), fmt::format("map '{}'", name));
    return *std::move(map);
}

}  // namespace
}  // namespace ebpf::embedding

using ebpf::Result;
using ebpf::embedding::Reason;
using ebpf::embedding::to_errno;

int ebpf_object_load(ebpf_context* context, const void* bytes, size_t size, const char* name,
                     ebpf_object** object, char* reason, size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes), [&]() -> Result<void> {
        const auto* first = static_cast<const std::byte*>(bytes);
        EBPF_TRY(*object, ebpf::embedding::load(*context, {first, size}, name));
        return {};
    });
}

int ebpf_object_open(ebpf_context* context, const char* path, ebpf_object** object, char* reason,
                     size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes), [&]() -> Result<void> {
        EBPF_TRY(const auto bytes, ebpf::platform::read_file(path, ebpf::embedding::kMostObjectBytes));
        EBPF_TRY(*object, ebpf::embedding::load(*context, bytes, path));
        return {};
    });
}

void ebpf_object_close(ebpf_object* object) {
    delete object;
}

int ebpf_map_open(const ebpf_object* object, const char* name, ebpf_map** map, char* reason,
                  size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes), [&]() -> Result<void> {
        EBPF_TRY(auto found, ebpf::embedding::find_map(*object, name));
        *map = new ebpf_map{std::move(found)};
        return {};
    });
}

void ebpf_map_close(ebpf_map* map) {
    delete map;
}

uint32_t ebpf_map_key_bytes(const ebpf_map* map) {
    return map->map->shape().key_size;
}

uint32_t ebpf_map_value_bytes(const ebpf_map* map) {
    return map->map->shape().value_size;
}

int ebpf_map_lookup(ebpf_map* map, const void* key, void* value) {
    return to_errno(map->map->read(key, value));
}

int ebpf_map_update(ebpf_map* map, const void* key, const void* value, uint64_t flags) {
    return to_errno(map->map->update(key, value, flags));
}

int ebpf_map_delete(ebpf_map* map, const void* key) {
    return to_errno(map->map->erase(key));
}

int ebpf_map_next_key(ebpf_map* map, const void* key, void* next) {
    return to_errno(map->map->next_key(key, next));
}
