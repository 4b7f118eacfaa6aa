// SPDX-License-Identifier: MIT
#include "native/load.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "base/allocate.hpp"
#include "base/try.hpp"
#include "maps/hash_table.hpp"
#include "native/library_format.hpp"

namespace ebpf::native {
namespace {

// What programs see of an invocation is where the runtime keeps it.
static_assert(offsetof(ebpf_native_invocation, context) == offsetof(engine::Invocation, context));
static_assert(offsetof(ebpf_native_invocation, r2) == offsetof(engine::Invocation, r2));
static_assert(offsetof(ebpf_native_invocation, slot) == offsetof(engine::Invocation, slot));
static_assert(offsetof(ebpf_native_invocation, tail_target) == offsetof(engine::Invocation, tail_target));
static_assert(offsetof(ebpf_native_invocation, call_back) == offsetof(engine::Invocation, call_back));
static_assert(offsetof(ebpf_native_invocation, engine_state) == offsetof(engine::Invocation, engine_state));
static_assert(sizeof(ebpf_native_invocation) == sizeof(engine::Invocation));

// Likewise what lookups in hash maps read.
static_assert(offsetof(ebpf_native_hash_table, buckets) == offsetof(maps::HashTable, buckets));
static_assert(offsetof(ebpf_native_hash_table, region) == offsetof(maps::HashTable, region));
static_assert(offsetof(ebpf_native_hash_table, seed) == offsetof(maps::HashTable, seed));
static_assert(sizeof(ebpf_native_hash_table) == sizeof(maps::HashTable));
static_assert(sizeof(maps::HashElement) == 16 && offsetof(maps::HashElement, next) == 0 &&
              maps::kReferenceBytes == 8 && maps::kMostShortKeyBytes == 24);

constexpr std::size_t kAlignment = 64;
constexpr std::uint32_t kMostElements = 1U << 20U;  // more programs, maps or bindings than any image has

/// The runtime's part of ebpf_native_image; `bound` follows it.
struct LoadedProgram : engine::Image {
    std::shared_ptr<const ImageLibrary> library;
    std::size_t allocation_bytes = 0;
};
static_assert(sizeof(LoadedProgram) <= sizeof(ebpf_native_image));

void destroy(engine::Image* image) noexcept {
    auto* program = static_cast<LoadedProgram*>(image);
    const std::size_t bytes = program->allocation_bytes;
    program->~LoadedProgram();
    release(program, bytes, kAlignment);
}

std::string hex(std::span<const std::uint8_t> bytes) {
    constexpr std::size_t kShown = 8;
    std::string text;
    for (const std::uint8_t byte : bytes.first(kShown)) text += fmt::format("{:02x}", byte);
    return text;
}

/// Resolves the bindings of one program.
class Binder {
  public:
    Binder(const ebpf_native_program& program, const engine::Bindings& bindings)
        : program_(program), bindings_(bindings) {}

    std::expected<void, Fault> check_maps() const {
        if (program_.map_count != bindings_.maps.size()) {
            return fault(Status::Malformed, 0,
                         fmt::format("the image has {} maps, the program {}", program_.map_count,
                                     bindings_.maps.size()));
        }
        for (std::uint32_t i = 0; i < program_.map_count; ++i) {
            const ebpf_native_map& map = program_.maps[i];
            const engine::MapBinding& bound = bindings_.maps[i];
            const spec::MapShape shape{static_cast<spec::MapType>(map.type), map.key_size, map.value_size,
                                       map.max_entries, map.flags};
            const bool is_array = shape.type == spec::MapType::Array;
            if (shape != bound.shape || (is_array && map.element_stride != bound.element_stride))
                return fault(Status::Malformed, 0, fmt::format("map {} of the image has another shape", i));
        }
        return {};
    }

    std::expected<std::uint64_t, Fault> resolve(const ebpf_native_binding& binding) const {
        switch (binding.kind) {
            case EBPF_NATIVE_MAP_HANDLE:
            case EBPF_NATIVE_MAP_VALUES:
            case EBPF_NATIVE_MAP_LOOKUP:
            case EBPF_NATIVE_MAP_TABLE:
                return resolve_map(binding);
            case EBPF_NATIVE_HELPER:
                return resolve_helper(binding);
            case EBPF_NATIVE_PACKET_BYTES:
                return reinterpret_cast<std::uintptr_t>(&engine::packet_bytes);
            default:
                return fault(Status::Malformed, binding.slot,
                             fmt::format("binding of kind {}", binding.kind));
        }
    }

  private:
    static std::unexpected<Fault> fault(Status status, std::uint32_t slot, const std::string& what) {
        return std::unexpected(
            Fault{0, status, slot, fmt::format("instruction {}: {}: {}", slot, what, status_text(status))});
    }

    std::expected<std::uint64_t, Fault> resolve_map(const ebpf_native_binding& binding) const {
        if (binding.number >= bindings_.maps.size())
            return fault(Status::NotFound, binding.slot, fmt::format("map index {}", binding.number));
        const engine::MapBinding& map = bindings_.maps[binding.number];
        if (binding.kind == EBPF_NATIVE_MAP_HANDLE) return map.handle;
        if (binding.kind == EBPF_NATIVE_MAP_VALUES) {
            if (map.value_address != 0) return map.value_address;
            return fault(Status::NotSupported, binding.slot,
                         fmt::format("address of a value in map index {}", binding.number));
        }
        if (binding.kind == EBPF_NATIVE_MAP_TABLE) {
            if (map.hash_table != 0) return map.hash_table;
            return fault(Status::NotSupported, binding.slot,
                         fmt::format("table of map index {}", binding.number));
        }
        if (map.lookup != nullptr) return reinterpret_cast<std::uintptr_t>(map.lookup);
        return fault(Status::NotFound, binding.slot, fmt::format("lookup of map index {}", binding.number));
    }

