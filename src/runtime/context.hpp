// SPDX-License-Identifier: MIT
// Context: the execution context. Owns programs, maps and links; everything hangs off it, nothing is global.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fallible_vector.hpp"
#include "base/status.hpp"
#include "ebpf/hook_provider.h"
#include "engine/engine.hpp"
#include "runtime/objects.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::runtime {

/// A program that was verified and compiled; the caller vouches that `image` is of exactly the verified bytes.
struct ProgramDefinition {
    const char* name = "";                   ///< copied; longer names are cut to kNameBytes - 1
    spec::ProgramType type = spec::ProgramType::Unspecified;
    std::uint32_t attach_type = 0;
    engine::Image* image = nullptr;          ///< ownership passes, also on failure
    std::span<const Ref<MapObject>> maps;    ///< kept alive as long as the program
    std::span<const std::byte> bytecode;     ///< as verified (xlated, before lowering); copied
    std::uint8_t tag[8] = {};                ///< first bytes of the SHA-256 of the bytecode
    std::uint64_t memory_length = 0;         ///< ProgramType::Memory
    std::uint32_t creator_uid = 0;
};

struct ContextOptions {
    std::uint32_t slots = 0;                 ///< per-CPU slots; 0: the host's number of possible CPUs
    void (*trace)(void* owner, const char* text, std::size_t bytes) noexcept = nullptr;  ///< trace_printk; may be null
    void* trace_owner = nullptr;
};

/// The execution context.
/// Threads: any for every member unless said otherwise; readers (find, run) take no locks that writers hold for long.
class Context {
  public:
    /// Makes an empty context. Errors: OutOfMemory.
    static StatusOr<Context*> create(const ContextOptions& options) noexcept;
    /// Detaches every link, drops pins, frees everything. Requires: no invocation and no Ref is left outside.
    static void destroy(Context* context) noexcept;

    /// Makes a map. Errors: those of maps::validate_shape(), OutOfMemory.
    StatusOr<Ref<MapObject>> create_map(const spec::MapShape& shape, const char* name,
                                        std::uint32_t creator_uid) noexcept;
    /// Publishes a program. Errors: OutOfMemory, InvalidArgument.
    StatusOr<Ref<ProgramObject>> add_program(const ProgramDefinition& definition) noexcept;
    /// Attaches `program` through the provider of its program type and attach type. On failure `reason` holds text.
    /// Errors: NotSupported - no provider; those of the provider.
    StatusOr<Ref<LinkObject>> create_link(const Ref<ProgramObject>& program, const ebpf_attach_request& request,
                                          std::span<char> reason) noexcept;
    /// Detaches now, although references may remain. Errors: NotAttached.
    Status detach(LinkObject& link) noexcept;

    /// Finds by id; NotFound also for an object that is going away.
    StatusOr<Ref<MapObject>> find_map(std::uint32_t id) noexcept;
    StatusOr<Ref<ProgramObject>> find_program(std::uint32_t id) noexcept;
    StatusOr<Ref<LinkObject>> find_link(std::uint32_t id) noexcept;
    /// Returns the smallest id of `kind` above `after`, or NotFound.
    StatusOr<std::uint32_t> next_id(ObjectKind kind, std::uint32_t after) noexcept;

    /// Gives an object a name that keeps it alive. Errors: AlreadyExists, InvalidArgument (empty or over
    /// kMaxPinBytes), OutOfMemory.
    Status pin(const char* path, const Ref<Object>& object) noexcept;
    Status unpin(const char* path) noexcept;
    StatusOr<Ref<Object>> find_pin(const char* path) noexcept;
    /// Copies the pin after `after` in byte order (empty: the first) to `path`. Errors: NotFound.
    StatusOr<Ref<Object>> next_pin(const char* after, std::span<char> path) noexcept;

    /// Runs `program` once on `host_context` on the calling thread with a slot leased for the call.
    StatusOr<std::uint64_t> run(ProgramObject& program, void* host_context, std::uint64_t r2) noexcept;

    /// Hook providers. unregister detaches the provider's links first.
    Status register_provider(const ebpf_hook_provider* provider) noexcept;
    Status unregister_provider(const ebpf_hook_provider* provider) noexcept;

  private:
    Context() = default;
    ~Context() = default;
};

}  // namespace ebpf::runtime