    std::expected<std::uint64_t, Fault> resolve_helper(const ebpf_native_binding& binding) const {
        for (const engine::HelperBinding& helper : bindings_.helpers) {
            if (helper.id == binding.number && helper.function != nullptr)
                return reinterpret_cast<std::uintptr_t>(helper.function);
        }
        return fault(Status::NotFound, binding.slot, fmt::format("helper {}", binding.number));
    }

    const ebpf_native_program& program_;
    const engine::Bindings& bindings_;
};

bool is_complete(const ebpf_native_program& program) {
    return program.name != nullptr && program.section != nullptr && program.entry != nullptr &&
           program.map_count < kMostElements && program.binding_count < kMostElements &&
           (program.map_count == 0 || program.maps != nullptr) &&
           (program.binding_count == 0 || program.bindings != nullptr);
}

}  // namespace

Result<std::shared_ptr<const ImageLibrary>> ImageLibrary::load(std::span<const std::byte> bytes) {
    EBPF_TRY_VOID(check_library(bytes));
    EBPF_TRY(platform::Library* const library, platform::load_library(bytes));
    std::shared_ptr<ImageLibrary> loaded(new ImageLibrary(library, bytes.size()));
    loaded->table_ =
        static_cast<const ebpf_native_table*>(platform::library_symbol(*library, EBPF_NATIVE_TABLE_SYMBOL));
    EBPF_TRY_VOID(loaded->check_table());
    return loaded;
}

Result<void> ImageLibrary::check_table() const {
    if (table_ == nullptr)
        return fail(Status::Malformed,
                    fmt::format("it has no symbol '{}': bpf2c makes such images", EBPF_NATIVE_TABLE_SYMBOL));
    if (table_->version != EBPF_NATIVE_ABI_VERSION) {
        return fail(Status::VersionMismatch, fmt::format("its table has version {}, this context needs {}",
                                                         table_->version, EBPF_NATIVE_ABI_VERSION));
    }
    const bool has_our_sizes =
        table_->size == sizeof(ebpf_native_table) && table_->program_size == sizeof(ebpf_native_program) &&
        table_->map_size == sizeof(ebpf_native_map) && table_->binding_size == sizeof(ebpf_native_binding);
    if (!has_our_sizes) {
        return fail(
            Status::VersionMismatch,
            fmt::format(
                "its table's records have {}, {}, {} and {} bytes, this context needs {}, {}, {} and {}",
                table_->size, table_->program_size, table_->map_size, table_->binding_size,
                sizeof(ebpf_native_table), sizeof(ebpf_native_program), sizeof(ebpf_native_map),
                sizeof(ebpf_native_binding)));
    }
    if (table_->program_count == 0 || table_->program_count >= kMostElements || table_->programs == nullptr)
        return fail(Status::Malformed, fmt::format("its table has {} programs", table_->program_count));
    for (const ebpf_native_program& program : programs()) {
        if (!is_complete(program)) return fail(Status::Malformed, "a program in its table lacks parts");
    }
    return {};
}

Result<const ebpf_native_program*> ImageLibrary::find(std::string_view name,
                                                      const platform::Sha256& hash) const {
    const ebpf_native_program* same_name = nullptr;
    std::string known;
    for (const ebpf_native_program& program : programs()) {
        if (std::memcmp(program.hash, hash.data(), hash.size()) == 0) return &program;
        if (program.name == name) same_name = &program;
        known += fmt::format("{}{}", known.empty() ? "" : ", ", program.name);
    }
    if (same_name == nullptr)
        return fail(Status::Rejected, fmt::format("it has no program '{}', only {}", name, known));
    const auto* wanted = reinterpret_cast<const std::uint8_t*>(hash.data());
    return fail(
        Status::Rejected,
        fmt::format("its program '{}' was made from other bytecode, map shapes, program type or helper "
                    "prototypes: hash {}..., this context computed {}...",
                    name, hex(same_name->hash), hex({wanted, hash.size()})));
}

std::expected<engine::Image*, Fault> bind(std::shared_ptr<const ImageLibrary> library,
                                          const ebpf_native_program& program,
                                          const engine::Bindings& bindings) {
    const Binder binder(program, bindings);
    if (const auto checked = binder.check_maps(); !checked) return std::unexpected(checked.error());
    const std::size_t bytes = sizeof(ebpf_native_image) + program.binding_count * sizeof(std::uint64_t);
    void* memory = allocate(bytes, kAlignment);
    if (memory == nullptr) return std::unexpected(Fault{0, Status::OutOfMemory, 0, "out of memory"});
    auto* image = ::new (memory) LoadedProgram;
    image->kind = engine::EngineKind::Native;
    image->destroy = destroy;
    image->bytes = bytes + library->bytes();
    image->library = std::move(library);
    image->allocation_bytes = bytes;
    // The entry is a C function that takes both by pointer, which is how references are passed.
    image->run = std::bit_cast<decltype(image->run)>(program.entry);
    auto* bound =
        reinterpret_cast<std::uint64_t*>(static_cast<std::byte*>(memory) + sizeof(ebpf_native_image));
    for (std::uint32_t i = 0; i < program.binding_count; ++i) {
        const auto value = binder.resolve(program.bindings[i]);
        if (!value) {
            destroy(image);
            return std::unexpected(value.error());
        }
        bound[i] = *value;
    }
    return image;
}

Error to_error(const Fault& fault) {
    return {fault.status, fault.message};
}

}  // namespace ebpf::native
